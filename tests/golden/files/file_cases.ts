/** The golden file cases and how each format is opened and read to the last byte. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { memorySource, type ByteSource } from '../../../src/lib/base/byte_source';
import type { FileSet } from '../../../src/lib/formats/file_set';
import { readGguf } from '../../../src/lib/formats/gguf';
import { checkLora } from '../../../src/lib/formats/lora_check';
import { readOnnx } from '../../../src/lib/formats/onnx_header';
import { readSafetensors } from '../../../src/lib/formats/safetensors';
import { readSharded } from '../../../src/lib/formats/sharded';
import type { TensorIndex } from '../../../src/lib/formats/tensor_index';
import { readTorchPickle } from '../../../src/lib/formats/torch_pickle';
import { dequantizeTensor, readRaw } from '../../../src/lib/quant/dequantize';
import { quantType } from '../../../src/lib/quant/registry';
import { goldenGroup } from '../golden_dir';

export interface ExpectedTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly stride?: readonly number[];
  readonly storage_offset?: number;
  readonly byte_range?: readonly [number, number];
  readonly sha256_raw?: string | null;
  readonly sha256_f32?: string | null;
  readonly file?: string;
}

export interface FileCase {
  readonly name: string;
  readonly format: string;
  readonly file: string;
  readonly error?: string;
  readonly also_accepted?: readonly string[];
  readonly targets?: Readonly<Record<string, readonly number[]>>;
}

export interface ValidCase extends FileCase {
  readonly expected_either?: boolean;
  readonly expected: {
    readonly metadata?:
      Readonly<Record<string, string>> | readonly { key: string; type: string; value: unknown }[] | null;
    readonly data_start?: number;
    readonly version?: number;
    readonly byte_order?: string;
    readonly alignment?: number;
    readonly total_size?: number | null;
    readonly tensors?: readonly ExpectedTensor[];
    readonly targets?: Readonly<Record<string, readonly number[]>>;
    readonly delta?: Readonly<Record<string, { shape: number[]; frobenius: number; first8: number[] }>>;
  };
}

export interface HostileCase extends FileCase {
  readonly expected: 'reject' | 'either';
}

export interface GeneratedCase {
  readonly name: string;
  readonly recipe: string;
  readonly expected: 'reject' | 'accept';
  readonly error?: string;
  readonly also_accepted?: readonly string[];
  readonly limit_seconds?: number;
}

export interface FilesIndex {
  readonly valid: readonly ValidCase[];
  readonly hostile: readonly HostileCase[];
  readonly generated: readonly GeneratedCase[];
}

export const filesFolder = goldenGroup('files');

/** PNG is read by the text chunk reader and has its own suite. */
export const FORMATS = ['safetensors', 'gguf', 'pickle', 'sharded', 'onnx', 'lora'];

export function loadIndex(): FilesIndex {
  if (!filesFolder) return { valid: [], hostile: [], generated: [] };
  return JSON.parse(readFileSync(join(filesFolder, 'index.json'), 'utf8')) as FilesIndex;
}

function diskSource(path: string): ByteSource {
  return memorySource(basename(path), Uint8Array.from(readFileSync(path)));
}

/** A file with its neighbours on disk. */
export function diskFiles(path: string, main = diskSource(path)): FileSet {
  return {
    main,
    openSibling: (name) => {
      const sibling = join(dirname(path), name);
      return Promise.resolve(existsSync(sibling) ? diskSource(sibling) : undefined);
    },
  };
}

/** Opens a file by the format that the case names. */
export function openAs(format: string, files: FileSet): Promise<TensorIndex> {
  switch (format) {
    case 'safetensors':
    case 'lora':
      return readSafetensors(files.main);
    case 'gguf':
      return readGguf(files.main);
    case 'pickle':
      return readTorchPickle(files.main);
    case 'sharded':
      return readSharded(files);
    case 'onnx':
      return readOnnx(files);
    default:
      throw new Error(`no reader for ${format}`);
  }
}

/** Opens, then reads every tensor: both must be safe. */
export async function readEverything(c: FileCase, files: FileSet): Promise<TensorIndex> {
  const index = await openAs(c.format, files);
  if (c.format === 'lora') await checkLora(index, new Map(Object.entries(c.targets ?? {})));
  for (const tensor of index.tensors.values()) {
    await readRaw(tensor);
    if (quantType(tensor.type).dequantize) await dequantizeTensor(tensor);
  }
  return index;
}

export function sha256(bytes: ArrayBufferView): string {
  return createHash('sha256')
    .update(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    .digest('hex');
}

/** No file of the set may cost more; the generated ones may state their own bound. */
export const LIMIT_SECONDS = 2;
