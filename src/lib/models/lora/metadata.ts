/** Scales that PEFT files declare in their header instead of alpha tensors. Source: huggingface/peft `LoraConfig`, diffusers `lora_adapter_metadata`. */
import type { TensorIndex } from '../../formats/tensor_index';

type Json = Readonly<Record<string, unknown>>;

function parse(text: unknown): Json | undefined {
  if (typeof text !== 'string') return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    // A broken note in a header is no reason to refuse the weights.
    return undefined;
  }
}

/**
 * alpha / rank (alpha / √rank when rank-stabilised) of a layer by its name in the file, or undefined.
 * Names are looked up with the component they start with: `unet.…`, `transformer.…`, `text_encoder.…`, or without.
 */
export function declaredScales(metadata: TensorIndex['metadata']): (layer: string) => number | undefined {
  const config = parse(metadata.get('lora_adapter_metadata'));
  if (!config) return () => undefined;
  return (layer) => {
    const component = ['unet', 'transformer', 'text_encoder', 'text_encoder_2'].find((name) =>
      layer.startsWith(`${name}.`),
    );
    const value = (key: string) => config[component === undefined ? key : `${component}.${key}`] ?? config[key];
    const pattern = (key: string): number | undefined => {
      const table = value(key);
      if (typeof table !== 'object' || table === null) return undefined;
      const hit = Object.entries(table).find(([name]) => layer === name || layer.endsWith(`.${name}`));
      return typeof hit?.[1] === 'number' ? hit[1] : undefined;
    };
    const rank = pattern('rank_pattern') ?? value('r');
    const alpha = pattern('alpha_pattern') ?? value('lora_alpha');
    if (typeof rank !== 'number' || typeof alpha !== 'number' || rank <= 0) return undefined;
    return alpha / (value('use_rslora') === true ? Math.sqrt(rank) : rank);
  };
}
