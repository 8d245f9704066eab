/** Autoencoders, full and tiny, single calls. */
import type { HostTensor } from '../../../../src/lib/backends/backend';
import { buildKlDecoder, buildKlEncoder, klStride } from '../../../../src/lib/models/kl_vae/build';
import type { KlVaeConfig } from '../../../../src/lib/models/kl_vae/config';
import { buildTinyDecoder, buildTinyEncoder, tinyStride } from '../../../../src/lib/models/tiny_vae/build';
import type { TinyVaeConfig } from '../../../../src/lib/models/tiny_vae/config';
import { findPart, scaled, type Adapter, type CaseRun } from '../adapter';

/** Scale and shift of the family's latents, from the golden configuration. */
function latentNumbers(run: CaseRun): { scale: number; shift: number } {
  const vae = run.family.config['vae'] as { scaling_factor?: number; shift_factor?: number } | undefined;
  return { scale: vae?.scaling_factor ?? 1, shift: vae?.shift_factor ?? 0 };
}

export async function klDecode(run: CaseRun, latent: HostTensor, range: 'model' | 'raw'): Promise<HostTensor> {
  const [batch = 0, , height = 0, width = 0] = latent.shape;
  const part = run.part<KlVaeConfig>('vae', 'kl-vae');
  const built = buildKlDecoder(part, { batch, height, width, range, ...latentNumbers(run) });
  return (await run.run(built, { latent }))['pixels'] as HostTensor;
}

export async function klEncode(run: CaseRun, pixels: HostTensor, range: 'model' | 'raw') {
  const [batch = 0, , h = 0, w = 0] = pixels.shape;
  const part = run.part<KlVaeConfig>('vae', 'kl-vae');
  const cell = klStride(part.config) * (part.config.batchNorm && range === 'model' ? 2 : 1);
  const spec = { batch, height: h / cell, width: w / cell, range, ...latentNumbers(run) };
  const outputs = await run.run(buildKlEncoder(part, spec), { pixels });
  return { latent: outputs['latent'] as HostTensor, logvar: outputs['logvar'] };
}

const toUnit = (image: HostTensor) => scaled(image, 0.5, 0.5);

export const klAdapter: Adapter = {
  id: 'kl-vae',
  matches: (_family, goldenCase, inputs) =>
    goldenCase.params['sigmas'] === undefined &&
    (('image' in goldenCase.expected && inputs.size === 1 && (inputs.has('latent') || inputs.has('packed_latent'))) ||
      ('mean' in goldenCase.expected && inputs.size === 1 && inputs.has('image'))),
  serves: (files) => findPart(files, 'vae', 'kl-vae') !== undefined,
  async run(run): Promise<Record<string, HostTensor>> {
    const { inputs, goldenCase } = run;
    const image = inputs.get('image');
    if (image) {
      const raw = await klEncode(run, image, 'raw');
      const model = (await klEncode(run, toUnit(image), 'model')).latent;
      return {
        mean: raw.latent,
        ...(raw.logvar ? { logvar: raw.logvar } : {}),
        latent_scaled_mean: model,
        latent_for_model: model,
        packed_latent: model,
      };
    }
    const packed = inputs.get('packed_latent');
    if (!packed) return { image: await klDecode(run, run.input('latent'), 'raw') };
    const pixels = scaled(await klDecode(run, packed, 'model'), 2, -1);
    const latent = await unpacked(run, packed);
    return { image: pixels, ...('latent' in goldenCase.expected ? { latent } : {}) };
  },
};

/** The raw latent inside a decoder of packed latents, by its tap. */
async function unpacked(run: CaseRun, packed: HostTensor): Promise<HostTensor> {
  const { withTaps } = await import('../../../../src/lib/graph/ir');
  const [batch = 0, , height = 0, width = 0] = packed.shape;
  const built = buildKlDecoder(run.part<KlVaeConfig>('vae', 'kl-vae'), {
    batch,
    height,
    width,
    range: 'model',
    scale: 1,
    shift: 0,
  });
  const graph = withTaps(built.graph, ['raw_latent']);
  return (await run.run({ ...built, graph }, { latent: packed }))['raw_latent'] as HostTensor;
}

export const tinyAdapter: Adapter = {
  id: 'tiny-vae',
  matches: (_family, goldenCase, inputs) => 'image_minus1_1' in goldenCase.expected || inputs.has('image_0_1'),
  serves: (files, _family, _case, inputs) => {
    const tiny = files.flatMap((file) => file.parts).filter((part) => part.architecture === 'tiny-vae');
    const half = inputs.has('image_0_1') ? 'encoder' : 'decoder';
    return tiny.some((part) => (part.config as TinyVaeConfig)[half] !== undefined);
  },
  async run(run): Promise<Record<string, HostTensor>> {
    const parts = run.files.flatMap((file) => file.parts) as { config: TinyVaeConfig }[];
    const image = run.inputs.get('image_0_1');
    const part = parts.find(({ config }) => (image ? config.encoder : config.decoder)) as never as Parameters<
      typeof buildTinyDecoder
    >[0];
    if (image) {
      const [batch = 0, , h = 0, w = 0] = image.shape;
      const cell = tinyStride({ ...part.config, decoder: undefined });
      const built = buildTinyEncoder(part, { batch, height: h / cell, width: w / cell });
      return { latent: (await run.run(built, { pixels: image }))['latent'] as HostTensor };
    }
    const latent = run.input('latent');
    const [batch = 0, , height = 0, width = 0] = latent.shape;
    const pixels = (await run.run(buildTinyDecoder(part, { batch, height, width }), { latent }))[
      'pixels'
    ] as HostTensor;
    return { image_0_1_raw: pixels, image_minus1_1: scaled(pixels, 2, -1) };
  },
};
