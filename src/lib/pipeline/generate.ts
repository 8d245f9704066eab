/**
 * The order of a generation: settings → prompt → noise → denoise → enlarge → decode → metadata, with the hooks of
 * extensions between. The only place that knows it; the page's worker, the command line and the companion share it.
 */
import type { HostTensor } from '../backends/backend';
import { throwIfAborted } from '../base/abort';
import { AppError } from '../base/errors';
import { HookRunner, type Extension } from '../extensions/api';
import type { GeneratedImage, GenerateRequest, JobEvent, JobResult, JobTelemetry, PixelImage } from '../rpc/engine';
import type { LoadControl } from './control/control_model';
import { Job } from './job';
import { JobClock } from './job_clock';
import { JobMeter } from './job_meter';
import { jobSettings } from './job_settings';
import type { Embedding } from './embeddings';
import type { ChosenVae, LoadedModel } from './loaded_model';
import { hookLatent } from './sample_batch';
import type { NetworkStacks, ResolveLora } from './networks';
import type { EncodePicture } from './save_picture';
import type { LoadUpscaler, ReadAsset } from './upscalers';

/** What a generation needs from its surroundings. */
export interface GenerateHost {
  readonly onEvent: (event: JobEvent) => void;
  readonly signal?: AbortSignal;
  /** Awaited after every step; the job goes on when it resolves. */
  readonly betweenSteps?: (signal?: AbortSignal) => Promise<void>;
  /** The codec; parameters are put into its bytes by the pipeline. Absent: nothing is saved, files are empty. */
  readonly encodePicture?: EncodePicture;
  /** Sees every finished picture. */
  readonly onPicture?: (picture: PixelImage, image: GeneratedImage) => void;
  /** 0..2^32 - 1. */
  randomSeed(): number;
  /** Start noise in place of the seed's, `[batch, C, h, w]`; to compare with other engines. */
  readonly startNoise?: HostTensor;
  /** Sees the final latents before they are decoded. */
  readonly onLatents?: (latents: HostTensor, batch: number) => void;
  readonly extensions?: readonly Extension[];
  /** Ids of extensions that run before all others, in this order. */
  readonly extensionsFirst?: readonly string[];
  /** The file of a `<lora:name>` tag; absent: tags are removed and nothing is loaded. */
  readonly resolveLora?: ResolveLora;
  /** Keeps adapters read between jobs of one session. */
  readonly networks?: NetworkStacks;
  readonly embeddings?: readonly Embedding[];
  /** Whose colours `colorCorrection` takes, where it is not the start picture itself. */
  readonly colorReference?: PixelImage;
  /** A second model on the same backend, for the refiner; it belongs to the host. */
  readonly loadModel?: (id: string) => Promise<LoadedModel>;
  readonly loadUpscaler?: LoadUpscaler;
  readonly readAsset?: ReadAsset;
  readonly loadControl?: LoadControl;
  /** The autoencoder of a request's `vaeId`. */
  readonly loadVae?: (id: string) => Promise<ChosenVae | undefined>;
}

/**
 * Runs one request to its end.
 * @throws AppError 'argument/invalid', 'sampler/…', 'model/…', 'backend/…', 'job/cancelled' (only when nothing exists
 * yet), 'job/superseded'
 */
export async function generate(model: LoadedModel, request: GenerateRequest, host: GenerateHost): Promise<JobResult> {
  const clock = new JobClock();
  model.tiledVae = request.tiledVae ?? 'auto';
  model.vaePrecision = request.modelOptions?.vaePrecision ?? 'auto';
  const meter = new JobMeter(model.residency, clock);
  const hooks = new HookRunner(
    host.extensions ?? [],
    { request },
    {
      first: host.extensionsFirst,
      onFailure({ extension, hook, cause }) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        const message = `${extension}: its hook ${hook} failed: ${reason}`;
        host.onEvent({ kind: 'notice', code: 'extension', message });
      },
    },
  );
  const images: GeneratedImage[] = [];
  const pictures: PixelImage[] = [];
  let grid: GeneratedImage | undefined;
  let telemetry: JobTelemetry;
  let interrupted = false;
  try {
    await hooks.emit('setup', { request });
    await hooks.emit('beforeProcess', { request });
    const settings = jobSettings(request, model.detected, () => host.randomSeed());
    for (const message of settings.notices) host.onEvent({ kind: 'notice', code: 'settings', message });
    await hooks.emit('process', { request, seed: settings.seed });
    clock.enter('encode');
    const job = await Job.open(model, settings, { host, hooks, clock });
    for (let batch = 0; batch < request.batchCount && !interrupted; batch++) {
      if (batch > 0 && host.signal?.aborted) throwIfAborted(host.signal);
      const sampled = await job.sample(batch);
      interrupted = sampled.interrupted;
      const told = await hooks.emit('afterSampling', { batch, latents: hookLatent(sampled.latents) });
      host.onLatents?.(told.latents, batch);
      for await (const { image, picture } of job.finish(told.latents, batch)) {
        images.push(image);
        pictures.push(picture);
        host.onPicture?.(picture, image);
        host.onEvent({ kind: 'image', image });
      }
    }
    if (request.grid && pictures.length > 1) grid = await job.grid(pictures);
    await hooks.emit('done', { images, interrupted });
  } catch (error) {
    const stopped = error instanceof AppError && error.code === 'job/cancelled';
    if (!stopped || images.length === 0) throw error;
    interrupted = true;
    await hooks.emit('done', { images, interrupted });
  } finally {
    clock.stop();
    telemetry = await meter.finish();
  }
  const { peakBytes } = telemetry.memory;
  const result = { images, times: clock.times, peakBytes, interrupted, telemetry };
  return grid ? { ...result, grid } : result;
}
