/**
 * The last step down: where WebGPU's own ways are used up, or its device is lost again and again, WebAssembly does the
 * job. Both stand here on one runtime, the first with faults on demand, so that pictures can be compared bit by bit.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import type { Backend } from '../../../src/lib/backends/backend';
import { createOnnxBackend } from '../../../src/lib/backends/onnx/backend';
import type { OnnxRuntime } from '../../../src/lib/backends/onnx/runtime';
import type { EngineOptions, JobEvent } from '../../../src/lib/rpc/engine';
import { anyRuntime, failure, TestEngine, tinyFiles } from './tiny_model';

const files = { tiny: tinyFiles() };
const runtime = await anyRuntime();

interface Faults {
  /** The decoder's kernels do not compile. */
  compile: boolean;
  /** The device goes away when this many programs have been asked for. */
  loseAt: number;
  /** No adapter answers any more. */
  adapterGone: boolean;
  /** What WebAssembly answers to every program. */
  wasm: AppError | undefined;
}

let faults: Faults;
let asked: EngineOptions['backend'][];
let live: Set<Backend>;
let lose: () => void;
let test: TestEngine;
const notices: string[] = [];
const onEvent = (event: JobEvent) => void (event.kind === 'notice' && notices.push(`${event.code}: ${event.message}`));

function tracked(id: string, source: OnnxRuntime): Backend {
  const backend = createOnnxBackend({ runtime: source, id, label: id });
  const dispose = backend.dispose.bind(backend);
  live.add(backend);
  return Object.assign(backend, {
    dispose() {
      live.delete(backend);
      return dispose();
    },
  });
}

function webgpu(): Backend {
  const backend = tracked('webgpu', runtime);
  const compile = backend.compile.bind(backend);
  let ways = 1;
  let gone: AppError | undefined;
  const lost = new Promise<AppError>((resolve) => {
    lose = () => {
      gone = new AppError('backend/device-lost', 'WebGPU: the device must stay available, got lost.');
      resolve(gone);
    };
  });
  return Object.assign(backend, {
    lost,
    stepDown: () => (ways-- > 0 ? 'plain kernels only' : undefined),
    stepUp: () => void (ways = 1),
    compile: (...args: Parameters<Backend['compile']>) => {
      if (--faults.loseAt === 0) lose();
      if (gone) return Promise.reject(gone);
      if (faults.compile && args[0].name.includes('decoder')) {
        return Promise.reject(new AppError('backend/compile', 'kernel x: the compiler must accept it.'));
      }
      return compile(...args);
    },
  });
}

function wasm(): Backend {
  const backend = tracked('onnx-wasm', runtime);
  const compile = backend.compile.bind(backend);
  return Object.assign(backend, {
    compile: (...args: Parameters<Backend['compile']>) =>
      faults.wasm ? Promise.reject(faults.wasm) : compile(...args),
  });
}

beforeEach(async () => {
  faults = { compile: false, loseAt: 0, adapterGone: false, wasm: undefined };
  asked = [];
  live = new Set();
  notices.length = 0;
  test = await TestEngine.start(files, {
    createBackend: (options) => {
      asked.push(options.backend);
      if (options.backend === 'wasm') return Promise.resolve({ backend: wasm(), reason: 'chosen' });
      if (faults.adapterGone)
        return Promise.resolve({ backend: wasm(), reason: 'fallback', reasonDetail: 'no adapter' });
      return Promise.resolve({ backend: webgpu(), reason: 'chosen' });
    },
  });
});

const status = () => test.engine.status();

