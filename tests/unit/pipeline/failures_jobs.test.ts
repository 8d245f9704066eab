/** Jobs that fail, stop or are replaced: a code, a remedy, memory back to weights only, and the next job works. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import type { OnnxRuntime } from '../../../src/lib/backends/onnx/runtime';
import { samplers } from '../../../src/lib/sampling/registry';
import {
  anyRuntime,
  autoencoderBytes,
  changed,
  failure,
  modelBytes,
  nanBytes,
  TestEngine,
  tinyFiles,
} from './tiny_model';

/** A runtime that fails on demand, as libraries do: with an error, or with a bare C++ exception pointer. */
const faults: { create?: unknown; run?: unknown } = {};
function faulty(runtime: OnnxRuntime): OnnxRuntime {
  return {
    ...runtime,
    async createSession(...args) {
      if (faults.create !== undefined) throw faults.create;
      const session = await runtime.createSession(...args);
      return {
        ...session,
        run(feeds) {
          if (faults.run !== undefined) return Promise.reject(faults.run);
          return session.run(feeds);
        },
      };
    },
  };
}

const broken = (part: RegExp, bytes = modelBytes) =>
  changed(bytes, (name, data) => (part.test(name) ? { data: nanBytes(data.byteLength) } : undefined));

const files = {
  tiny: tinyFiles(),
  'NaN in the denoiser': tinyFiles(broken(/middle_block\.0\.in_layers\.2\.weight$/)),
  'NaN in the text encoder': tinyFiles(broken(/layers\.0\.mlp\.fc1\.weight$/)),
  'NaN in the decoder': tinyFiles(modelBytes, broken(/^decoder\.1\.weight$/, autoencoderBytes)),
};

let test: TestEngine;
let weightsBytes: number;
beforeAll(async () => {
  test = await TestEngine.start(files, { runtime: faulty(await anyRuntime()) });
  await test.job();
  weightsBytes = test.backend.memory().weightsBytes;
});
afterAll(() => test.engine.dispose());

/** What every ending owes: nothing of the job stays, and the next one draws. */
async function settled(): Promise<void> {
  expect(test.jobBytes).toBe(0);
  const result = await test.job();
  expect(result.images).toHaveLength(1);
  expect(result.interrupted).toBe(false);
  expect(test.jobBytes).toBe(0);
  // A failed allocation frees what is idle; what the next job does not need stays away.
  expect(test.backend.memory().weightsBytes).toBeLessThanOrEqual(weightsBytes);
  expect(test.backend.memory().weightsBytes).toBeGreaterThan(weightsBytes / 2);
}

describe('bad settings', () => {
  it.each([
    [{ widthPx: 100 }, /width.*multiple of 8 .*nearest: 104/, 104],
    [{ heightPx: 8 }, /height.*64\.\.4096.*nearest: 64/, 64],
    [{ widthPx: 100_000 }, /width.*nearest: 4096/, 4096],
    [{ widthPx: Number.NaN }, /width.*nearest: 128/, 128],
    [{ widthPx: 64.5 }, /width.*nearest: 64/, 64],
  ] as const)('%o names the nearest size', async (change, message, nearest) => {
    const error = await failure(test.job(change));
    expect(error.code).toBe('argument/invalid');
    expect(error.message).toMatch(message);
    expect([nearest, 104]).toContain(error.details['nearest']);
    // The advice holds.
    const fixed = Object.fromEntries(Object.keys(change).map((key) => [key, error.details['nearest']]));
    if (nearest < 1000) expect((await test.job(fixed)).images).toHaveLength(1);
  });

  it.each([
    [{ steps: 0 }, 'argument/invalid', '1..150'],
    [{ steps: 2.5 }, 'argument/invalid', 'whole number'],
    [{ cfgScale: Number.POSITIVE_INFINITY }, 'argument/invalid', '-30..1000'],
    [{ batchSize: 99 }, 'argument/invalid', '1..16'],
    [{ seed: -2 }, 'argument/invalid', '-1 (random)'],
    [{ clipSkip: 0 }, 'argument/invalid', '1..12'],
    [{ sampler: 'Eulr' }, 'sampler/unknown', 'Eulr'],
    [{ schedule: 'sideways' }, 'sampler/unknown', 'sideways'],
  ] as const)('%o says what is allowed', async (change, code, text) => {
    const error = await failure(test.job(change));
    expect(error.code).toBe(code);
    expect(error.message).toContain(text);
  });

  it('leave the engine as it was', settled);
});

