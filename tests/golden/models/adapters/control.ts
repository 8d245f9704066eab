/** ControlNet, T2I-Adapter, IP-Adapter, CLIP vision, upscalers. */
import type { HostTensor } from '../../../../src/lib/backends/backend';
import { buildClipVision, type ClipVisionConfig } from '../../../../src/lib/models/clip_vision/clip_vision';
import { buildControlNet, type ControlNetConfig } from '../../../../src/lib/models/controlnet/controlnet';
import {
  buildImageProjection,
  ipAdapterWeights,
  type IpAdapterConfig,
} from '../../../../src/lib/models/ip_adapter/ip_adapter';
import type { ModelPart } from '../../../../src/lib/models/part';
import { buildT2iAdapter, type T2iAdapterConfig } from '../../../../src/lib/models/t2i_adapter/t2i_adapter';
import { buildUNet } from '../../../../src/lib/models/unet/build';
import type { UNetConfig } from '../../../../src/lib/models/unet/config';
import { buildRrdb, type RrdbConfig } from '../../../../src/lib/models/upscaler/rrdb';
import { buildSrvgg, type SrvggConfig } from '../../../../src/lib/models/upscaler/srvgg';
import { f32, findPart, scaled, type Adapter, type CaseRun } from '../adapter';
import { callUNet } from './unet';

async function residuals(run: CaseRun): Promise<Record<string, HostTensor>> {
  const x = run.input('sample');
  const context = run.input('context');
  const [batch = 0, , height = 0, width = 0] = x.shape;
  const spec = { batch, height, width, tokens: context.shape[1] ?? 0 };
  const built = buildControlNet(run.part<ControlNetConfig>('controlnet'), spec);
  return run.run(built, { x, timestep: run.input('timestep'), context, hint: run.input('hint') });
}

export const controlNetAdapter: Adapter = {
  id: 'controlnet',
  matches: (_family, goldenCase, inputs) =>
    inputs.has('hint') && inputs.has('sample') && 'residual_mid' in goldenCase.expected,
  serves: (files) => findPart(files, 'controlnet') !== undefined,
  run: residuals,
};

/** A U-Net call with ControlNet residuals or T2I-Adapter features, weighted as the case says; without weight: plain. */
export const controlledUNetAdapter: Adapter = {
  id: 'controlled unet',
  matches: (_family, goldenCase, inputs) =>
    inputs.has('hint') && inputs.has('sample') && 'sample' in goldenCase.expected,
  serves: (files) =>
    findPart(files, 'denoiser', 'unet') !== undefined &&
    (findPart(files, 'controlnet') ?? findPart(files, 't2i-adapter')) !== undefined,
  async run(run) {
    const { weight, weights } = run.goldenCase.params as { weight?: number; weights?: readonly number[] };
    const control = findPart(run.files, 'controlnet') ? await residuals(run) : await features(run);
    const names = Object.keys(control);
    const last = names.length - 1;
    const scaledControl = Object.fromEntries(
      names.map((name) => {
        const index = name === 'residual_mid' ? last : Number(name.split('_')[1]);
        return [name, scaled(control[name] as HostTensor, weights?.[index] ?? weight ?? 0)];
      }),
    );
    const plain = weight === undefined && weights === undefined;
    return {
      sample: await callUNet(
        run,
        run.input('sample'),
        run.input('timestep'),
        run.input('context'),
        plain ? {} : scaledControl,
      ),
    };
  },
};

async function features(run: CaseRun): Promise<Record<string, HostTensor>> {
  const hint = run.input('hint');
  const [batch = 0, , h = 0, w = 0] = hint.shape;
  return run.run(buildT2iAdapter(run.part<T2iAdapterConfig>('t2i-adapter'), { batch, height: h / 8, width: w / 8 }), {
    hint,
  });
}

export const t2iAdapter: Adapter = {
  id: 't2i-adapter',
  matches: (_family, goldenCase, inputs) => inputs.has('hint') && 'feature_0' in goldenCase.expected,
  serves: (files) => findPart(files, 't2i-adapter') !== undefined,
  run: features,
};

export const ipAdapter: Adapter = {
  id: 'ip-adapter',
  matches: (_family, _case, inputs) => inputs.has('image_embeds') && inputs.has('sample'),
  serves: (files) => findPart(files, 'ip-adapter') !== undefined && findPart(files, 'denoiser', 'unet') !== undefined,
  async run(run) {
    const adapter = run.part<IpAdapterConfig>('ip-adapter');
    const unet = run.part<UNetConfig>('denoiser', 'unet');
    const embeds = run.input('image_embeds');
    const imageTokens = (await run.run(buildImageProjection(adapter, 1), { imageEmbeds: embeds }))[
      'imageTokens'
    ] as HostTensor;
    const x = run.input('sample');
    const context = run.input('context');
    const [batch = 0, , height = 0, width = 0] = x.shape;
    const built = buildUNet(unet, {
      batch,
      height,
      width,
      tokens: context.shape[1] ?? 0,
      imagePrompts: [{ count: adapter.config.tokens, weights: ipAdapterWeights(adapter, unet.config) }],
    });
    const scales = Array.from({ length: batch }, () => Number(run.goldenCase.params['scale']));
    const inputs = { x, timestep: run.input('timestep'), context, imageTokens_0: imageTokens };
    const outputs = await run.run(built, { ...inputs, imageScale_0: f32([batch, 1, 1], scales) });
    return { sample: outputs['prediction'] as HostTensor, image_tokens: imageTokens };
  },
};

export const clipVisionAdapter: Adapter = {
  id: 'clip-vision',
  matches: (_family, _case, inputs) => inputs.has('pixel_values'),
  serves: (files) => findPart(files, 'clip-vision') !== undefined,
  async run(run) {
    const found = run.part<ClipVisionConfig>('clip-vision');
    // The number of heads cannot be seen in shapes; the case gives it.
    const heads = Number(run.goldenCase.params['heads'] ?? found.config.heads);
    const part: ModelPart<ClipVisionConfig> = { ...found, config: { ...found.config, heads } };
    const pixels = run.input('pixel_values');
    const outputs = await run.run(buildClipVision(part, pixels.shape[0] ?? 1), { pixels });
    return { image_embeds: outputs['imageEmbeds'] as HostTensor, penultimate: outputs['penultimate'] as HostTensor };
  },
};

export const upscalerAdapter: Adapter = {
  id: 'upscaler',
  everyFile: true,
  matches: (_family, goldenCase, inputs) =>
    inputs.has('image') && inputs.size === 1 && Object.keys(goldenCase.expected).join() === 'image',
  serves: (files) => findPart(files, 'upscaler') !== undefined,
  async run(run) {
    const part = run.part('upscaler');
    const image = run.input('image');
    const [batch = 0, , height = 0, width = 0] = image.shape;
    const spec = { batch, height, width };
    const built =
      part.architecture === 'rrdb'
        ? buildRrdb(part as ModelPart<RrdbConfig>, spec)
        : buildSrvgg(part as ModelPart<SrvggConfig>, spec);
    return { image: (await run.run(built, { image }))['pixels'] as HostTensor };
  },
};
