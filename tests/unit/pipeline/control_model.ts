/** Control files made for the default model: its own encoder with small random outputs, as training begins and ends. */
import { memorySource } from '../../../src/lib/base/byte_source';
import { openTensorIndex } from '../../../src/lib/formats/open_tensor_index';
import { writeSafetensors } from '../../../src/lib/formats/safetensors_write';
import type { NetworkEntry, NetworkStore } from '../../../src/lib/pipeline/network_library';
import { dequantizeTensor } from '../../../src/lib/quant/dequantize';
import { modelBytes } from './tiny_model';

type TensorToWrite = Parameters<typeof writeSafetensors>[0][number];

const ROOT = 'model.diffusion_model.';
/** Channels of the default model's skip connections, then of its middle block. */
const SKIPS = [32, 64, 64, 96, 96, 192];
const MIDDLE = 192;

/** Deterministic, about normal, of the given size. */
function noise(count: number, scale: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed >>> 0;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  return Float32Array.from({ length: count }, () => (next() + next() + next() + next() - 2) * scale);
}

function tensor(name: string, shape: readonly number[], scale: number, seed: number): TensorToWrite {
  return {
    name,
    shape,
    data: noise(
      shape.reduce((a, b) => a * b, 1),
      scale,
      seed,
    ),
  };
}

export async function controlNetBytes(seed = 1): Promise<Uint8Array<ArrayBuffer>> {
  const model = await openTensorIndex(memorySource('tiny.safetensors', modelBytes));
  const tensors: TensorToWrite[] = [];
  for (const [name, stored] of model.tensors) {
    if (!name.startsWith(ROOT) || !/\.(input_blocks|middle_block|time_embed)\./.test(name)) continue;
    tensors.push({ name: name.slice(ROOT.length), shape: stored.shape, data: await dequantizeTensor(stored) });
  }
  // 3 → 8 → (8 → 8, stride 2) three times → 32: the published network, narrower.
  const hint = [8, 8, 8, 8, 8, 8, 8, 32];
  for (const [i, out] of hint.entries()) {
    const inner = i === 0 ? 3 : (hint[i - 1] ?? 0);
    tensors.push(tensor(`input_hint_block.${2 * i}.weight`, [out, inner, 3, 3], 0.4, seed * 100 + i));
    tensors.push(tensor(`input_hint_block.${2 * i}.bias`, [out], 0.2, seed * 100 + 50 + i));
  }
  for (const [i, channels] of SKIPS.entries()) {
    tensors.push(tensor(`zero_convs.${i}.0.weight`, [channels, channels, 1, 1], 0.05, seed * 1000 + i));
    tensors.push(tensor(`zero_convs.${i}.0.bias`, [channels], 0.05, seed * 1000 + 50 + i));
  }
  tensors.push(tensor('middle_block_out.0.weight', [MIDDLE, MIDDLE, 1, 1], 0.05, seed * 1000 + 90));
  tensors.push(tensor('middle_block_out.0.bias', [MIDDLE], 0.05, seed * 1000 + 91));
  const config = model.metadata.get('tiny.config');
  return writeSafetensors(tensors, new Map([['tiny.config', String(config)]]));
}

/** Files in memory as a host offers them; names are ids. */
export function memoryNetworks(
  files: Readonly<Record<string, { kind: NetworkEntry['kind']; bytes: Uint8Array<ArrayBuffer>; family?: string }>>,
): NetworkStore {
  return {
    list: () =>
      Promise.resolve(
        Object.entries(files).map(([name, { kind, bytes, family }]): NetworkEntry => ({
          id: name,
          name,
          kind,
          contentId: `${name}-content`,
          sizeBytes: bytes.byteLength,
          hash: '0123456789ab',
          triggerWords: [],
          ...(family === undefined ? {} : { family }),
        })),
      ),
    open: (id) => openTensorIndex(memorySource(`${id}.safetensors`, files[id]!.bytes)),
  };
}