describe('kernels of which not even the plain ones compile', () => {
  it('leave the job to WebAssembly: the same picture, said; a new start tries them again', async () => {
    faults.compile = true;
    const result = await test.job({}, { onEvent });
    expect(result.images).toHaveLength(1);
    const pixels = test.lastPixels;
    expect(notices).toEqual([
      expect.stringMatching(/^backend\/compile: The engine tries again with plain kernels only: a kernel/),
      expect.stringMatching(/^backend\/compile: The engine goes on with onnx-wasm: a kernel/),
    ]);
    expect(await status()).toMatchObject({ backend: 'onnx-wasm', reason: 'failed' });
    expect((await status()).reasonDetail).toContain('kernel x');
    expect([...live].map(({ id }) => id)).toEqual(['onnx-wasm']);
    // The next job asks for no WebGPU.
    await test.job({ seed: 8 });
    expect(asked).toEqual(['webgpu', 'wasm']);

    faults.compile = false;
    await test.engine.start({ backend: 'webgpu', threads: 1, baseUrl: '' });
    await test.open('tiny');
    await test.job();
    expect(test.lastPixels).toEqual(pixels);
    expect(await status()).toMatchObject({ backend: 'webgpu', reason: 'chosen' });
  });

  it('are kept where WebAssembly cannot do it either: the first error, and the next job has WebGPU', async () => {
    faults.compile = true;
    faults.wasm = new AppError('backend/out-of-memory', 'session: needs 9 GiB, 4 GiB are there.');
    const error = await failure(test.job({}, { onEvent }));
    expect(error.code).toBe('backend/compile');
    expect(await status()).toMatchObject({ backend: 'webgpu', reason: 'chosen' });
    expect([...live].map(({ id }) => id)).toEqual(['webgpu']);
    faults.compile = false;
    expect((await test.job()).images).toHaveLength(1);
  });

  it('do not keep a job from being stopped while WebAssembly has it', async () => {
    faults.compile = true;
    const job = test.job(
      { steps: 20 },
      {
        id: 'slow',
        onEvent: (event) => {
          onEvent(event);
          if (event.kind === 'step' && notices.length === 2) void test.engine.interrupt('slow');
        },
      },
    );
    const result = await job;
    expect(result.interrupted).toBe(true);
    expect(await status()).toMatchObject({ backend: 'onnx-wasm' });
  });
});

describe('a device that is lost', () => {
  it('once: the job fails with its code, the next one has a new device', async () => {
    faults.loseAt = 2;
    const error = await failure(test.job({}, { onEvent }));
    expect(error.code).toBe('backend/device-lost');
    expect(notices).toEqual([]);
    expect(await status()).toMatchObject({ backend: 'webgpu', reason: 'chosen' });
    expect((await test.job()).images).toHaveLength(1);
  });

  it('again: WebAssembly does the job, and the panel can say why', async () => {
    faults.loseAt = 2;
    await failure(test.job());
    faults.loseAt = 2;
    expect((await test.job({}, { onEvent })).images).toHaveLength(1);
    expect(notices).toEqual([expect.stringMatching(/^backend\/device-lost: The engine goes on with onnx-wasm/)]);
    expect(await status()).toMatchObject({ backend: 'onnx-wasm', reason: 'failed' });
    expect((await status()).reasonDetail).toContain('got lost');
  });

  it('and does not come back: WebAssembly does the job at once', async () => {
    faults.loseAt = 2;
    faults.adapterGone = true;
    expect((await test.job({}, { onEvent })).images).toHaveLength(1);
    expect(notices).toEqual([expect.stringMatching(/The engine goes on with onnx-wasm/)]);
    expect(await status()).toMatchObject({ backend: 'onnx-wasm', reason: 'fallback', reasonDetail: 'no adapter' });
  });

  it('while nothing ran, as after sleep: the next job does not notice, however often', async () => {
    for (let i = 0; i < 2; i++) {
      await test.job();
      lose();
      await Promise.resolve();
    }
    expect((await test.job({}, { onEvent })).images).toHaveLength(1);
    expect(notices).toEqual([]);
    expect(await status()).toMatchObject({ backend: 'webgpu', reason: 'chosen' });
    expect(live.size).toBe(1);
  });
});
