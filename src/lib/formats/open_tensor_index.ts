/** Opens a model file of any supported container: recognises it by its bytes, reads the header, joins companions. */
import type { ByteSource } from '../base/byte_source';
import { attachCompanions } from './companions';
import { singleFile, type FileSet } from './file_set';
import { fileError } from './format_error';
import { readGguf } from './gguf';
import { readOnnx } from './onnx_header';
import { readSafetensors } from './safetensors';
import { readSharded } from './sharded';
import type { ContainerFormat, TensorIndex } from './tensor_index';
import { readTorchPickle } from './torch_pickle';

interface ContainerDef {
  readonly format: ContainerFormat;
  /** Whether the first 16 bytes (fewer in a shorter file) are of this container. */
  matches(start: Uint8Array): boolean;
  /** Names that say the container where the bytes do not, so that a damaged file gets its own format's message. */
  readonly extensions: readonly string[];
  read(files: FileSet, signal?: AbortSignal): Promise<TensorIndex>;
}

const startsWith = (start: Uint8Array, ...bytes: number[]) => bytes.every((byte, i) => start[i] === byte);

/** Containers in the order they are tried. Adding one = one reader and one row. */
export const CONTAINERS: readonly ContainerDef[] = [
  {
    format: 'gguf',
    matches: (start) => startsWith(start, 0x47, 0x47, 0x55, 0x46),
    extensions: ['.gguf'],
    read: ({ main }, signal) => readGguf(main, signal),
  },
  {
    format: 'safetensors',
    matches: (start) => start.length > 8 && start[8] === 0x7b && start[7] === 0,
    extensions: ['.safetensors', '.sft'],
    read: ({ main }, signal) => readSafetensors(main, signal),
  },
  {
    format: 'pickle',
    matches: (start) => startsWith(start, 0x50, 0x4b, 3, 4) || startsWith(start, 0x80, 2, 0x8a, 10),
    extensions: ['.pt', '.pth', '.ckpt', '.bin'],
    read: ({ main }, signal) => readTorchPickle(main, signal),
  },
  {
    format: 'sharded',
    matches: (start) => start[0] === 0x7b,
    extensions: ['.json'],
    read: readSharded,
  },
  {
    format: 'onnx',
    // ir_version, field 1 as varint, is the first thing that every known writer puts out.
    matches: (start) => start[0] === 0x08 && (start[1] ?? 255) < 64,
    extensions: ['.onnx'],
    read: readOnnx,
  },
];

/** Files that people take for models: pictures, pages and pointers that a download gave instead of the file. */
const FOREIGN: readonly (readonly [what: string, remedy: string, matches: (start: Uint8Array) => boolean])[] = [
  ['a PNG picture', 'Choose a model file.', (start) => startsWith(start, 0x89, 0x50, 0x4e, 0x47)],
  ['a JPEG picture', 'Choose a model file.', (start) => startsWith(start, 0xff, 0xd8, 0xff)],
  ['a RIFF file (WebP, WAV)', 'Choose a model file.', (start) => startsWith(start, 0x52, 0x49, 0x46, 0x46)],
  [
    'a web page',
    'The download gave a page instead of the file: log in at the host or accept its licence, then get it again.',
    (start) => /^\s*<(!doctype|html)/i.test(String.fromCharCode(...start)),
  ],
  [
    'a Git LFS pointer',
    'Get the real file: git lfs pull, or download it from the page of the repository.',
    (start) => String.fromCharCode(...start).startsWith('version https:/'),
  ],
];

export interface OpenOptions {
  readonly signal?: AbortSignal;
  /** false: list scales and quant states as tensors of their own. Default true. */
  readonly companions?: boolean;
}

/**
 * Reads what a model file holds, from its header alone.
 * @param input one file, or a file with its neighbours (needed for shards and ONNX external data)
 * @throws AppError 'file/unknown-format', the reader's 'file/*' codes, 'quant/bad-companion'
 */
export async function openTensorIndex(input: ByteSource | FileSet, options: OpenOptions = {}): Promise<TensorIndex> {
  const files = 'main' in input ? input : singleFile(input);
  const container = await detectContainer(files.main, options.signal);
  const index = await container.read(files, options.signal);
  return options.companions === false ? index : attachCompanions(index, options.signal);
}

/** The container of a file: by its bytes, else by its name. @throws AppError 'file/unknown-format' */
async function detectContainer(source: ByteSource, signal?: AbortSignal): Promise<ContainerDef> {
  const start = await source.read(0, Math.min(16, source.sizeBytes), signal);
  const name = source.name.toLowerCase();
  const byBytes = CONTAINERS.find((container) => container.matches(start));
  const foreign = byBytes ? undefined : FOREIGN.find(([, , matches]) => matches(start));
  if (foreign) {
    const [what, remedy] = foreign;
    throw fileError('file/unknown-format', source.name, `this is ${what}, not a model`, { remedy });
  }
  const found =
    byBytes ?? CONTAINERS.find((container) => container.extensions.some((extension) => name.endsWith(extension)));
  if (found) return found;
  throw fileError('file/unknown-format', source.name, 'neither the first bytes nor the name tell a model format', {
    remedy: 'Supported are safetensors, GGUF, PyTorch checkpoints, ONNX and sharded safetensors with their index.',
  });
}
