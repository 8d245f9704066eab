import { beforeAll, describe, expect, it } from 'vitest';
import type { Backend, HostTensor } from '../../../src/lib/backends/backend';
import { createReferenceBackend } from '../../../src/lib/backends/reference/backend';
import type { TensorIndex } from '../../../src/lib/formats/tensor_index';
import { memoryWeight } from '../../../src/lib/graph/memory_weight';
import { buildClip } from '../../../src/lib/models/clip/build';
import type { ClipConfig } from '../../../src/lib/models/clip/config';
import { detectFile } from '../../../src/lib/models/detect';
import { adapterLayers, splitKey } from '../../../src/lib/models/lora/keys';
import { declaredScales } from '../../../src/lib/models/lora/metadata';
import { invert, kronecker, multiply } from '../../../src/lib/models/lora/matrices';
import { cayley } from '../../../src/lib/models/lora/orthogonal';
import { applyStack, readLoraStack, type LoraRequest } from '../../../src/lib/models/lora/stack';
import type { ModelPart } from '../../../src/lib/models/part';
import type { StoredTensor } from '../../../src/lib/quant/tensor';
import { stopwatch } from '../../tools/stopwatch';
import { CLIP_L, clipFile, SD15, unetFile } from './published';

const TINY: ClipConfig = {
  ...CLIP_L,
  width: 16,
  layers: 2,
  heads: 2,
  mlpWidth: 32,
  vocabulary: 24,
  positions: 8,
  projection: 0,
};

/** Values that differ from tensor to tensor. */
function fill(name: string, count: number): Float32Array<ArrayBuffer> {
  let state = [...name].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 65521, 7);
  return Float32Array.from({ length: count }, () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return (state / 2 ** 31 - 0.5) / 2;
  });
}

function fileOf(
  name: string,
  shapes: Readonly<Record<string, readonly number[]>>,
  values: Readonly<Record<string, readonly number[]>> = {},
): TensorIndex {
  const tensors = new Map<string, StoredTensor>();
  for (const [key, shape] of Object.entries(shapes)) {
    const count = shape.reduce((a, b) => a * b, 1);
    const data = values[key] ? Float32Array.from(values[key]) : fill(name + key, count);
    tensors.set(key, { ...memoryWeight(key, shape, data).tensor, name: key });
  }
  return { format: 'safetensors', name, tensors, metadata: new Map() };
}

const LAYER = 'lora_te_text_model_encoder_layers_0_mlp_fc1';

function request(index: TensorIndex, textStrength = 1): LoraRequest {
  return { id: index.name, index, unetStrength: 1, textStrength };
}

describe('adapters on a text encoder', () => {
  let part: ModelPart<ClipConfig>;
  let backend: Backend;

  beforeAll(() => {
    const index = clipFile(TINY, 'transformers');
    const shapes = Object.fromEntries([...index.tensors].map(([name, { shape }]) => [name, shape]));
    const file = fileOf('clip.safetensors', shapes);
    part = detectFile(file, { 'clip-l': { heads: 2 } }).parts[0] as ModelPart<ClipConfig>;
    backend = createReferenceBackend();
  });

  async function encode(requests: readonly LoraRequest[]): Promise<HostTensor> {
    const stack = await readLoraStack({ encoders: [part] }, requests);
    const built = buildClip(part, { batch: 1, tokens: 4, clipSkip: 1, finalNorm: true, pooled: false });
    const { graph, weights, strengths } = applyStack(built, part, stack);
    const program = await backend.compile(graph, weights);
    const inputs = {
      tokens: backend.upload({ shape: [1, 4], data: Int32Array.from([1, 5, 7, 2]) }),
      ...Object.fromEntries(
        [...strengths].map(([name, value]) => [name, backend.upload({ shape: [1], data: Float32Array.of(value) })]),
      ),
    };
    const result = await backend.download((await program.run(inputs))['hidden']!);
    await program.dispose();
    return result;
  }

  const factors = { [`${LAYER}.lora_down.weight`]: [2, 16], [`${LAYER}.lora_up.weight`]: [32, 2] };

  it('gives the plain result at strength 0', async () => {
    const plain = await encode([]);
    const zero = await encode([request(fileOf('a', factors), 0)]);
    const largest = Math.max(...Array.from(plain.data, (v, i) => Math.abs(v - (zero.data[i] ?? NaN))));
    expect(largest).toBeLessThan(1e-6);
  });

  it('adds up the same file given twice', async () => {
    const file = fileOf('a', factors);
    const twice = await encode([
      { ...request(file, 0.5), id: '1' },
      { ...request(file, 0.5), id: '2' },
    ]);
    const once = await encode([request(file, 1)]);
    expect(Math.max(...Array.from(once.data, (v, i) => Math.abs(v - (twice.data[i] ?? NaN))))).toBeLessThan(1e-5);
  });

  it('takes a broken alpha for an absent one', async () => {
    const alpha = { ...factors, [`${LAYER}.alpha`]: [] };
    const broken = await encode([request(fileOf('a', alpha, { [`${LAYER}.alpha`]: [NaN] }))]);
    const absent = await encode([request(fileOf('a', factors))]);
    expect(broken.data).toEqual(absent.data);
  });

  it('lists keys that meet no layer, and applies the rest', async () => {
    const file = fileOf('a', { ...factors, 'lora_te_nowhere.lora_down.weight': [2, 16], 'notes.txt': [1] });
    const { reports, parts } = await readLoraStack({ encoders: [part] }, [request(file)]);
    expect(reports[0]).toMatchObject({ keys: 4, matchedKeys: 2, misfits: [] });
    expect(reports[0]?.unmatched).toEqual(['notes.txt', 'lora_te_nowhere.lora_down.weight']);
    expect(parts.size).toBe(1);
  });

  it.each([
    ['a wrong shape', { ...factors, [`${LAYER}.lora_up.weight`]: [31, 2] }, {}],
    ['a missing factor', { [`${LAYER}.lora_down.weight`]: [2, 16] }, {}],
    ['rank zero', { [`${LAYER}.lora_down.weight`]: [0, 16], [`${LAYER}.lora_up.weight`]: [32, 0] }, {}],
    ['values that are not finite', factors, { [`${LAYER}.lora_up.weight`]: new Array<number>(64).fill(Infinity) }],
    ['an unknown flavour', { [`${LAYER}.rescale`]: [32] }, {}],
  ])('reports %s and leaves the layer alone', async (_what, shapes, values) => {
    const file = fileOf('bad', shapes, values);
    const { reports, parts } = await readLoraStack({ encoders: [part] }, [request(file)]);
    expect(reports[0]?.misfits).toHaveLength(1);
    expect(parts.size).toBe(0);
  });

  it('survives a file of fifty thousand keys', async () => {
    const shapes = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`lora_te_layer_${i}.alpha`, []]));
    const seconds = stopwatch();
    const { reports } = await readLoraStack({ encoders: [part] }, [request(fileOf('many', shapes))]);
    expect(reports[0]?.unmatched).toHaveLength(50_000);
    expect(seconds()).toBeLessThan(5);
  });

  it('stops when the job is cancelled', async () => {
    const signal = AbortSignal.abort();
    await expect(
      readLoraStack({ encoders: [part] }, [request(fileOf('a', factors))], { signal }),
    ).rejects.toMatchObject({
      code: 'job/cancelled',
    });
  });
});

