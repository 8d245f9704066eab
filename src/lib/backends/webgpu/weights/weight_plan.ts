/**
 * How a stored weight lies on the device: which layout, how many bytes, in how many parts. Decided from the file's
 * header alone, so that memory is known before anything is read. Loading is in `pack_weight.ts`.
 */
import { elementCount, type Shape } from '../../../base/shape';
import type { QuantTypeId } from '../../../quant/registry';
import type { NamedWeight } from '../../../graph/weights';
import { BLOCK_LAYOUTS, scaleBytesOf } from './block_layouts';

/**
 * plain: f32 in row-major order, for biases, norms and anything that is no matrix.
 * matrix: rows of a linear layer or of an embedding table. conv: rows of a convolution, taps before channels.
 */
export type WeightForm = 'plain' | 'matrix' | 'conv';

/** Row layouts: one element after the other, rows filled up to a multiple of 4. Block layouts: flat. */
export type WeightStorage =
  | {
      readonly kind: 'rows';
      readonly fragment: RowFragment;
      readonly elementBytes: 1 | 2 | 4;
      readonly converted: boolean;
    }
  | { readonly kind: 'blocks'; readonly fragment: string; readonly type: QuantTypeId }
  | { readonly kind: 'codes'; readonly fragment: 'code4'; readonly blockSize: number };

export type RowFragment = 'f32' | 'f16' | 'bf16' | 'int8_rows' | 'f8_e4m3' | 'f8_e5m2';

/** A range of rows in one buffer: quants from byte 0, scales from `scalesOffset`. */
export interface WeightPart {
  readonly rowStart: number;
  readonly rows: number;
  readonly quantBytes: number;
  readonly scalesOffset: number;
  readonly scaleBytes: number;
  /** Size of the buffer. */
  readonly bytes: number;
}

export interface WeightPlan {
  readonly name: string;
  readonly form: WeightForm;
  readonly storage: WeightStorage;
  readonly rows: number;
  /** Elements of a row in the file's order. */
  readonly rowLength: number;
  /** Elements from one row to the next on the device. */
  readonly rowElems: number;
  /** conv: channels and taps of a row; 1 tap otherwise. */
  readonly channels: number;
  readonly taps: number;
  /** A convolution whose blocks run across channels and taps keeps the file's order (channel, ky, kx). */
  readonly channelMajor: boolean;
  readonly parts: readonly WeightPart[];
  readonly bytes: number;
}

export interface WeightLimits {
  /** Largest storage binding. */
  readonly maxBindingBytes: number;
}

/** Buffer offsets of bindings: the WebGPU default, which every device accepts. */
export const OFFSET_ALIGNMENT = 256;

export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

/** Types whose values are read in place, without blocks. */
const ROW_FRAGMENTS: Readonly<Partial<Record<QuantTypeId, { fragment: RowFragment; elementBytes: 1 | 2 | 4 }>>> = {
  F32: { fragment: 'f32', elementBytes: 4 },
  F16: { fragment: 'f16', elementBytes: 2 },
  BF16: { fragment: 'bf16', elementBytes: 2 },
  F8_E4M3: { fragment: 'f8_e4m3', elementBytes: 1 },
  F8_E5M2: { fragment: 'f8_e5m2', elementBytes: 1 },
  LLM_INT8: { fragment: 'int8_rows', elementBytes: 1 },
};

/** How a type is read by linear, conv2d and embedding when nothing about the tensor is unusual. */
export function directFragment(type: QuantTypeId): string | undefined {
  if (type === 'NF4' || type === 'FP4') return 'code4';
  return BLOCK_LAYOUTS[type]?.fragment ?? ROW_FRAGMENTS[type]?.fragment;
}

/** The layout of a weight of the given shape. `[N, K]` for matrix, `[OC, IC, KH, KW]` for conv, any for plain. */
export function planWeight(
  name: string,
  named: NamedWeight,
  shape: Shape,
  form: WeightForm,
  limits: WeightLimits,
): WeightPlan {
  const count = elementCount(shape);
  const rows = form === 'plain' ? 1 : (shape[0] ?? 1);
  const rowLength = count / rows;
  const channels = form === 'conv' ? (shape[1] ?? 1) : rowLength;
  const taps = rowLength / channels;
  const storage = form === 'plain' ? plainStorage : chooseStorage(named, rowLength);
  const flat = storage.kind !== 'rows';
  const rowElems = form === 'plain' || flat ? rowLength : alignUp(channels, 4) * taps;
  const parts = splitRows(storage, rows, rowElems, limits);
  return {
    name,
    form,
    storage,
    rows,
    rowLength,
    rowElems,
    channels,
    taps,
    channelMajor: flat && taps > 1,
    parts,
    bytes: parts.reduce((sum, part) => sum + part.bytes, 0),
  };
}

