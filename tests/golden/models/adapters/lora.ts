/** Stacks of adapters on a base model: text encoders, then the denoiser, as the product applies them. */
import type { HostTensor } from '../../../../src/lib/backends/backend';
import { buildClip } from '../../../../src/lib/models/clip/build';
import type { ClipConfig } from '../../../../src/lib/models/clip/config';
import type { DenoiserSpec } from '../../../../src/lib/models/family';
import { joinLast } from '../../../../src/lib/models/host_array';
import { applyStack, readLoraStack, type LoraStack } from '../../../../src/lib/models/lora/stack';
import type { BuiltGraph, ModelPart } from '../../../../src/lib/models/part';
import { buildUNet } from '../../../../src/lib/models/unet/build';
import type { UNetConfig } from '../../../../src/lib/models/unet/config';
import { endIndex, f32, findPart, type Adapter, type CaseRun } from '../adapter';
import { buildTransformer, fromPacked, toPacked, transformerOf } from './transformers';

interface LoraParams {
  readonly file: string;
  readonly multiplier?: number;
  readonly unet_multiplier?: number;
  readonly te_multiplier?: number;
}

async function readStack(run: CaseRun): Promise<LoraStack> {
  const requested = run.goldenCase.params['loras'] as readonly LoraParams[];
  const requests = await Promise.all(
    requested.map(async (one, i) => ({
      id: `${i}-${one.file}`,
      index: await run.family.store.index(`${run.family.name}/${one.file}`),
      unetStrength: one.unet_multiplier ?? one.multiplier ?? 1,
      textStrength: one.te_multiplier ?? one.multiplier ?? 1,
    })),
  );
  const denoiser = findPart(run.files, 'denoiser');
  const ids = ['clip-l', 'openclip-bigg', 'openclip-h'] as const;
  const encoders = ids.flatMap((id) => findPart(run.files, 'text-encoder', 'clip', id) ?? []);
  const stack = await readLoraStack({ ...(denoiser ? { denoiser } : {}), encoders }, requests);
  for (const { file, unmatched, misfits } of stack.reports) {
    if (unmatched.length + misfits.length > 0)
      throw new Error(`${file}: unmatched ${unmatched.join(', ')}; ${misfits.join('; ')}`);
  }
  return stack;
}

async function runPatched(
  run: CaseRun,
  stack: LoraStack,
  part: ModelPart,
  built: BuiltGraph,
  inputs: Record<string, HostTensor>,
) {
  const { graph, weights, strengths } = applyStack(built, part, stack);
  const values = Object.fromEntries([...strengths].map(([name, value]) => [name, f32([1], [value])]));
  return run.run({ graph, weights }, { ...inputs, ...values });
}

async function encode(
  run: CaseRun,
  stack: LoraStack,
  id: 'clip-l' | 'openclip-bigg',
  ids: HostTensor,
  options: { skip: number; norm: boolean; pooled: boolean; project: boolean },
) {
  const part = run.part<ClipConfig>('text-encoder', 'clip', id);
  const config = options.project ? part.config : { ...part.config, projection: 0 };
  const [batch = 0, tokens = 0] = ids.shape;
  const built = buildClip(
    { ...part, config },
    { batch, tokens, clipSkip: options.skip, finalNorm: options.norm, pooled: options.pooled },
  );
  const outputs = await runPatched(run, stack, part, built, {
    tokens: ids,
    ...(options.pooled ? { endIndex: endIndex(ids) } : {}),
  });
  return { hidden: outputs['hidden'] as HostTensor, pooled: outputs['pooled'] };
}

async function denoise(
  run: CaseRun,
  stack: LoraStack,
  x: HostTensor,
  timestep: HostTensor,
  context: HostTensor,
  more: Record<string, HostTensor>,
) {
  const part = findPart(run.files, 'denoiser') as ModelPart;
  const [batch = 0, , height = 0, width = 0] = x.shape;
  const { pooled, timeIds } = more;
  const spec: DenoiserSpec = { batch, height, width, tokens: context.shape[1] ?? 0 };
  const built =
    part.architecture === 'unet'
      ? buildUNet(part as ModelPart<UNetConfig>, {
          ...spec,
          ...(pooled && timeIds ? { vector: { pooledWidth: pooled.shape[1] ?? 0, ids: timeIds.shape[1] ?? 0 } } : {}),
        })
      : buildTransformer(part, spec);
  const outputs = await runPatched(run, stack, part, built, { x, timestep, context, ...more });
  return outputs['prediction'] as HostTensor;
}

export const loraAdapter: Adapter = {
  id: 'lora',
  matches: (_family, goldenCase) => Array.isArray(goldenCase.params['loras']),
  serves: (files, _family, _case, inputs) =>
    findPart(files, 'denoiser') !== undefined &&
    (!inputs.has('token_ids') || findPart(files, 'text-encoder', 'clip', 'clip-l') !== undefined) &&
    (!inputs.has('clip_token_ids') || findPart(files, 'text-encoder', 'clip', 'clip-l') !== undefined) &&
    (!inputs.has('token_ids_g') || findPart(files, 'text-encoder', 'clip', 'openclip-bigg') !== undefined),
  async run(run): Promise<Record<string, HostTensor>> {
    const { inputs } = run;
    const stack = await readStack(run);
    const packed = inputs.get('packed');
    if (packed) {
      const part = transformerOf(run.files) as ModelPart;
      const ids = inputs.get('clip_token_ids');
      const pooled = ids
        ? (await encode(run, stack, 'clip-l', ids, { skip: 1, norm: true, pooled: true, project: false })).pooled
        : inputs.get('pooled');
      const guidance = 'guidance_in' in part.weights || inputs.has('guidance') ? inputs.get('guidance') : undefined;
      const built = buildTransformer(part, { batch: 1, height: 2, width: 2, tokens: 1 });
      const more = { ...(pooled ? { pooled } : {}), ...(guidance ? { guidance } : {}) };
      const wanted = Object.fromEntries(Object.entries(more).filter(([name]) => built.graph.inputs.has(name)));
      const y = await denoise(
        run,
        stack,
        fromPacked(run, part, packed),
        run.input('timestep'),
        run.input('context'),
        wanted,
      );
      return { packed: toPacked(part, y), ...(pooled ? { pooled } : {}) };
    }
    const g = inputs.get('token_ids_g');
    if (g) {
      const l = await encode(run, stack, 'clip-l', run.input('token_ids_l'), {
        skip: 2,
        norm: false,
        pooled: false,
        project: false,
      });
      const bigG = await encode(run, stack, 'openclip-bigg', g, { skip: 2, norm: false, pooled: true, project: true });
      const context = joinLast([l.hidden as never, bigG.hidden as never]);
      const pooled = bigG.pooled as HostTensor;
      const sample = await denoise(run, stack, run.input('sample'), run.input('timestep'), context, {
        pooled,
        timeIds: run.input('time_ids'),
      });
      return { context, pooled, sample };
    }
    const ids = inputs.get('token_ids');
    const context = ids
      ? (await encode(run, stack, 'clip-l', ids, { skip: 1, norm: true, pooled: false, project: false })).hidden
      : run.input('context');
    const sample = await denoise(run, stack, run.input('sample'), run.input('timestep'), context, {});
    return { context, sample };
  },
};
