/** Single U-Net calls: plain, inpainting, consistency (guidance), SDXL (pooled, size ids). */
import type { HostTensor } from '../../../../src/lib/backends/backend';
import { buildUNet } from '../../../../src/lib/models/unet/build';
import type { UNetConfig } from '../../../../src/lib/models/unet/config';
import { f32, findPart, perRow, type Adapter, type CaseRun } from '../adapter';

/** Joins images along the channels. */
function joinChannels(images: readonly HostTensor[]): HostTensor {
  const [n = 0, , h = 0, w = 0] = images[0]?.shape ?? [];
  const channels = images.reduce((sum, image) => sum + (image.shape[1] ?? 0), 0);
  const data: number[] = [];
  for (let row = 0; row < n; row += 1) {
    for (const image of images) {
      const size = image.data.length / n;
      data.push(...image.data.subarray(row * size, (row + 1) * size));
    }
  }
  return f32([n, channels, h, w], data);
}

/** One call of the U-Net; `more` are further graph inputs. */
export async function callUNet(
  run: CaseRun,
  x: HostTensor,
  timestep: HostTensor,
  context: HostTensor,
  more: Readonly<Record<string, HostTensor>> = {},
): Promise<HostTensor> {
  const part = run.part<UNetConfig>('denoiser', 'unet');
  const [batch = 0, , height = 0, width = 0] = x.shape;
  const { pooled, timeIds } = more;
  const built = buildUNet(part, {
    batch,
    height,
    width,
    tokens: context.shape[1] ?? 0,
    controlResiduals: 'residual_mid' in more,
    adapterFeatures: 'feature_0' in more,
    ...(pooled && timeIds ? { vector: { pooledWidth: pooled.shape[1] ?? 0, ids: timeIds.shape[1] ?? 0 } } : {}),
  });
  const outputs = await run.run(built, { x, timestep, context, ...more });
  const prediction = outputs['prediction'];
  if (!prediction) throw new Error('the U-Net gave no prediction');
  return prediction;
}

export const unetAdapter: Adapter = {
  id: 'unet',
  matches: (_family, goldenCase, inputs) =>
    inputs.has('timestep') &&
    inputs.has('context') &&
    (inputs.has('sample') || inputs.has('masked_image_latent')) &&
    ('sample' in goldenCase.expected || 'denoised' in goldenCase.expected) &&
    !inputs.has('hint') &&
    !inputs.has('image_tokens') &&
    !inputs.has('image_embeds') &&
    goldenCase.params['loras'] === undefined,
  serves: (files) => findPart(files, 'denoiser', 'unet') !== undefined,
  async run(run) {
    const { inputs, goldenCase } = run;
    const x = inputs.get('sample') ?? run.input('latent');
    const batch = x.shape[0] ?? 1;
    const mask = inputs.get('mask');
    const masked = inputs.get('masked_image_latent');
    const pooled = inputs.get('pooled');
    const timeIds = inputs.get('time_ids');
    const guided = run.part<UNetConfig>('denoiser', 'unet').config.guidanceWidth > 0;
    // Consistency models take guidance scale minus one; a case without the number was made with the same embedding.
    const w = goldenCase.params['w'] ?? run.family.cases.find((other) => other.params['w'] !== undefined)?.params['w'];
    const sample = await callUNet(run, x, run.input('timestep'), run.input('context'), {
      ...(mask && masked ? { inpaint: joinChannels([mask, masked]) } : {}),
      ...(pooled && timeIds ? { pooled, timeIds } : {}),
      ...(guided ? { guidance: perRow(batch, Number(w)) } : {}),
    });
    return { sample, ...('denoised' in goldenCase.expected ? { denoised: consistency(run, x, sample) } : {}) };
  },
};

/** Boundary-condition scaling of a consistency step. Source: Luo et al. 2023 (LCM), eq. 9. */
function consistency(run: CaseRun, x: HostTensor, eps: HostTensor): HostTensor {
  const t = run.input('timestep').data[0] ?? 0;
  const sigmaData = Number(run.goldenCase.params['sigma_data']);
  const scaledT = t * Number(run.goldenCase.params['timestep_scaling']);
  const skip = sigmaData ** 2 / (scaledT ** 2 + sigmaData ** 2);
  const out = scaledT / Math.sqrt(scaledT ** 2 + sigmaData ** 2);
  let alpha = 1;
  for (let i = 0; i <= t; i += 1) {
    const root = Math.sqrt(0.00085) + ((Math.sqrt(0.012) - Math.sqrt(0.00085)) * i) / 999;
    alpha *= 1 - root ** 2;
  }
  const x0 = Array.from(x.data, (v, i) => (v - Math.sqrt(1 - alpha) * (eps.data[i] ?? NaN)) / Math.sqrt(alpha));
  return f32(
    x.shape,
    Array.from(x.data, (v, i) => out * (x0[i] ?? NaN) + skip * v),
  );
}
