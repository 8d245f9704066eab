/** Every kind of golden model case. The first adapter that matches runs the case. */
import type { Adapter } from '../adapter';
import { checkpointAdapter } from './checkpoint';
import {
  clipVisionAdapter,
  controlledUNetAdapter,
  controlNetAdapter,
  ipAdapter,
  t2iAdapter,
  upscalerAdapter,
} from './control';
import { conventionsAdapter } from './conventions';
import { embeddingAdapter } from './embeddings';
import { qwenAdapter, t5Adapter } from './language';
import { loraAdapter } from './lora';
import { sdPipelineAdapter } from './sd_pipeline';
import { clipAdapter, sdxlContextAdapter } from './text';
import { fluxPipelineAdapter, transformerAdapter, transformerRunAdapter } from './transformers';
import { unetAdapter } from './unet';
import { klAdapter, tinyAdapter } from './vae';

export const ADAPTERS: readonly Adapter[] = [
  loraAdapter,
  embeddingAdapter,
  checkpointAdapter,
  controlNetAdapter,
  controlledUNetAdapter,
  t2iAdapter,
  ipAdapter,
  clipVisionAdapter,
  upscalerAdapter,
  sdPipelineAdapter,
  sdxlContextAdapter,
  clipAdapter,
  unetAdapter,
  tinyAdapter,
  klAdapter,
  conventionsAdapter,
  t5Adapter,
  qwenAdapter,
  fluxPipelineAdapter,
  transformerRunAdapter,
  transformerAdapter,
];
