/** Diffusion transformers: single calls and plain Euler runs, packed or not. */
import type { HostTensor } from '../../../../src/lib/backends/backend';
import type { ClipConfig } from '../../../../src/lib/models/clip/config';
import type { DenoiserSpec } from '../../../../src/lib/models/family';
import { buildFlux1 } from '../../../../src/lib/models/flux1/build';
import type { Flux1Config } from '../../../../src/lib/models/flux1/config';
import type { Flux2Config } from '../../../../src/lib/models/flux2/flux2';
import { buildFlux2 } from '../../../../src/lib/models/flux2/network';
import type { BuiltGraph, ModelPart } from '../../../../src/lib/models/part';
import { buildSd3 } from '../../../../src/lib/models/sd3/network';
import type { Sd3Config } from '../../../../src/lib/models/sd3/sd3';
import { buildT5, type T5Config } from '../../../../src/lib/models/t5/t5';
import { buildZImage } from '../../../../src/lib/models/z_image/network';
import type { ZImageConfig } from '../../../../src/lib/models/z_image/z_image';
import { combine, f32, findPart, perRow, rows, scaled, stack, type Adapter, type CaseRun } from '../adapter';
import type { DetectedFile } from '../../../../src/lib/models/detect';
import { callClip } from './text';
import { klDecode } from './vae';

const TRANSFORMERS = ['flux1', 'chroma', 'flux2', 'sd3', 'z-image'] as const;

export function transformerOf(files: readonly DetectedFile[]): ModelPart | undefined {
  return TRANSFORMERS.map((architecture) => findPart(files, 'denoiser', architecture)).find(
    (part) => part !== undefined,
  );
}

/** Graph of any transformer. */
export function buildTransformer(part: ModelPart, spec: DenoiserSpec): BuiltGraph {
  switch (part.architecture) {
    case 'flux1':
    case 'chroma':
      return buildFlux1(part as ModelPart<Flux1Config>, spec);
    case 'flux2':
      return buildFlux2(part as ModelPart<Flux2Config>, spec);
    case 'sd3':
      return buildSd3(part as ModelPart<Sd3Config>, spec);
    default:
      return buildZImage(part as ModelPart<ZImageConfig>, spec);
  }
}

/** Tokens [N, h·w, C] as image [N, C, h, w], and back. */
function tokensToImage(t: HostTensor, h: number, w: number): HostTensor {
  const [n = 0, , c = 0] = t.shape;
  const data = new Float32Array(t.data.length);
  for (let b = 0; b < n; b += 1)
    for (let i = 0; i < h * w; i += 1)
      for (let k = 0; k < c; k += 1) data[(b * c + k) * h * w + i] = t.data[(b * h * w + i) * c + k] ?? NaN;
  return { shape: [n, c, h, w], data };
}

function imageToTokens(t: HostTensor): HostTensor {
  const [n = 0, c = 0, h = 0, w = 0] = t.shape;
  const data = new Float32Array(t.data.length);
  for (let b = 0; b < n; b += 1)
    for (let k = 0; k < c; k += 1)
      for (let i = 0; i < h * w; i += 1) data[(b * h * w + i) * c + k] = t.data[(b * c + k) * h * w + i] ?? NaN;
  return { shape: [n, h * w, c], data };
}

/** 2x2 patches, channel order (c, dy, dx): image [N, 4C, h, w] → [N, C, 2h, 2w], and back. */
function shuffle(t: HostTensor, direction: 'unpack' | 'pack'): HostTensor {
  const [n = 0, c = 0, h = 0, w = 0] = t.shape;
  const unpack = direction === 'unpack';
  const [channels, rowsOut, columnsOut] = unpack ? [c / 4, h * 2, w * 2] : [c, h, w];
  const data = new Float32Array(t.data.length);
  for (let b = 0; b < n; b += 1)
    for (let k = 0; k < channels; k += 1)
      for (let y = 0; y < rowsOut; y += 1)
        for (let x = 0; x < columnsOut; x += 1) {
          const large = ((b * channels + k) * rowsOut + y) * columnsOut + x;
          const cell = ((b * channels + k) * 4 + (y % 2) * 2 + (x % 2)) * (rowsOut / 2) + Math.floor(y / 2);
          const small = cell * (columnsOut / 2) + Math.floor(x / 2);
          if (unpack) data[large] = t.data[small] ?? NaN;
          else data[small] = t.data[large] ?? NaN;
        }
  return { shape: unpack ? [n, channels, rowsOut, columnsOut] : [n, 4 * channels, h / 2, w / 2], data };
}

