/** Every listed mutation of a valid file ends in a result or a typed error, within 2 s and 64 MB. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../src/lib/base/byte_source';
import { AppError } from '../../../src/lib/base/errors';
import { diskFiles, filesFolder, FORMATS, loadIndex, readEverything } from './file_cases';

type Operation = readonly [string, ...(number | string)[]];

interface MutationList {
  readonly files: readonly { readonly file: string; readonly bytes: number; readonly ops: readonly Operation[] }[];
}

const LIMIT_MS = 2000;
const LIMIT_BYTES = 64 * 1024 * 1024;

function mutate(bytes: Uint8Array, operation: Operation): Uint8Array<ArrayBuffer> {
  const [kind, ...rest] = operation;
  const at = Number(rest[0]);
  const head = bytes.subarray(0, at);
  const splice = (middle: Uint8Array, resume: number) =>
    Uint8Array.from(Buffer.concat([head, middle, bytes.subarray(resume)]));
  const hex = () => Buffer.from(String(rest[1]), 'hex');
  switch (kind) {
    case 'truncate':
      return Uint8Array.from(head);
    case 'flip':
      return splice(Uint8Array.of((bytes[at] ?? 0) ^ (1 << Number(rest[1]))), at + 1);
    case 'byte':
      return splice(Uint8Array.of(Number(rest[1])), at + 1);
    case 'delete':
      return splice(new Uint8Array(0), at + Number(rest[1]));
    case 'insert':
      return splice(hex(), at);
    case 'set':
      return splice(hex(), at + hex().length);
    case 'repeat': {
      const piece = bytes.subarray(at, at + Number(rest[1]));
      return splice(Buffer.concat(Array.from({ length: Number(rest[2]) }, () => piece)), at + Number(rest[1]));
    }
    default:
      throw new Error(`unknown mutation ${kind}`);
  }
}

function memoryInUse(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

const list: MutationList = filesFolder
  ? (JSON.parse(readFileSync(join(filesFolder, 'mutations.json'), 'utf8')) as MutationList)
  : { files: [] };
const valid = loadIndex().valid;

describe('mutations', () => {
  if (!filesFolder) it.skip('no files group in the golden folder');
  for (const { file, ops } of list.files) {
    const original = valid.find((c) => c.file === file);
    if (!original || !FORMATS.includes(original.format)) continue;
    it(`${file}: ${ops.length} mutations`, async () => {
      const path = join(filesFolder ?? '', file);
      const bytes = readFileSync(path);
      const targets = original.expected.targets;
      let accepted = 0;
      for (const operation of ops) {
        const source = memorySource(basename(path), mutate(bytes, operation));
        const before = memoryInUse();
        const begin = performance.now();
        const outcome = await readEverything(
          { ...original, ...(targets ? { targets } : {}) },
          diskFiles(path, source),
        ).then(
          () => 'accepted',
          (error: unknown) => (error instanceof AppError ? error.code : `untyped: ${String(error)}`),
        );
        expect(outcome, JSON.stringify(operation)).toMatch(/^(accepted$|file\/|quant\/)/);
        expect(performance.now() - begin, JSON.stringify(operation)).toBeLessThan(LIMIT_MS);
        expect(memoryInUse() - before, JSON.stringify(operation)).toBeLessThan(LIMIT_BYTES);
        if (outcome === 'accepted') accepted++;
      }
      // About a third of the mutations leave a readable file; none at all would mean a reader that refuses everything.
      expect(accepted).toBeLessThan(ops.length);
    });
  }
});
