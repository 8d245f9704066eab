/** Rules about shapes and byte sizes that all container readers share. Sizes are bigint until they are known to be safe. */
import { packedBytes, type QuantType } from '../quant/registry';
import { fileError } from './format_error';

const LIMIT = 2n ** 53n;

/**
 * Checks dimensions and returns them as numbers with their product.
 * The running product must stay below 2^53 in the order given: a zero at the end does not excuse an overflow before it.
 * @throws AppError 'file/shape-overflow', 'file/rank-too-large'
 */
export function checkedShape(
  where: string,
  dimensions: readonly bigint[],
  maxRank: number,
): { readonly shape: number[]; readonly elements: number } {
  if (dimensions.length > maxRank) {
    throw fileError('file/rank-too-large', where, `${dimensions.length} dimensions, at most ${maxRank} are allowed`);
  }
  let product = 1n;
  for (const dimension of dimensions) {
    product *= dimension;
    if (dimension >= LIMIT || product >= LIMIT) {
      throw fileError('file/shape-overflow', where, `shape [${dimensions.join(', ')}] has 2^53 elements or more`);
    }
  }
  return { shape: dimensions.map(Number), elements: Number(product) };
}

/**
 * Bytes of `elements` numbers stored row by row.
 * @throws AppError 'file/shape-overflow' from 2^53 bytes on, 'file/size-mismatch' when the bits are no whole blocks
 */
export function checkedBytes(where: string, type: QuantType, elements: number): number {
  if (elements % type.blockElems !== 0) {
    throw fileError('file/size-mismatch', where, `${elements} elements of ${type.id} are no whole number of bytes`);
  }
  const bytes = packedBytes(type, elements);
  if (bytes >= Number(LIMIT)) {
    throw fileError('file/shape-overflow', where, `${elements} elements of ${type.id} take 2^53 bytes or more`);
  }
  return bytes;
}

export interface ByteRange {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
}

/**
 * Checks that ranges follow one another without overlap and without unused bytes.
 * @param ranges any order; empty ranges may share an offset with a neighbour
 * @param start first byte that must be used
 * @param align where a range may start after the end of the one before it
 * @returns end of the last range
 * @throws AppError 'file/overlapping-ranges', 'file/gap'
 */
export function checkLayout(where: string, ranges: readonly ByteRange[], start: number, align: number): number {
  let end = start;
  const sorted = [...ranges].sort((a, b) => a.begin - b.begin || a.end - b.end);
  for (const range of sorted) {
    const tensor = `${where}, tensor ${JSON.stringify(range.name)}`;
    if (range.begin < end) {
      throw fileError(
        'file/overlapping-ranges',
        tensor,
        `starts at byte ${range.begin}, the one before ends at ${end}`,
      );
    }
    const expected = start + Math.ceil((end - start) / align) * align;
    if (range.begin > expected) {
      throw fileError(
        'file/gap',
        tensor,
        `starts at byte ${range.begin}, expected ${expected}: unused bytes before it`,
      );
    }
    end = range.end;
  }
  return end;
}
