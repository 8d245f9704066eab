import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { JobQueue } from '../../../src/lib/rpc/job_queue';

/** Work that ends only when told to, or when its signal fires. */
function controlled() {
  let finish: (value: string) => void = () => undefined;
  const work = (signal: AbortSignal) =>
    new Promise<string>((resolve, reject) => {
      finish = resolve;
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
  return { work, finish: (value: string) => finish(value) };
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'fulfilled',
    (error: unknown) => (error instanceof AppError ? error.code : 'other'),
  );

describe('JobQueue', () => {
  it('runs queued jobs one after another', async () => {
    const queue = new JobQueue();
    const order: string[] = [];
    const jobs = ['a', 'b', 'c'].map((id) =>
      queue.run(id, 'queue', async () => {
        order.push(`${id} starts`);
        await Promise.resolve();
        order.push(`${id} ends`);
      }),
    );
    expect(queue.ids).toEqual(['a', 'b', 'c']);
    await Promise.all(jobs);
    expect(order).toEqual(['a starts', 'a ends', 'b starts', 'b ends', 'c starts', 'c ends']);
  });

  it('lets the newest "latest" job replace the waiting one and stop the running one', async () => {
    const queue = new JobQueue();
    const jobs = [controlled(), controlled(), controlled()];
    const results = jobs.map((job, i) => codeOf(queue.run(`live ${i}`, 'latest', job.work)));
    expect(await results[0]).toBe('job/superseded');
    expect(await results[1]).toBe('job/superseded');
    jobs[2]?.finish('done');
    expect(await results[2]).toBe('fulfilled');
  });

  it('does not stop a queued job for a live one', async () => {
    const queue = new JobQueue();
    const first = controlled();
    const batch = queue.run('batch', 'queue', first.work);
    const live = queue.run('live', 'latest', () => Promise.resolve('live'));
    first.finish('batch');
    expect(await batch).toBe('batch');
    expect(await live).toBe('live');
  });

  it('cancels a running and a waiting job, and goes on', async () => {
    const queue = new JobQueue();
    const running = codeOf(queue.run('running', 'queue', controlled().work));
    const waiting = codeOf(queue.run('waiting', 'queue', controlled().work));
    const next = queue.run('next', 'queue', () => Promise.resolve('next'));
    queue.cancel('waiting');
    queue.cancel('running');
    expect(await running).toBe('job/cancelled');
    expect(await waiting).toBe('job/cancelled');
    expect(await next).toBe('next');
    expect(queue.ids).toEqual([]);
  });

  it('goes on after a failed job', async () => {
    const queue = new JobQueue();
    const failed = codeOf(queue.run('bad', 'queue', () => Promise.reject(new AppError('backend/run', 'no'))));
    const next = queue.run('good', 'queue', () => Promise.resolve(1));
    expect(await failed).toBe('backend/run');
    expect(await next).toBe(1);
  });

  it('refuses a second job with the same id', async () => {
    const queue = new JobQueue();
    const first = controlled();
    const job = queue.run('x', 'queue', first.work);
    expect(await codeOf(queue.run('x', 'queue', first.work))).toBe('argument/invalid');
    first.finish('ok');
    await job;
  });
});