describe('values that are not finite', () => {
  it.each(Object.keys(files).filter((name) => name !== 'tiny'))('%s', async (name) => {
    await test.open(name);
    const error = await failure(test.job());
    expect(error.code).toBe('job/non-finite');
    expect(error.message).toContain('try');
    expect(test.jobBytes).toBe(0);
    await test.open('tiny');
    await settled();
  });
});

describe('a safer way of computing', () => {
  /** The engine's backend as one with fast kernels that are wrong until it has stepped down `steps` times. */
  function unsafe(steps: number) {
    const { backend } = test;
    let down = 0;
    Object.assign(backend, {
      stepDown: () => (down < 2 ? `way ${++down}` : undefined),
      stepUp: () => void (down = 0),
    });
    const compile = backend.compile.bind(backend);
    backend.compile = (graph, weights, options) =>
      down < steps && graph.name.includes('decoder')
        ? Promise.reject(new AppError('backend/compile', 'kernel x: the compiler must accept it.'))
        : compile(graph, weights, options);
    return {
      down: () => down,
      restore: () => Object.assign(backend, { compile, stepDown: undefined, stepUp: undefined }),
    };
  }

  it('is tried with the same job, and said', async () => {
    const fault = unsafe(1);
    const notices: string[] = [];
    const result = await test
      .job({ seed: 3, widthPx: 96 }, { onEvent: (event) => event.kind === 'notice' && notices.push(event.message) })
      .finally(fault.restore);
    expect(result.images).toHaveLength(1);
    expect(fault.down()).toBe(1);
    expect(notices).toEqual([expect.stringMatching(/tries again with way 1: a kernel does not compile/)]);
    await settled();
  });

  it('is given up where none helps: the first error, and the next model is not slow', async () => {
    const fault = unsafe(3);
    const error = await failure(test.job({ seed: 4, heightPx: 96 })).finally(fault.restore);
    expect(error.code).toBe('backend/compile');
    expect(fault.down()).toBe(0);
    await settled();
  });
});

describe('no memory', () => {
  it.each([
    ['an error of the library', new Error('failed to allocate a buffer of 12345 bytes')],
    ['a bare exception of WebAssembly', 5_251_000],
    ['a heap that cannot grow', new RangeError('Invalid typed array length: 4294967296')],
  ])('while a program is made: %s', async (_name, fault) => {
    faults.create = fault;
    const error = await failure(test.job({ widthPx: 128, heightPx: 128 })).finally(() => delete faults.create);
    expect(error.code).toBe('backend/out-of-memory');
    expect(error.message).toContain('smaller size');
    expect(test.backend.memory().weightsBytes).toBeLessThanOrEqual(weightsBytes);
    await settled();
  });

  it('while a program runs', async () => {
    faults.run = new Error('std::bad_alloc');
    const error = await failure(test.job({ seed: 2 })).finally(() => delete faults.run);
    expect(error.code).toBe('backend/out-of-memory');
    await settled();
  });

  it('another failure of the library is typed too', async () => {
    faults.run = new Error('something odd');
    const error = await failure(test.job({ seed: 2 })).finally(() => delete faults.run);
    expect(error.code).toBe('backend/run');
    expect(error.message).toContain('something odd');
    await settled();
  });
});