describe('adapter keys', () => {
  it.each([
    ['unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight', 'down'],
    ['text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight', 'up'],
    ['double_blocks.0.processor.qkv_lora1.down.weight', 'down'],
    ['lora_unet_mid.lokr_w2_a', 'lokr_w2_a'],
    ['lora_unet_mid.lokr_w2', 'lokr_w2'],
    ['double_blocks.0.img_attn.norm.query_norm.scale', 'set'],
    ['transformer.proj_out.lora_B.bias', 'diffBias'],
  ])('%s holds %s', (key, field) => {
    expect(splitKey(key)?.field).toBe(field);
  });

  it('keeps XLabs streams apart', () => {
    expect(splitKey('double_blocks.3.processor.proj_lora2.up.weight')?.layer).toBe(
      'double_blocks.3.processor.proj_lora2',
    );
  });

  it('recognises (IA)³ by the scalar beside the vector', () => {
    const { layers, unknown } = adapterLayers(
      fileOf('ia3', { 'lora_unet_x.weight': [4], 'lora_unet_x.on_input': [], 'conv.weight': [1] }).tensors,
    );
    expect(layers.map(({ name }) => name)).toEqual(['lora_unet_x']);
    expect(unknown).toEqual(['conv.weight']);
  });
});

describe('scales from metadata', () => {
  const scale = (config: unknown) =>
    declaredScales(new Map([['lora_adapter_metadata', JSON.stringify(config)]]))('unet.mid.attn.to_q');

  it('is alpha over rank, or over its root when rank-stabilised', () => {
    expect(scale({ 'unet.r': 4, 'unet.lora_alpha': 8 })).toBe(2);
    expect(scale({ r: 4, lora_alpha: 8, use_rslora: true })).toBe(4);
    expect(scale({ 'unet.r': 4, 'unet.lora_alpha': 8, 'unet.alpha_pattern': { 'attn.to_q': 2 } })).toBe(0.5);
  });

  it('is absent when the note is missing or broken', () => {
    expect(declaredScales(new Map())('x')).toBeUndefined();
    expect(declaredScales(new Map([['lora_adapter_metadata', '{']]))('x')).toBeUndefined();
  });
});

describe('matrix arithmetic', () => {
  it('multiplies and builds Kronecker products', () => {
    expect([...multiply(Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6, 7, 8), 2, 2, 2)]).toEqual([19, 22, 43, 50]);
    expect([...kronecker(Float32Array.of(1, 2), Float32Array.of(3, 4), { p: 1, q: 2, r: 2, s: 1, taps: 1 })]).toEqual([
      3, 6, 4, 8,
    ]);
  });

  it('inverts, and refuses singular matrices', () => {
    expect([...(invert(Float64Array.of(0, 2, 4, 0), 2) ?? [])]).toEqual([0, 0.25, 0.5, 0]);
    expect(invert(Float64Array.of(1, 2, 2, 4), 2)).toBeUndefined();
  });

  it('makes orthogonal blocks', () => {
    const [turn] = cayley(fill('q', 16), 1, 4, 0);
    for (let i = 0; i < 4; i += 1) {
      for (let j = 0; j < 4; j += 1) {
        let dot = 0;
        for (let k = 0; k < 4; k += 1) dot += (turn?.[i * 4 + k] ?? NaN) * (turn?.[j * 4 + k] ?? NaN);
        expect(dot).toBeCloseTo(i === j ? 1 : 0, 12);
      }
    }
  });
});

describe('matching U-Net adapters', () => {
  it('finds every layer under its kohya, diffusers and PEFT spelling, in both block namings', async () => {
    const unet = detectFile(unetFile(SD15, 'original')).parts[0]!;
    const { adapterTargets } = await import('../../../src/lib/models/lora/targets');
    const targets = adapterTargets({ denoiser: unet, encoders: [] });
    for (const name of [
      'lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_out_0',
      'lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_out_0',
      'unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0',
      'unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_out',
      'base_model.model.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0',
    ]) {
      expect(targets.get(name)?.[0]?.layer, name).toBe(
        'down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0',
      );
    }
  });
});