/** Rows and columns of the image tokens, from their ids (…, row, column[, …]). */
function gridOf(run: CaseRun): { h: number; w: number } {
  const ids =
    run.inputs.get('img_ids') ??
    run.family.cases.map((c) => run.family.tensors.get(String(c.inputs['img_ids']))).find((t) => t !== undefined);
  if (!ids) throw new Error('no image ids to tell the size');
  const width = ids.shape.at(-1) ?? 3;
  const largest = (axis: number) =>
    Math.max(...Array.from({ length: ids.data.length / width }, (_, i) => ids.data[i * width + axis] ?? 0));
  return { h: largest(1) + 1, w: largest(2) + 1 };
}

/** FLUX.1 packs 2x2, FLUX.2's latents are packed already. */
const packsPatches = (part: ModelPart) => part.architecture === 'flux1' || part.architecture === 'chroma';

export function fromPacked(run: CaseRun, part: ModelPart, packed: HostTensor): HostTensor {
  const { h, w } = gridOf(run);
  const image = tokensToImage(packed, h, w);
  return packsPatches(part) ? shuffle(image, 'unpack') : image;
}

export function toPacked(part: ModelPart, image: HostTensor): HostTensor {
  return imageToTokens(packsPatches(part) ? shuffle(image, 'pack') : image);
}

/** One call: velocity for a latent image. */
async function velocity(
  run: CaseRun,
  part: ModelPart,
  x: HostTensor,
  sigma: HostTensor,
  context: HostTensor,
  more: Readonly<Record<string, HostTensor>> = {},
): Promise<HostTensor> {
  const [batch = 0, , height = 0, width = 0] = x.shape;
  const built = buildTransformer(part, { batch, height, width, tokens: context.shape[1] ?? 0 });
  const wanted = Object.fromEntries(Object.entries(more).filter(([name]) => built.graph.inputs.has(name)));
  // Without a mask every token takes part.
  if (built.graph.inputs.has('contextMask') && !wanted['contextMask']) {
    const tokens = context.shape[1] ?? 0;
    wanted['contextMask'] = f32([batch, tokens], new Array<number>(batch * tokens).fill(1));
  }
  const outputs = await run.run(built, { x, timestep: sigma, context, ...wanted });
  return outputs['prediction'] as HostTensor;
}

const threeAxes = (t: HostTensor): HostTensor => (t.shape.length === 2 ? { ...t, shape: [1, ...t.shape] } : t);

function conditions(run: CaseRun) {
  const { inputs } = run;
  const context = threeAxes(inputs.get('context') ?? run.input('cap_feats'));
  const pooled = inputs.get('pooled');
  const guidance = inputs.get('guidance');
  const mask = inputs.get('attention_mask');
  const tokens = context.shape[1] ?? 0;
  const contextMask = mask && f32([1, tokens], mask.data.subarray(0, tokens));
  return {
    context,
    more: { ...(pooled ? { pooled } : {}), ...(guidance ? { guidance } : {}), ...(contextMask ? { contextMask } : {}) },
  };
}

export const transformerAdapter: Adapter = {
  id: 'transformer call',
  matches: (_family, goldenCase, inputs) =>
    (inputs.has('timestep') || inputs.has('t')) &&
    (inputs.has('context') || inputs.has('cap_feats')) &&
    (inputs.has('packed') || inputs.has('latent')) &&
    ['packed', 'velocity', 'raw', 'latent'].some((name) => name in goldenCase.expected) &&
    goldenCase.params['loras'] === undefined,
  serves: (files) => transformerOf(files) !== undefined,
  async run(run) {
    const part = transformerOf(run.files) as ModelPart;
    const { context, more } = conditions(run);
    const packed = run.inputs.get('packed');
    const x = run.inputs.get('latent') ?? fromPacked(run, part, packed as HostTensor);
    // SD3's cases give 1000·sigma, Z-Image's 1 - sigma.
    const clock = run.inputs.get('t');
    const time = clock ? scaled(clock, -1, 1) : scaled(run.input('timestep'), part.architecture === 'sd3' ? 1e-3 : 1);
    const y = await velocity(run, part, x, time, context, more);
    return { velocity: y, latent: y, raw: scaled(y, -1), ...(packed ? { packed: toPacked(part, y) } : {}) };
  },
};