describe('stopped and replaced jobs', () => {
  it('stopped after a step: gives what exists', async () => {
    const id = 'stopped';
    const result = await test.job(
      { steps: 20 },
      {
        id,
        onEvent: (event) => {
          if (event.kind === 'step' && event.step === 2) void test.engine.interrupt(id);
        },
      },
    );
    expect(result.interrupted).toBe(true);
    expect(result.images).toHaveLength(1);
    await settled();
  });

  it('held between its steps: rests, and goes on when let go', async () => {
    const steps: number[] = [];
    const held = test.job(
      { steps: 6 },
      {
        id: 'held',
        onEvent: (event) => {
          if (event.kind !== 'step') return;
          steps.push(event.step);
          if (event.step === 2) void test.engine.hold(true);
        },
      },
    );
    await vi.waitFor(() => expect(steps).toContain(2));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(steps).toEqual([1, 2]);
    await test.engine.hold(false);
    expect((await held).images).toHaveLength(1);
    expect(steps).toEqual([1, 2, 3, 4, 5, 6]);
    await settled();
  });

  it('stopped before the first step: a code, no picture', async () => {
    const id = 'stopped early';
    const job = test.job({ steps: 20, prompt: 'a blue car' }, { id });
    await test.engine.interrupt(id);
    expect((await failure(job)).code).toBe('job/cancelled');
    await settled();
  });

  it('stopped while waiting', async () => {
    const running = test.job({ steps: 4 });
    const waiting = test.job({}, { id: 'waiting' });
    await test.engine.interrupt('waiting');
    expect((await failure(waiting)).code).toBe('job/cancelled');
    expect((await running).images).toHaveLength(1);
    await settled();
  });

  it('superseded while it runs and while it waits', async () => {
    let newer: Promise<unknown> | undefined;
    let newest: Promise<unknown> | undefined;
    const old = test.job(
      { steps: 30 },
      {
        policy: 'latest',
        onEvent: (event) => {
          if (event.kind !== 'step' || event.step !== 2) return;
          newer = failure(test.job({}, { policy: 'latest' }));
          newest = test.job({}, { policy: 'latest' });
        },
      },
    );
    expect((await failure(old)).code).toBe('job/superseded');
    expect(await newer).toMatchObject({ code: 'job/superseded' });
    expect(await newest).toMatchObject({ interrupted: false });
    await settled();
  });

  it('a failing listener of events ends only its own job', async () => {
    const job = test.job(
      {},
      {
        onEvent: (event) => {
          if (event.kind === 'step') throw new Error('listener');
        },
      },
    );
    await expect(job).rejects.toThrow('listener');
    await settled();
  });

  it.each(samplers.map(({ label }) => label))('%s gives every latent back when it is stopped', async (sampler) => {
    const id = `stop ${sampler}`;
    let stopped = false;
    await test
      .job(
        { steps: 4, sampler },
        {
          id,
          onEvent: (event) => {
            if (event.kind === 'step' && !stopped) {
              stopped = true;
              void test.engine.interrupt(id);
            }
          },
        },
      )
      .catch((error: unknown) => expect(error).toMatchObject({ code: /^(job\/cancelled|sampler\/unsupported)$/ }));
    expect(test.jobBytes).toBe(0);
  });
});

describe('prompts over the limit of 75 tokens', () => {
  // No two chunks alike: attention over copies of one chunk equals attention over that chunk.
  const nouns = ['red', 'apple', 'blue', 'car', 'house', 'tree', 'cat'];
  const words = [...Array.from({ length: 299 }, (_, i) => nouns[(i * i + Math.floor(i / 75)) % 7]), 'star'].join(' ');

  it('are counted in whole chunks', async () => {
    const { count, limit } = await test.engine.countTokens(words);
    expect(count).toBe(300);
    expect(limit).toBe(300);
    expect((await test.engine.countTokens(`${words} apple`)).limit).toBe(375);
  });

  it('are read to the end, not cut', async () => {
    const pixels = async (prompt: string) => {
      await test.job({ prompt });
      return [...(test.lastPixels ?? [])];
    };
    const whole = await pixels(words);
    expect(whole.some((value) => value > 0)).toBe(true);
    expect(await pixels(words)).toEqual(whole);
    expect(await pixels(words.split(' ').slice(0, 75).join(' '))).not.toEqual(whole);
    // The very last word decides, too.
    expect(await pixels(words.replace(/star$/, 'dog'))).not.toEqual(whole);
    expect(test.jobBytes).toBe(0);
  });
});
