/** The one table of stored number formats. Adding a type = one definition and, for a new family, one line here. */
import { AppError } from '../base/errors';
import { bnbTypes } from './bnb_types';
import { float8Types } from './float8_types';
import { fp4BlockTypes } from './fp4_blocks';
import { kBlockTypes } from './k_blocks';
import { latticeTypes } from './lattice_blocks';
import { legacyBlockTypes } from './legacy_blocks';
import { opaqueTypes, plainTypes } from './plain_types';
import { smallBlockTypes } from './small_blocks';
import type { QuantTypeDef } from './type_def';

export const QUANT_TYPES = [
  ...plainTypes,
  ...float8Types,
  ...legacyBlockTypes,
  ...kBlockTypes,
  ...fp4BlockTypes,
  ...smallBlockTypes,
  ...latticeTypes,
  ...bnbTypes,
  ...opaqueTypes,
] as const satisfies readonly QuantTypeDef[];

export type QuantTypeId = (typeof QUANT_TYPES)[number]['id'];

export type QuantType = QuantTypeDef & { readonly id: QuantTypeId };

const all: readonly QuantType[] = QUANT_TYPES;
const byId = new Map<string, QuantType>(all.map((type) => [type.id, type]));
const byGgmlType = new Map(
  all.flatMap((type) => (type.ggmlType === undefined ? [] : [[type.ggmlType, type] as const])),
);
const bySafetensorsDtype = new Map(
  all.flatMap((type) => (type.safetensorsDtype === undefined ? [] : [[type.safetensorsDtype, type] as const])),
);

/** The definition of a type. @throws AppError 'quant/unknown-type' for a name outside the table */
export function quantType(id: QuantTypeId): QuantType {
  const type = byId.get(id);
  if (!type) {
    throw new AppError(
      'quant/unknown-type',
      `quantType: the table has no type "${id}"; use a name listed in QUANT_TYPES.`,
      {
        details: { id },
      },
    );
  }
  return type;
}

/** Whether a text names a type of the table. */
export function isQuantTypeId(text: string): text is QuantTypeId {
  return byId.has(text);
}

/** Type of a GGUF type number, or undefined. */
export function quantTypeOfGgml(ggmlType: number): QuantType | undefined {
  return byGgmlType.get(ggmlType);
}

/** Type of a safetensors dtype name, or undefined. A Map: names such as "constructor" must not be found. */
export function quantTypeOfSafetensors(dtype: string): QuantType | undefined {
  return bySafetensorsDtype.get(dtype);
}

/**
 * Bytes that `elements` numbers of a type take, the last block filled up.
 * @param elements count, 0 or more; may exceed 2^53 only as bigint arithmetic of the caller
 */
export function packedBytes(type: QuantTypeDef, elements: number): number {
  return Math.ceil(elements / type.blockElems) * type.blockBytes;
}
