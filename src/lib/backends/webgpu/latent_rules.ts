/**
 * Rules over whole latents, outside any program: called at every model call, and nothing is read back for them. Their
 * inputs are bound as read-only, so that one tensor may stand in two places.
 */
import { AppError } from '../../base/errors';
import { elementCount, formatShape, sameShape, type Shape } from '../../base/shape';
import type { DeviceTensor } from '../backend';
import type {
  GuidanceRescale,
  GuidanceRescaleOptions,
  LatentRules,
  SoftBlend,
  SoftBlendOptions,
} from '../latent_rules';
import type { Engine } from './executor';
import type { SingleCall } from './kernel_calls';
import { GpuTensor, ownTensor } from './tensor';

/** As for group norm: enough groups to fill a device, few enough to merge in every thread. */
const MIN_CHUNK_ELEMENTS = 2048;
const MAX_CHUNKS = 32;
const { max, min, ceil, floor } = Math;

export class WebgpuLatentRules implements LatentRules {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async rescaleGuidance(tensors: GuidanceRescale, { share, phi }: GuidanceRescaleOptions): Promise<GpuTensor> {
    const { pipelines, pool } = this.#engine;
    const label = 'guidance rescale';
    const [x, cond, guided] = this.#own(label, [tensors.x, tensors.cond, tensors.guided]);
    const { shape } = tensors.x;
    const count = elementCount(shape);
    const elements = count / (shape[0] ?? 1);
    const wanted = min(MAX_CHUNKS, max(1, floor(elements / MIN_CHUNK_ELEMENTS)));
    const chunkElements = ceil(elements / wanted);
    const chunks = ceil(elements / chunkElements);
    const total = (count / elements) * chunks;
    const [statistics, apply] = await Promise.all([
      pipelines.get(['lib/index', 'lib/reduce', 'guidance_rescale_stats'], {}),
      pipelines.get(['lib/index', 'guidance_rescale'], {}),
    ]);
    const held = pool.allocate(label, 32 * total, 'staging', GPUBufferUsage.STORAGE);
    try {
      const stats = { buffer: held.buffer };
      const shared = { elements, chunks, chunkElements, share };
      return this.#result(label, shape, (y): SingleCall[] => [
        { pipeline: statistics, params: { ...shared, total }, bindings: { x, cond, guided, stats }, workgroups: total },
        {
          pipeline: apply,
          params: { ...shared, count, phi },
          bindings: { x, guided, stats, y },
          workgroups: ceil(count / 256),
        },
      ]);
    } finally {
      // A destroyed buffer outlives the commands that were handed over before.
      pool.free(held);
    }
  }

  async softBlend(tensors: SoftBlend, { exponent, power }: SoftBlendOptions): Promise<GpuTensor> {
    const label = 'soft blend';
    const { shape } = tensors.painted;
    const [batch = 1, channels = 1, ...rest] = shape;
    const cells = elementCount(rest);
    const one = tensors.init.shape[0] === 1;
    const [init] = this.#own(label, [tensors.init], one ? [1, channels, ...rest] : shape);
    const [painted] = this.#own(label, [tensors.painted]);
    const [mask] = this.#own(label, [tensors.mask], rest);
    const pipeline = await this.#engine.pipelines.get(['lib/index', 'soft_blend'], {});
    const count = batch * cells;
    const initStride = one ? 0 : channels * cells;
    return this.#result(label, shape, (y) => [
      {
        pipeline,
        params: { count, channels, cells, initStride, exponent: min(exponent, 1e30), power },
        bindings: { init, painted, mask, y },
        workgroups: ceil(count / 256),
      },
    ]);
  }

  /** Ranges of tensors of one shape. @throws AppError 'graph/shape', 'argument/invalid' */
  #own(label: string, tensors: readonly DeviceTensor[], shape: Shape = tensors[0]?.shape ?? []): GPUBufferBinding[] {
    return tensors.map((tensor) => {
      const own = ownTensor(this.#engine.pool, tensor);
      if (own.elementType !== 'f32' || !sameShape(own.shape, shape)) {
        throw new AppError(
          'graph/shape',
          `${label}: must be f32 ${formatShape(shape)}, got ${own.elementType} ${formatShape(own.shape)}.`,
          { details: { expected: shape, found: own.shape } },
        );
      }
      return { buffer: own.buffer, offset: own.byteOffset, size: 4 * elementCount(shape) };
    });
  }

  /** A new tensor that the calls fill. */
  #result(label: string, shape: Shape, kernels: (y: GPUBufferBinding) => readonly SingleCall[]): GpuTensor {
    const { pool, calls } = this.#engine;
    const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    const pooled = pool.allocate(label, 4 * elementCount(shape), 'tensors', STORAGE | COPY_SRC | COPY_DST);
    const tensor = new GpuTensor(pool, pooled, { shape: [...shape], elementType: 'f32' });
    try {
      calls.submit(label, kernels({ buffer: tensor.buffer }));
      return tensor;
    } catch (error) {
      tensor.dispose();
      throw error;
    }
  }
}