const plainStorage: WeightStorage = { kind: 'rows', fragment: 'f32', elementBytes: 4, converted: true };

function chooseStorage({ tensor, rows, transposed }: NamedWeight, rowLength: number): WeightStorage {
  const { type, companions, params } = tensor;
  const skipped = (rows?.start ?? 0) * rowLength;
  const usual = !transposed && !tensor.strides;
  const block = BLOCK_LAYOUTS[type];
  // Kernels read 4 elements at a time, from one block.
  if (block && usual && !companions?.scale && rowLength % 4 === 0 && skipped % block.blockElems === 0) {
    return { kind: 'blocks', fragment: block.fragment, type };
  }
  if ((type === 'NF4' || type === 'FP4') && usual) {
    const blockSize = params?.blockSize ?? 64;
    if (rowLength % 4 === 0 && blockSize % 8 === 0 && skipped % blockSize === 0) {
      return { kind: 'codes', fragment: 'code4', blockSize };
    }
  }
  const row = ROW_FRAGMENTS[type === 'I8' && companions?.scale ? 'LLM_INT8' : type];
  if (row && !transposed && (row.elementBytes === 1 || !companions?.scale)) {
    return { kind: 'rows', ...row, converted: false };
  }
  // Everything else is decoded on the host: exactly, except types of 2 to 4 bits that would grow tenfold.
  const half = (type === 'F16' && !companions?.scale) || COARSE_TYPES.has(type);
  return half
    ? { kind: 'rows', fragment: 'f16', elementBytes: 2, converted: true }
    : { kind: 'rows', fragment: 'f32', elementBytes: 4, converted: true };
}

/** Block types without a fragment: rare in diffusion files, decoded to half precision at load. */
const COARSE_TYPES: ReadonlySet<QuantTypeId> = new Set<QuantTypeId>([
  'IQ1_S',
  'IQ1_M',
  'IQ2_XXS',
  'IQ2_XS',
  'IQ2_S',
  'IQ3_XXS',
  'IQ3_S',
  'TQ1_0',
  'TQ2_0',
  'NVFP4',
]);

/** Bytes of quants and scales of `rows` rows. */
function partBytes(storage: WeightStorage, rows: number, rowElems: number) {
  const elements = rows * rowElems;
  if (storage.kind === 'rows') {
    const quantBytes = alignUp(elements * storage.elementBytes, 16);
    return { quantBytes, scaleBytes: storage.elementBytes === 1 ? 4 * rows : 0 };
  }
  if (storage.kind === 'codes') {
    return { quantBytes: 4 * Math.ceil(elements / 8), scaleBytes: 4 * (16 + Math.ceil(elements / storage.blockSize)) };
  }
  const layout = BLOCK_LAYOUTS[storage.type];
  const blocks = Math.ceil(elements / (layout?.blockElems ?? 1));
  return {
    quantBytes: 4 * blocks * (layout?.quants.length ?? 0),
    scaleBytes: alignUp(blocks * (layout ? scaleBytesOf(layout) : 0), 4),
  };
}

/** Rows per part: a part must start on a block, and must fit a binding. */
function splitRows(storage: WeightStorage, rows: number, rowElems: number, limits: WeightLimits): WeightPart[] {
  const blockElems =
    storage.kind === 'blocks'
      ? (BLOCK_LAYOUTS[storage.type]?.blockElems ?? 1)
      : storage.kind === 'codes'
        ? storage.blockSize
        : 1;
  const rowStep = blockElems / gcd(rowElems, blockElems);
  const whole = partBytes(storage, rows, rowElems);
  const bytesPerRow = Math.max(whole.quantBytes, whole.scaleBytes) / rows;
  const fitting = Math.floor(limits.maxBindingBytes / bytesPerRow / rowStep) * rowStep;
  // A row that fits no binding is left whole: creating the binding fails with the device's own message.
  const perPart = whole.quantBytes <= limits.maxBindingBytes ? rows : Math.max(fitting, rowStep);
  const parts: WeightPart[] = [];
  for (let rowStart = 0; rowStart < rows; rowStart += perPart) {
    const count = Math.min(perPart, rows - rowStart);
    const { quantBytes, scaleBytes } = partBytes(storage, count, rowElems);
    const scalesOffset = scaleBytes === 0 ? 0 : alignUp(quantBytes, OFFSET_ALIGNMENT);
    parts.push({
      rowStart,
      rows: count,
      quantBytes,
      scalesOffset,
      scaleBytes,
      bytes: scaleBytes === 0 ? quantBytes : alignUp(scalesOffset + scaleBytes, 4),
    });
  }
  return parts;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
