/** Whole Stable Diffusion runs by a plain Euler loop: text to picture, picture to picture, masked. */
import type { HostTensor } from '../../../../src/lib/backends/backend';
import type { ClipConfig } from '../../../../src/lib/models/clip/config';
import { joinLast } from '../../../../src/lib/models/host_array';
import type { TextEncoderId } from '../../../../src/lib/models/part';
import { combine, f32, findPart, perRow, scaled, stack, times, rows, type Adapter, type CaseRun } from '../adapter';
import { callClip, unusedLayers } from './text';
import { callUNet } from './unet';
import { klDecode, klEncode } from './vae';

interface Prompt {
  readonly context: HostTensor;
  readonly pooled?: HostTensor;
}

const HAS_PENULTIMATE: readonly TextEncoderId[] = ['openclip-bigg'];

/** Encoded conditional or unconditional prompt, by the names of the case's inputs. */
async function encode(run: CaseRun, side: 'cond' | 'uncond'): Promise<Prompt> {
  const g = run.inputs.get(`${side}_ids_g`);
  if (g) {
    const l = await callClip(run, run.part<ClipConfig>('text-encoder', 'clip', 'clip-l'), run.input(`${side}_ids_l`), {
      skip: 2,
      norm: false,
    });
    const bigG = await callClip(run, run.part<ClipConfig>('text-encoder', 'clip', HAS_PENULTIMATE[0]), g, {
      skip: 2,
      norm: false,
      pooled: 'projected',
    });
    const context = joinLast([l.hidden as never, bigG.hidden as never]);
    return { context, ...(bigG.pooled ? { pooled: bigG.pooled } : {}) };
  }
  const part = run.part<ClipConfig>('text-encoder', 'clip');
  const skip = Number(run.goldenCase.params['clip_skip'] ?? 1) + unusedLayers(part);
  return { context: (await callClip(run, part, run.input(`${side}_token_ids`), { skip, norm: true })).hidden };
}

const zerosLike = (t: HostTensor): HostTensor => f32(t.shape, new Float32Array(t.data.length));

export const sdPipelineAdapter: Adapter = {
  id: 'sd pipeline',
  matches: (_family, goldenCase, inputs) =>
    (inputs.has('cond_token_ids') || inputs.has('cond_ids_g')) &&
    inputs.has('noise') &&
    'latent' in goldenCase.expected,
  serves: (files, _family, goldenCase, inputs) => {
    if (!findPart(files, 'denoiser', 'unet') || !findPart(files, 'text-encoder', 'clip')) return false;
    if (
      inputs.has('cond_ids_g') &&
      !(findPart(files, 'text-encoder', 'clip', 'clip-l') && findPart(files, 'text-encoder', 'clip', 'openclip-bigg'))
    )
      return false;
    return (
      ('image' in goldenCase.expected || inputs.has('image')) === false ||
      findPart(files, 'vae', 'kl-vae') !== undefined
    );
  },
  async run(run) {
    const { inputs, goldenCase, family } = run;
    const cond = await encode(run, 'cond');
    const zeros = /^zeros/.test((goldenCase.params['negative'] as string | undefined) ?? '');
    const uncond: Prompt = zeros
      ? { context: zerosLike(cond.context), ...(cond.pooled ? { pooled: zerosLike(cond.pooled) } : {}) }
      : await encode(run, 'uncond');
    const scale = Number(
      goldenCase.params['cfg_scale'] ?? family.cases.find((c) => c.params['cfg_scale'])?.params['cfg_scale'],
    );
    const v = String(goldenCase.params['prediction'] ?? family.config['prediction']).startsWith('v');
    const sigmas = inputs.get('sigmas') ?? run.input('sigmas_used');
    const timesteps = inputs.get('timesteps') ?? run.input('timesteps_used');
    const noise = run.input('noise');
    const image = inputs.get('image');
    const mask = inputs.get('mask');
    const init = image && (await klEncode(run, scaled(image, 0.5, 0.5), 'model')).latent;
    const invert = mask && scaled(mask, -1, 1);
    const timeIds = inputs.get('time_ids');

    const first = sigmas.data[0] ?? 0;
    let x = init ? combine([1, init], [first, noise]) : scaled(noise, first);
    for (const [i, t] of Array.from(timesteps.data).entries()) {
      const sigma = sigmas.data[i] ?? 0;
      const next = sigmas.data[i + 1] ?? 0;
      let input = x;
      if (mask && invert && init)
        input = combine([1, times(x, mask)], [1, times(combine([1, init], [sigma, noise]), invert)]);
      const both = stack(input, input);
      const pooled = cond.pooled && uncond.pooled && stack(cond.pooled, uncond.pooled);
      const raw = await callUNet(
        run,
        scaled(both, 1 / Math.sqrt(sigma ** 2 + 1)),
        perRow(2, t),
        stack(cond.context, uncond.context),
        {
          ...(pooled && timeIds ? { pooled, timeIds: stack(rows(timeIds, 0, 1), rows(timeIds, 0, 1)) } : {}),
        },
      );
      const guided = combine([scale, rows(raw, 0, 1)], [1 - scale, rows(raw, 1, 1)]);
      let denoised = v
        ? combine([1 / (sigma ** 2 + 1), input], [-sigma / Math.sqrt(sigma ** 2 + 1), guided])
        : combine([1, input], [-sigma, guided]);
      if (mask && invert && init) denoised = combine([1, times(denoised, mask)], [1, times(init, invert)]);
      x = combine([next / sigma, x], [1 - next / sigma, denoised]);
      run.trace?.set(`x_after_step_${i}`, x);
    }
    return {
      latent: x,
      ...(init ? { init_latent: init } : {}),
      ...('image' in goldenCase.expected ? { image: scaled(await klDecode(run, x, 'model'), 2, -1) } : {}),
    };
  },
};