export const transformerRunAdapter: Adapter = {
  id: 'transformer run',
  matches: (_family, _case, inputs) =>
    inputs.has('sigmas') &&
    (inputs.has('noise') || inputs.has('packed_noise')) &&
    (inputs.has('context') || inputs.has('cap_feats')),
  serves: (files) => transformerOf(files) !== undefined,
  async run(run) {
    const part = transformerOf(run.files) as ModelPart;
    const { context, more } = conditions(run);
    const packed = run.inputs.get('packed_noise');
    const sigmas = run.input('sigmas').data;
    const scale = run.goldenCase.params['cfg_scale'];
    let x = packed ? fromPacked(run, part, packed) : run.input('noise');
    for (let i = 0; i + 1 < sigmas.length; i += 1) {
      const [sigma = 0, next = 0] = [sigmas[i], sigmas[i + 1]];
      const batch = context.shape[0] ?? 1;
      const raw = await velocity(
        run,
        part,
        stack(...new Array<HostTensor>(batch).fill(x)),
        perRow(batch, sigma),
        context,
        more,
      );
      const v = batch === 2 ? combine([Number(scale), rows(raw, 0, 1)], [1 - Number(scale), rows(raw, 1, 1)]) : raw;
      x = combine([1, x], [next - sigma, v]);
      run.trace?.set(`x_after_step_${i}`, packed ? toPacked(part, x) : x);
    }
    return { latent: x, packed: toPacked(part, x) };
  },
};

export const fluxPipelineAdapter: Adapter = {
  id: 'flux pipeline',
  matches: (_family, _case, inputs) =>
    inputs.has('t5_token_ids') && inputs.has('clip_token_ids') && inputs.has('sigmas'),
  serves: (files, _family, goldenCase) =>
    transformerOf(files) !== undefined &&
    findPart(files, 'text-encoder', 'clip') !== undefined &&
    findPart(files, 'text-encoder', 't5') !== undefined &&
    (!('image' in goldenCase.expected) || findPart(files, 'vae', 'kl-vae') !== undefined),
  async run(run) {
    const part = transformerOf(run.files) as ModelPart;
    const encode = async (prefix: string) => {
      const ids = run.input(`${prefix}t5_token_ids`);
      const spec = { batch: ids.shape[0] ?? 1, tokens: ids.shape[1] ?? 0 };
      const context = (await run.run(buildT5(run.part<T5Config>('text-encoder', 't5'), spec), { tokens: ids }))[
        'hidden'
      ] as HostTensor;
      const clip = run.part<ClipConfig>('text-encoder', 'clip');
      const { pooled } = await callClip(run, clip, run.input(`${prefix}clip_token_ids`), {
        skip: 1,
        norm: true,
        pooled: 'plain',
      });
      return { context, pooled: pooled as HostTensor };
    };
    const cond = await encode('');
    const trueCfg = run.goldenCase.params['true_cfg_scale'];
    const negative = trueCfg === undefined ? undefined : await encode('neg_');
    const guidance = perRow(1, Number(run.goldenCase.params['guidance']));
    const sigmas = run.input('sigmas').data;
    let x = run.input('noise');
    for (let i = 0; i + 1 < sigmas.length; i += 1) {
      const [sigma = 0, next = 0] = [sigmas[i], sigmas[i + 1]];
      const call = (prompt: { context: HostTensor; pooled: HostTensor }) =>
        velocity(run, part, x, perRow(1, sigma), prompt.context, { pooled: prompt.pooled, guidance });
      let v = await call(cond);
      if (negative) v = combine([Number(trueCfg), v], [1 - Number(trueCfg), await call(negative)]);
      x = combine([1, x], [next - sigma, v]);
      run.trace?.set(`x_after_step_${i}`, toPacked(part, x));
    }
    const image = 'image' in run.goldenCase.expected ? { image: scaled(await klDecode(run, x, 'model'), 2, -1) } : {};
    return { latent: x, ...cond, ...image };
  },
};
