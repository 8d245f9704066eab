import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { inPsdWorker } from '../../../src/lib/state/psd_worker';

/** A worker that never answers, until it breaks. */
class SilentWorker extends EventTarget {
  terminated = 0;
  postMessage(): void {}
  terminate(): void {
    this.terminated += 1;
  }
  break(message: string): void {
    this.dispatchEvent(Object.assign(new Event('error'), { message }));
  }
}

describe('the PSD worker', () => {
  it('that dies is a typed error, not a wait without end', async () => {
    const worker = new SilentWorker();
    const written = inPsdWorker(
      () => worker as unknown as Worker,
      () => new Promise(() => {}),
    );
    worker.break('out of memory');
    await expect(written).rejects.toBeInstanceOf(AppError);
    await expect(written).rejects.toMatchObject({ code: 'internal/unexpected', message: /out of memory.*try again/ });
    expect(worker.terminated).toBe(1);
  });

  it('ends with its file, whether that went well or not', async () => {
    const worker = new SilentWorker();
    const factory = () => worker as unknown as Worker;
    await expect(inPsdWorker(factory, () => Promise.resolve('file'))).resolves.toBe('file');
    await expect(inPsdWorker(factory, () => Promise.reject(new Error('no layers')))).rejects.toThrow('no layers');
    expect(worker.terminated).toBe(2);
  });
});
