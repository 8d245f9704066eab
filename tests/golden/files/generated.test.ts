/** Files too large to store, built from the recipes of the index: limits refuse, large honest headers are read in time. */
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../src/lib/base/byte_source';
import { AppError } from '../../../src/lib/base/errors';
import { singleFile } from '../../../src/lib/formats/file_set';
import { filesFolder, FORMATS, LIMIT_SECONDS, loadIndex, openAs, type GeneratedCase } from './file_cases';
import { stopwatch } from '../../tools/stopwatch';

const MIB = 1024 * 1024;

function safetensors(header: string, dataBytes: number): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(8 + header.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  new TextEncoder().encodeInto(header, file.subarray(8));
  return file;
}

function manyTensors(count: number, elements: number): Uint8Array<ArrayBuffer> {
  const entries = Array.from({ length: count }, (_, i) => {
    const begin = i * elements * 4;
    return `"t${i}":{"dtype":"F32","shape":[${elements}],"data_offsets":[${begin},${begin + elements * 4}]}`;
  });
  return safetensors(`{${entries.join(',')}}`, count * elements * 4);
}

/** A GGUF of version 3 without tensors from already encoded key-value pairs. */
function gguf(keyCount: number, pairs: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const head = Buffer.alloc(24);
  head.write('GGUF');
  head.writeUInt32LE(3, 4);
  head.writeBigUInt64LE(BigInt(keyCount), 16);
  return Uint8Array.from(Buffer.concat([head, ...pairs, Buffer.alloc(32)]));
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** Builders by the pattern of the case name; numbers come from the name, shapes from the recipe. */
const BUILDERS: readonly [RegExp, (size: number, recipe: string) => Uint8Array<ArrayBuffer>][] = [
  [/^safetensors\/tensors_(\d+)$/, (n, recipe) => manyTensors(n, Number(/shape \[(\d+)\]/.exec(recipe)?.[1] ?? 0))],
  [/^safetensors\/header_(\d+)MiB$/, (n) => safetensors(`{}${' '.repeat(n * MIB - 2)}`, 0)],
  [
    /^gguf\/kv_(\d+)$/,
    (n) =>
      gguf(
        n,
        Array.from({ length: n }, (_, i) => Buffer.concat([text(`k${i}`), u32(0), Buffer.of(1)])),
      ),
  ],
  [
    /^gguf\/strings_(\d+)$/,
    (n) => gguf(1, [text('k'), u32(9), u32(8), u64(n), ...Array.from({ length: n }, () => text('abcdef'))]),
  ],
  [/^gguf\/string_(\d+)MiB$/, (n) => gguf(1, [text('k'), u32(8), text('a'.repeat(n * MIB))])],
];

function build(c: GeneratedCase): Uint8Array<ArrayBuffer> | undefined {
  for (const [pattern, make] of BUILDERS) {
    const match = pattern.exec(c.name);
    if (match) return make(Number(match[1]), c.recipe);
  }
  return undefined;
}

describe('generated files', () => {
  if (!filesFolder) it.skip('no files group in the golden folder');
  for (const c of loadIndex().generated) {
    const format = c.name.split('/')[0] ?? '';
    if (!FORMATS.includes(format)) continue;
    it(`${c.name}: ${c.expected} ${c.error ?? ''}`, async () => {
      const bytes = build(c);
      expect(bytes, `no builder for the recipe "${c.recipe}"`).toBeDefined();
      if (!bytes) return;
      const seconds = stopwatch();
      const outcome = await openAs(format, singleFile(memorySource(c.name, bytes))).then(
        () => 'accept',
        (error: unknown) => (error instanceof AppError ? error.code : `untyped: ${String(error)}`),
      );
      expect(seconds()).toBeLessThan(c.limit_seconds ?? LIMIT_SECONDS);
      if (c.expected === 'accept') expect(outcome).toBe('accept');
      else expect([c.error, ...(c.also_accepted ?? [])].map((name) => `file/${name ?? ''}`)).toContain(outcome);
    });
  }
});
