/** The name table of any part, for matching adapters. */
import type { ClipConfig } from '../clip/config';
import { clipLayers } from '../clip/names';
import type { Flux1Config } from '../flux1/config';
import { flux1Layers } from '../flux1/names';
import { flux2Layers, type Flux2Config } from '../flux2/flux2';
import type { LayerNames } from '../names';
import type { ModelPart } from '../part';
import { qwen3Layers, type Qwen3Config } from '../qwen3/qwen3';
import { sd3Layers, type Sd3Config } from '../sd3/sd3';
import { t5Layers, type T5Config } from '../t5/t5';
import type { UNetConfig } from '../unet/config';
import { unetLayers } from '../unet/names';
import { zImageLayers, type ZImageConfig } from '../z_image/z_image';

/** Layers of a denoiser or text encoder; empty for parts that no adapter targets. */
export function layersOf(part: ModelPart): Iterable<LayerNames> {
  const { architecture, config } = part;
  switch (architecture) {
    case 'unet':
      return unetLayers(config as UNetConfig);
    case 'flux1':
    case 'chroma':
      return flux1Layers(config as Flux1Config);
    case 'flux2':
      return flux2Layers(config as Flux2Config);
    case 'sd3':
      return sd3Layers(config as Sd3Config);
    case 'z-image':
      return zImageLayers(config as ZImageConfig);
    case 'clip':
      return clipLayers(config as ClipConfig);
    case 't5':
      return t5Layers(config as T5Config);
    case 'qwen3':
      return qwen3Layers(config as Qwen3Config);
    default:
      return [];
  }
}
