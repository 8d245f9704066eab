/** Mutated files: a result or an AppError, never another error, in little time and memory. Seeded, so that a failure can be repeated. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { CONTAINERS, openTensorIndex } from '../../../src/lib/formats/open_tensor_index';
import { singleFile } from '../../../src/lib/formats/file_set';
import { parseStrictJson } from '../../../src/lib/formats/strict_json';
import { dequantizeTensor, readRaw } from '../../../src/lib/quant/dequantize';
import { quantType } from '../../../src/lib/quant/registry';
import type { TensorIndex } from '../../../src/lib/formats/tensor_index';
import { stopwatch } from '../../tools/stopwatch';
import { ggufSample, onnxSample, safetensorsSample, source, torchSample } from './sample_files';

const SEED = 20260;
const RUNS = 600;
/** Far above what one of these files takes. */
const LIMIT_SECONDS = 2;
const LIMIT_BYTES = 64 * 2 ** 20;

function memoryInUse(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const samples = {
  safetensors: safetensorsSample(),
  gguf: ggufSample(),
  'torch stored': torchSample(0),
  'torch deflated': torchSample(6),
  onnx: onnxSample(),
} as const;

const edit = fc.oneof(
  fc.record({ kind: fc.constant('byte' as const), at: fc.nat(), value: fc.nat(255) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), value: fc.nat(64) }),
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), value: fc.nat(255) }),
  fc.record({ kind: fc.constant('fill' as const), at: fc.nat(), value: fc.constantFrom(0, 0x7f, 0x80, 0xff) }),
  fc.record({ kind: fc.constant('truncate' as const), at: fc.nat(), value: fc.constant(0) }),
);
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

function apply(bytes: Uint8Array, { kind, at: where, value }: Edit): Uint8Array {
  const at = where % (bytes.length + 1);
  const rest = bytes.subarray(at);
  switch (kind) {
    case 'byte':
      return Uint8Array.from(bytes, (byte, i) => (i === at ? value : byte));
    case 'cut':
      return Uint8Array.from([...bytes.subarray(0, at), ...rest.subarray(value)]);
    case 'insert':
      return Uint8Array.from([...bytes.subarray(0, at), value, ...rest]);
    case 'fill':
      return Uint8Array.from(bytes, (byte, i) => (i >= at && i < at + 8 ? value : byte));
    case 'truncate':
      return bytes.slice(0, at);
  }
}

async function readAll(index: TensorIndex): Promise<void> {
  for (const tensor of index.tensors.values()) {
    await readRaw(tensor);
    if (quantType(tensor.type).dequantize) await dequantizeTensor(tensor);
  }
}

async function expectTyped(work: () => Promise<void>): Promise<void> {
  const seconds = stopwatch();
  const before = memoryInUse();
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
  }
  expect(seconds()).toBeLessThan(LIMIT_SECONDS);
  expect(memoryInUse() - before).toBeLessThan(LIMIT_BYTES);
}

describe('mutated files', () => {
  it.each(Object.entries(samples))('%s: a result or a typed error', async (_name, bytes) => {
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
        const mutated = edits.reduce<Uint8Array>(apply, bytes);
        await expectTyped(async () => readAll(await openTensorIndex(source(mutated))));
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });

  it.each(CONTAINERS.map((container) => [container.format, container] as const))(
    '%s reader on arbitrary bytes',
    async (_format, container) => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), (bytes) =>
          expectTyped(async () => readAll(await container.read(singleFile(source(bytes))))),
        ),
        { seed: SEED, numRuns: RUNS },
      );
    },
  );

  it('strict JSON accepts nothing that JSON.parse refuses', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.json(), fc.string({ unit: fc.constantFrom(...'{}[]":,\\u0d8-+.eEnl tf\n\t') })),
        (text) => {
          let accepted = true;
          try {
            parseStrictJson(text, 'fuzz');
          } catch (error) {
            expect(error).toBeInstanceOf(AppError);
            accepted = false;
          }
          if (accepted) expect(() => void JSON.parse(text)).not.toThrow();
        },
      ),
      { seed: SEED, numRuns: 3000 },
    );
  });
});
