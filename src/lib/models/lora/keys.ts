/**
 * Splits the tensor names of adapter files into layer and field. Every flavour and trainer has its own field names;
 * layer names are matched elsewhere, forward from the model's own, since underscored names cannot be parsed back.
 */
import type { StoredTensor } from '../../quant/tensor';

export type Field =
  | 'down'
  | 'up'
  | 'mid'
  | 'alpha'
  | 'dora'
  | 'diff'
  | 'diffBias'
  | 'set'
  | 'normWeight'
  | 'normBias'
  | 'hada_w1_a'
  | 'hada_w1_b'
  | 'hada_w2_a'
  | 'hada_w2_b'
  | 'hada_t1'
  | 'hada_t2'
  | 'lokr_w1'
  | 'lokr_w1_a'
  | 'lokr_w1_b'
  | 'lokr_w2'
  | 'lokr_w2_a'
  | 'lokr_w2_b'
  | 'lokr_t2'
  | 'glora_a1'
  | 'glora_a2'
  | 'glora_b1'
  | 'glora_b2'
  | 'oft'
  | 'rescale'
  | 'ia3'
  | 'onInput';

/** LyCORIS names its factors after the dot, without `.weight`. */
const LYCORIS = [
  'hada_w1_a',
  'hada_w1_b',
  'hada_w2_a',
  'hada_w2_b',
  'hada_t1',
  'hada_t2',
  'lokr_w1_a',
  'lokr_w1_b',
  'lokr_w1',
  'lokr_w2_a',
  'lokr_w2_b',
  'lokr_w2',
  'lokr_t2',
] as const satisfies readonly Field[];

/** Endings of tensor names, most specific first. kohya, PEFT, diffusers (old and new), transformers, XLabs, LyCORIS. */
const ENDINGS: readonly (readonly [string, Field])[] = [
  ['.lora_down.weight', 'down'],
  ['.lora_up.weight', 'up'],
  ['.lora_mid.weight', 'mid'],
  ['.lora_A.default.weight', 'down'],
  ['.lora_B.default.weight', 'up'],
  ['.lora_A.weight', 'down'],
  ['.lora_B.weight', 'up'],
  ['.lora_B.bias', 'diffBias'],
  ['.lora_magnitude_vector.weight', 'dora'],
  ['.lora_magnitude_vector', 'dora'],
  ['.lora_linear_layer.down.weight', 'down'],
  ['.lora_linear_layer.up.weight', 'up'],
  ['.lora.down.weight', 'down'],
  ['.lora.up.weight', 'up'],
  ['_lora.down.weight', 'down'],
  ['_lora.up.weight', 'up'],
  ['_lora1.down.weight', 'down'],
  ['_lora1.up.weight', 'up'],
  ['_lora2.down.weight', 'down'],
  ['_lora2.up.weight', 'up'],
  ['.alpha', 'alpha'],
  ['.dora_scale', 'dora'],
  ['.diff_b', 'diffBias'],
  ['.diff', 'diff'],
  ['.set_weight', 'set'],
  ['.w_norm', 'normWeight'],
  ['.b_norm', 'normBias'],
  ['.a1.weight', 'glora_a1'],
  ['.a2.weight', 'glora_a2'],
  ['.b1.weight', 'glora_b1'],
  ['.b2.weight', 'glora_b2'],
  ['.oft_blocks', 'oft'],
  ['.rescale', 'rescale'],
  ['.on_input', 'onInput'],
  ...LYCORIS.map((field) => [`.${field}`, field] as const),
];

/** XLabs and old diffusers keep the layer's name before the ending: `processor.qkv_lora1` → `processor.qkv1`. */
const STREAM = /_lora([12])\.(down|up)\.weight$/;

export interface AdapterLayer {
  /** As the file spells it. */
  readonly name: string;
  readonly fields: ReadonlyMap<Field, StoredTensor>;
  /** Tensor names, for reports. */
  readonly keys: readonly string[];
}

/** Layer and field of a tensor name; undefined when the ending is of no known flavour. */
export function splitKey(key: string): { layer: string; field: Field } | undefined {
  for (const [ending, field] of ENDINGS) {
    if (!key.endsWith(ending)) continue;
    const layer = key.slice(0, -ending.length);
    const stream = STREAM.exec(key)?.[1];
    return { layer: stream === undefined ? layer : `${layer}_lora${stream}`, field };
  }
  // BFL control adapters replace the norms of queries and keys.
  if (/\.(query_norm|key_norm)\.scale$/.test(key)) return { layer: key.replace(/\.scale$/, ''), field: 'set' };
  return undefined;
}

/**
 * The layers of an adapter file, and the tensor names that belong to no known flavour.
 * (IA)³ calls its vector plainly `weight`; it is recognised by the `on_input` beside it.
 */
export function adapterLayers(tensors: ReadonlyMap<string, StoredTensor>): {
  layers: AdapterLayer[];
  unknown: string[];
} {
  const found = new Map<string, { fields: Map<Field, StoredTensor>; keys: string[] }>();
  const unknown: string[] = [];
  for (const [key, tensor] of tensors) {
    const ia3 = key.endsWith('.weight') ? key.slice(0, -'.weight'.length) : undefined;
    const split =
      ia3 !== undefined && tensors.has(`${ia3}.on_input`) ? { layer: ia3, field: 'ia3' as const } : splitKey(key);
    if (!split) {
      unknown.push(key);
      continue;
    }
    const entry = found.get(split.layer) ?? { fields: new Map<Field, StoredTensor>(), keys: [] as string[] };
    entry.fields.set(split.field, tensor);
    entry.keys.push(key);
    found.set(split.layer, entry);
  }
  return { layers: [...found].map(([name, entry]) => ({ name, ...entry })), unknown };
}
