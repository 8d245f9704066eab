/** CLIP text encoders: every layer, pooled with and without projection. */
import type { HostTensor } from '../../../../src/lib/backends/backend';
import { buildClip } from '../../../../src/lib/models/clip/build';
import type { ClipConfig } from '../../../../src/lib/models/clip/config';
import type { DetectedFile } from '../../../../src/lib/models/detect';
import type { ModelPart, TextEncoderId } from '../../../../src/lib/models/part';
import { endIndex, type Adapter, type CaseRun } from '../adapter';
import type { GoldenCase, GoldenFamily } from '../golden_case';
import { encoderIdOf } from '../hints';

/**
 * The CLIP that a case means: the one whose width its outputs have, and which the name's ending says where the model has
 * several.
 */
function clipOf(
  files: readonly DetectedFile[],
  family: GoldenFamily,
  goldenCase: GoldenCase,
): ModelPart<ClipConfig> | undefined {
  const clips = files
    .flatMap((file) => file.parts)
    .filter((part): part is ModelPart<ClipConfig> => part.architecture === 'clip');
  const sequence = Object.values(goldenCase.expected)
    .map((key) => family.tensors.get(key))
    .find((tensor) => tensor?.shape.length === 3);
  const fitting = clips.filter((part) => part.config.width === sequence?.shape[2]);
  const ending: Readonly<Record<string, TextEncoderId>> = {
    l: 'clip-l',
    bigg: 'openclip-bigg',
    g: 'openclip-bigg',
    h: 'openclip-h',
  };
  const named = ending[goldenCase.name.split('_').at(-1) ?? ''];
  const known = new Set(Object.values(family.config).map(encoderIdOf));
  return named && known.has(named) ? fitting.find((part) => part.encoder === named) : fitting[0];
}

export interface ClipCall {
  readonly skip: number;
  readonly norm: boolean;
  readonly pooled?: 'plain' | 'projected';
}

/** Hidden states (and pooled vector) of a CLIP part. */
export async function callClip(run: CaseRun, part: ModelPart<ClipConfig>, ids: HostTensor, call: ClipCall) {
  const [batch = 0, tokens = 0] = ids.shape;
  const config = call.pooled === 'projected' ? part.config : { ...part.config, projection: 0 };
  const built = buildClip(
    { ...part, config },
    { batch, tokens, clipSkip: call.skip, finalNorm: call.norm, pooled: call.pooled !== undefined },
  );
  const outputs = await run.run(built, { tokens: ids, ...(call.pooled ? { endIndex: endIndex(ids) } : {}) });
  return { hidden: outputs['hidden'] as HostTensor, pooled: outputs['pooled'] };
}

/** Layers in the file that the model does not use (SD2). */
export function unusedLayers(part: ModelPart<ClipConfig>): number {
  return part.encoder === 'openclip-h' && part.layout === 'open_clip' ? 1 : 0;
}

const SKIP = /^clip_skip_(\d+)(_no_ln)?$/;

export const clipAdapter: Adapter = {
  id: 'clip',
  matches: (family, goldenCase, inputs) =>
    inputs.has('token_ids') &&
    !inputs.has('attention_mask') &&
    Object.keys(goldenCase.expected).some((name) => SKIP.test(name) || ['context', 'penultimate'].includes(name)) &&
    JSON.stringify(family.config).includes('hidden_act'),
  serves: (files, family, goldenCase) => {
    const part = clipOf(files, family, goldenCase);
    // Files without the projection cannot give the projected vector.
    return part !== undefined && (part.config.projection > 0 || !('pooled_projected' in goldenCase.expected));
  },
  async run(run) {
    const { family, goldenCase } = run;
    const part = clipOf(run.files, family, goldenCase);
    if (!part) throw new Error('no CLIP part');
    const ids = run.input('token_ids');
    const extra = unusedLayers(part);
    const outputs: Record<string, HostTensor> = {};
    for (const name of Object.keys(goldenCase.expected)) {
      const skip = SKIP.exec(name);
      if (skip) {
        outputs[name] = (await callClip(run, part, ids, { skip: Number(skip[1]) + extra, norm: !skip[2] })).hidden;
      } else if (name === 'context') {
        outputs[name] = (await callClip(run, part, ids, { skip: 1 + extra, norm: true })).hidden;
      } else if (name === 'penultimate') {
        outputs[name] = (await callClip(run, part, ids, { skip: 2, norm: false })).hidden;
      } else if (name === 'last_with_ln') {
        outputs[name] = (await callClip(run, part, ids, { skip: 1, norm: true })).hidden;
      } else if (name === 'pooled' || name === 'pooled_projected') {
        const projected =
          name === 'pooled_projected' || ('penultimate' in goldenCase.expected && part.config.projection > 0);
        const { pooled } = await callClip(run, part, ids, {
          skip: 1,
          norm: true,
          pooled: projected ? 'projected' : 'plain',
        });
        if (pooled) outputs[name] = pooled;
      }
    }
    return outputs;
  },
};

/** SDXL's joined context at another clip skip. */
export const sdxlContextAdapter: Adapter = {
  id: 'sdxl context',
  matches: (_family, goldenCase, inputs) =>
    inputs.has('token_ids_l') && inputs.has('token_ids_g') && 'context' in goldenCase.expected,
  serves: (files) =>
    ['clip-l', 'openclip-bigg'].every((id) => files.some((file) => file.parts.some((part) => part.encoder === id))),
  async run(run) {
    const skip = Number(/clip_skip_(\d+)/.exec(run.goldenCase.name)?.[1] ?? 1);
    const l = await callClip(run, run.part<ClipConfig>('text-encoder', 'clip', 'clip-l'), run.input('token_ids_l'), {
      skip: skip + 1,
      norm: false,
    });
    const g = await callClip(
      run,
      run.part<ClipConfig>('text-encoder', 'clip', 'openclip-bigg'),
      run.input('token_ids_g'),
      { skip: skip + 1, norm: false },
    );
    const { joinLast } = await import('../../../../src/lib/models/host_array');
    return { context: joinLast([l.hidden as never, g.hidden as never]) };
  },
};
