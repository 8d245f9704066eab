/** f32 to bitsandbytes NF4: nearest of 16 levels after scaling each block by its largest magnitude. */
import { NF4_VALUES } from './bnb_types';

/** Midpoints between neighbouring levels; a value on a midpoint takes the lower level. */
const MIDPOINTS = Float32Array.from({ length: 15 }, (_, i) => ((NF4_VALUES[i] ?? 0) + (NF4_VALUES[i + 1] ?? 0)) / 2);

export interface Nf4Block {
  /** Two codes per byte, the even element in the high nibble; an odd count ends in half a byte. */
  readonly packed: Uint8Array<ArrayBuffer>;
  /** One per `blockSize` values. */
  readonly absmax: Float32Array<ArrayBuffer>;
}

/**
 * Packs a flat tensor.
 * @param blockSize values per absmax; 64 is the library's default
 * Source: Dettmers et al. 2023 (QLoRA), section 3; bitsandbytes (MIT) for the packing.
 */
export function quantizeNf4(values: Float32Array, blockSize = 64): Nf4Block {
  const packed = new Uint8Array(Math.ceil(values.length / 2));
  const absmax = new Float32Array(Math.ceil(values.length / blockSize));
  for (let block = 0; block < absmax.length; block++) {
    const from = block * blockSize;
    const end = Math.min(from + blockSize, values.length);
    let largest = 0;
    for (let i = from; i < end; i++) largest = Math.max(largest, Math.abs(values[i] ?? 0));
    absmax[block] = largest;
    const inverse = largest === 0 ? 0 : Math.fround(1 / largest);
    for (let i = from; i < end; i++) {
      const code = nearestLevel(Math.fround((values[i] ?? 0) * inverse));
      packed[i >> 1] = (packed[i >> 1] ?? 0) | (code << (i & 1 ? 0 : 4));
    }
  }
  // The library pads an odd count with a zero, whose code is 7.
  if (values.length % 2 === 1) packed[packed.length - 1] = (packed.at(-1) ?? 0) | nearestLevel(0);
  return { packed, absmax };
}

function nearestLevel(x: number): number {
  let code = 0;
  while (code < 15 && x > (MIDPOINTS[code] ?? 1)) code++;
  return code;
}
