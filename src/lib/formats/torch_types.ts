/** Element types of torch: what their storages are called, what their dtypes are called, and what they are here. */
import type { QuantTypeId } from '../quant/registry';

interface TorchType {
  readonly id: QuantTypeId;
  /** `torch.<dtype>` */
  readonly dtype: string;
  /** `torch.<storage>Storage`; types that came after torch 1.13 have none. */
  readonly storage?: string;
}

const TORCH_TYPES: readonly TorchType[] = [
  { id: 'F32', dtype: 'float32', storage: 'Float' },
  { id: 'F16', dtype: 'float16', storage: 'Half' },
  { id: 'BF16', dtype: 'bfloat16', storage: 'BFloat16' },
  { id: 'F64', dtype: 'float64', storage: 'Double' },
  { id: 'I64', dtype: 'int64', storage: 'Long' },
  { id: 'I32', dtype: 'int32', storage: 'Int' },
  { id: 'I16', dtype: 'int16', storage: 'Short' },
  { id: 'I8', dtype: 'int8', storage: 'Char' },
  { id: 'U8', dtype: 'uint8', storage: 'Byte' },
  { id: 'BOOL', dtype: 'bool', storage: 'Bool' },
  { id: 'C64', dtype: 'complex64', storage: 'ComplexFloat' },
  { id: 'U16', dtype: 'uint16' },
  { id: 'U32', dtype: 'uint32' },
  { id: 'U64', dtype: 'uint64' },
  { id: 'F8_E4M3', dtype: 'float8_e4m3fn' },
  { id: 'F8_E5M2', dtype: 'float8_e5m2' },
  { id: 'F8_E4M3FNUZ', dtype: 'float8_e4m3fnuz' },
  { id: 'F8_E5M2FNUZ', dtype: 'float8_e5m2fnuz' },
  { id: 'F8_E8M0', dtype: 'float8_e8m0fnu' },
];

/** Typed storages by the key of their pickled name: module, space, name. */
export const TORCH_STORAGES: ReadonlyMap<string, QuantTypeId> = new Map(
  TORCH_TYPES.flatMap(({ id, storage }) => (storage === undefined ? [] : [[`torch ${storage}Storage`, id] as const])),
);

/** Element types by the key of their pickled name. */
export const TORCH_DTYPES: ReadonlyMap<string, QuantTypeId> = new Map(
  TORCH_TYPES.map(({ id, dtype }) => [`torch ${dtype}`, id]),
);

/** Bytes without a type: tensors bring their own. */
export const UNTYPED_STORAGE = 'torch.storage UntypedStorage';
