/** A control file as the host opens it, checked against the model it is to steer. */
import { AppError } from '../../base/errors';
import type { ClipVisionConfig } from '../../models/clip_vision/clip_vision';
import type { ControlNetConfig } from '../../models/controlnet/controlnet';
import { ipAdapterWeights, type IpAdapterConfig } from '../../models/ip_adapter/ip_adapter';
import type { ModelPart } from '../../models/part';
import type { T2iAdapterConfig } from '../../models/t2i_adapter/t2i_adapter';
import type { UNetConfig } from '../../models/unet/config';
import type { LoadedModel } from '../loaded_model';

/** What a control file holds. IP-Adapters come with the vision tower that their picture tokens are made from. */
export type ControlModel = { readonly id: string; readonly name: string; readonly hash: string } & (
  | { readonly kind: 'controlnet'; readonly part: ModelPart<ControlNetConfig> }
  | { readonly kind: 't2i-adapter'; readonly part: ModelPart<T2iAdapterConfig> }
  | {
      readonly kind: 'ip-adapter';
      readonly part: ModelPart<IpAdapterConfig>;
      readonly vision: ModelPart<ClipVisionConfig>;
    }
);

/** Opens a control file by its id; undefined when the host has none of that name. */
export type LoadControl = (id: string) => Promise<ControlModel | undefined>;

/**
 * @throws AppError 'model/unsupported' when the model takes no control, or the file is for another family, with what it
 * expects and what the model has
 */
export function assertFits(control: ControlModel, { detected }: LoadedModel): void {
  const { denoiser, family } = detected;
  if (denoiser.architecture !== 'unet') {
    throw new AppError(
      'model/unsupported',
      `${control.name}: control networks steer Stable Diffusion U-Nets, got ${family.label}; choose an SD 1, SD 2 or SDXL model.`,
      { details: { control: control.name, family: family.id } },
    );
  }
  const unet = (denoiser as ModelPart<UNetConfig>).config;
  const misfit = misfitOf(control, unet);
  if (misfit === undefined) return;
  throw new AppError(
    'model/unsupported',
    `${control.name}: belongs to another model family (${misfit}); choose one made for ${family.label}.`,
    { details: { control: control.name, family: family.id, misfit } },
  );
}

/** What does not fit, found against expected. */
function misfitOf(control: ControlModel, unet: UNetConfig): string | undefined {
  const compare = (what: string, found: readonly number[], expected: readonly number[]) =>
    found.join() === expected.join()
      ? undefined
      : `${what} ${found.join('/')} where the model has ${expected.join('/')}`;
  const channels = (config: Pick<UNetConfig, 'down'>) => config.down.map((level) => level.blocks.at(-1)?.channels ?? 0);
  switch (control.kind) {
    case 'controlnet': {
      const own = control.part.config.unet;
      return (
        compare('context width', [own.contextWidth], [unet.contextWidth]) ??
        compare('level channels', channels(own), channels(unet)) ??
        compare('vector width', [own.vectorWidth], [unet.vectorWidth]) ??
        compare('latent channels', [own.inChannels], [unet.outChannels])
      );
    }
    case 't2i-adapter': {
      const { levels } = control.part.config;
      return compare('level channels', levels.slice(0, unet.down.length), channels(unet));
    }
    case 'ip-adapter':
      ipAdapterWeights(control.part, unet);
      return compare('vision width', [control.vision.config.projection], [control.part.config.imageWidth]);
  }
}
