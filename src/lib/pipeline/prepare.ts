/** Makes a model's programs before the first picture asks for them. */
import { AppError } from '../base/errors';
import type { GenerateRequest } from '../rpc/engine';
import { generate, type GenerateHost } from './generate';
import type { LoadedModel } from './loaded_model';

/** Passes and parts of a request that are not prepared: the first pass is what every picture begins with. */
const LEFT_OUT: ReadonlySet<string> = new Set<keyof GenerateRequest>([
  'hires',
  'refiner',
  'init',
  'control',
  'loopback',
  'plot',
  'grid',
  'variation',
  'seedResize',
]);

/**
 * Encodes the prompts and takes one step of a picture that nobody sees: text encoders and denoiser are on the device
 * then, for pictures of the same size. What fails here fails again, and is told, in the job.
 */
export async function prepareModel(
  model: LoadedModel,
  request: GenerateRequest,
  host: Omit<GenerateHost, 'onEvent' | 'randomSeed' | 'betweenSteps' | 'extensions'>,
): Promise<void> {
  const plain = Object.fromEntries(Object.entries(request).filter(([name]) => !LEFT_OUT.has(name)));
  const once = { ...(plain as unknown as GenerateRequest), steps: 1, batchCount: 1, previewEvery: 0 };
  try {
    await generate(model, once, {
      ...host,
      // Somebody else's hooks have nothing to do with it.
      extensions: [],
      randomSeed: () => 0,
      onEvent: () => undefined,
      // Unlike a cancelled job, a superseded one is not decoded.
      betweenSteps: () => Promise.reject(new AppError('job/superseded', 'prepared: the programs are there.')),
    });
  } catch {
    // Told by the job.
  }
}
