/** Which base family an adapter file was made for, from its keys and shapes alone. */
import type { StoredTensor } from '../../quant/tensor';
import type { FamilyId } from '../family';
import { splitKey } from './keys';

/** Inputs of the layer that a down factor (or a DoRA magnitude over inputs) belongs to. */
function innerWidth(key: string, { shape }: StoredTensor): number | undefined {
  return splitKey(key)?.field === 'down' ? shape[1] : undefined;
}

/** Whether enough tensor names end like an adapter's. */
export function isAdapter(tensors: ReadonlyMap<string, StoredTensor>): boolean {
  let known = 0;
  for (const key of tensors.keys()) {
    if (splitKey(key)) known += 1;
    else if (key.endsWith('.weight') && tensors.has(key.replace(/\.weight$/, '.on_input'))) known += 1;
  }
  return known > 0 && known * 2 >= tensors.size;
}

/** Marks of families in layer names, dots and underscores alike; the first that occurs wins. */
const MARKS: readonly (readonly [RegExp, FamilyId])[] = [
  [/joint_blocks[._]/, 'sd3'],
  [/distilled_guidance_layer[._]/, 'chroma'],
  [/(double|single)_stream_modulation|to_qkv_mlp_proj/, 'flux2'],
  [/double_blocks[._]|single_blocks[._]|single_transformer_blocks[._]/, 'flux1'],
  [/layers[._]\d+[._]attention[._]|(context|noise)_refiner[._]/, 'z-image'],
  [/(^|[._])transformer_blocks[._]\d+[._]attn[._]add_q_proj/, 'sd3'],
  [/^lora_te2_text_model|^text_encoder_2\.text_model|lora_te2_transformer_resblocks/, 'sdxl'],
];

/**
 * The base family of an adapter file, or undefined when nothing tells.
 * U-Nets are told apart by the width of cross-attention: 768 SD1, 1024 SD2, 2048 SDXL; small ones by SDXL's second
 * text encoder and deep transformers.
 */
export function adapterFamily(tensors: ReadonlyMap<string, StoredTensor>): FamilyId | undefined {
  const keys = [...tensors.keys()];
  for (const [mark, family] of MARKS) if (keys.some((key) => mark.test(key))) return family;
  let unet = false;
  for (const [key, tensor] of tensors) {
    if (/attn2[._]to_[kv]/.test(key)) {
      const width = innerWidth(key, tensor);
      if (width === 2048) return 'sdxl';
      if (width === 1024) return 'sd2';
    }
    if (/transformer_blocks[._][2-9][._]/.test(key)) return 'sdxl';
    unet ||= /(down|up|mid|input|output|middle)_blocks?[._]|conv_(in|out)\.|time_embed/.test(key);
  }
  // Text encoder layers alone are CLIP-L's; beside layers of an unknown network they tell nothing.
  const textOnly = keys.every((key) => /^(lora_te1?_|text_encoder\.)/.test(key));
  return unet || textOnly ? 'sd1' : undefined;
}
