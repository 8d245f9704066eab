/**
 * GGML blocks of 32 as `MatMulNBits` wants them: codes `[N, K/32, 16 or 32]` and scales `[N, K/32]` apart.
 *
 *   Q4_0 byte j:        element j (low), j + 16 (high)     w = (q - 8) d
 *   MatMulNBits byte j: element 2j (low), 2j + 1 (high)    w = (q - 8) s
 *   Q8_0: signed codes; MatMulNBits: code + 128            w = (q - 128) s
 */
import { readRaw } from '../../quant/dequantize';
import { packedBytes, quantType, type QuantTypeId } from '../../quant/registry';
import { f16At } from '../../quant/legacy_blocks';
import { elementCount } from '../../base/shape';
import type { NamedWeight } from '../../graph/weights';

/** Types that MatMulNBits can be given in blocks. */
export function isPackable(type: QuantTypeId): type is 'Q4_0' | 'Q8_0' {
  return type === 'Q4_0' || type === 'Q8_0';
}

/** Bytes of the scale before the codes of a Q4_0 or Q8_0 block. */
const SCALE_BYTES = 2;

async function rawBlocks({ tensor, rows }: NamedWeight, signal: AbortSignal | undefined) {
  const type = quantType(tensor.type);
  const rowBytes = packedBytes(type, elementCount(tensor.shape.slice(1)));
  const range = rows ? { byteStart: rows.start * rowBytes, byteLength: rows.count * rowBytes } : {};
  const bytes = await readRaw(tensor, { ...range, ...(signal ? { signal } : {}) });
  return { bytes, blockBytes: type.blockBytes, count: bytes.length / type.blockBytes };
}

/** Codes of a Q4_0 or Q8_0 matrix in the order of MatMulNBits. */
export async function packedCodes(weight: NamedWeight, signal?: AbortSignal): Promise<Uint8Array> {
  const { bytes, blockBytes, count } = await rawBlocks(weight, signal);
  const codeBytes = blockBytes - SCALE_BYTES;
  const out = new Uint8Array(count * codeBytes);
  for (let block = 0; block < count; block++) {
    const from = block * blockBytes + SCALE_BYTES;
    const to = block * codeBytes;
    if (weight.tensor.type === 'Q8_0') {
      for (let j = 0; j < codeBytes; j++) out[to + j] = (bytes[from + j] ?? 0) ^ 128;
    } else {
      for (let j = 0; j < 8; j++) {
        const a = bytes[from + 2 * j] ?? 0;
        const b = bytes[from + 2 * j + 1] ?? 0;
        out[to + j] = (a & 15) | ((b & 15) << 4);
        out[to + 8 + j] = (a >> 4) | (b & 240);
      }
    }
  }
  return out;
}

/** Scales of a Q4_0 or Q8_0 matrix. */
export async function packedScales(weight: NamedWeight, signal?: AbortSignal): Promise<Float32Array> {
  const { bytes, blockBytes, count } = await rawBlocks(weight, signal);
  return Float32Array.from({ length: count }, (_, block) => f16At(bytes, block * blockBytes));
}
