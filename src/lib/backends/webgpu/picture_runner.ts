/** Pictures between bytes and tensors on the device, outside any program: 4 bytes a pixel cross the border, not 12. */
import { AppError } from '../../base/errors';
import type { ChannelColours, PictureBytes, PictureOps } from '../backend';
import type { PooledBuffer } from './buffer_pool';
import type { Engine } from './executor';
import type { Pipeline } from './pipelines';
import { readBuffer } from './read_buffer';
import { GpuTensor, ownTensor } from './tensor';

export class PictureRunner implements PictureOps {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async upload({ widthPx, heightPx, rgba }: PictureBytes): Promise<GpuTensor> {
    const { pool, gpu, pipelines } = this.#engine;
    const count = widthPx * heightPx;
    const pipeline = await pipelines.get(['lib/index', 'picture_unpack'], {});
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const pooled = pool.allocate('picture', 12 * count, 'tensors', usage);
    const tensor = new GpuTensor(pool, pooled, { shape: [1, 3, heightPx, widthPx], elementType: 'f32' });
    try {
      await this.#withBuffers([4 * count], async ([bytes]) => {
        if (!bytes) return;
        gpu.device.queue.writeBuffer(bytes.buffer, 0, rgba);
        await this.#run(pipeline, { count }, { x: { buffer: bytes.buffer }, y: { buffer: tensor.buffer } });
      });
      return tensor;
    } catch (error) {
      tensor.dispose();
      throw error;
    }
  }

  async download(
    tensor: Parameters<PictureOps['download']>[0],
    index = 0,
    colours?: ChannelColours,
  ): Promise<PictureBytes> {
    const own = ownTensor(this.#engine.pool, tensor);
    const [pictures = 0, channels = 0, heightPx = 0, widthPx = 0] = own.shape;
    if (own.shape.length !== 4 || own.elementType !== 'f32' || index >= pictures) {
      throw new AppError(
        'graph/shape',
        `picture: must be f32 [N, C, H, W] with a picture ${index}, got [${own.shape.join(', ')}].`,
        { details: { shape: own.shape, index } },
      );
    }
    const count = widthPx * heightPx;
    const pipeline = await this.#engine.pipelines.get(['lib/index', 'picture_pack'], {});
    const rows = colours ? [...colours.factors, colours.bias] : [[0, 0, 0]];
    const table = Float32Array.from(rows.flatMap((row) => [...row, 0]));
    const bytes = await this.#withBuffers([4 * count, table.byteLength], async ([words, map]) => {
      if (!words || !map) return new ArrayBuffer(0);
      this.#engine.gpu.device.queue.writeBuffer(map.buffer, 0, table);
      const values = { count, channels, start: index * channels * count, mapped: colours ? 1 : 0 };
      const x = { buffer: own.buffer, offset: own.byteOffset, size: 4 * pictures * channels * count };
      await this.#run(pipeline, values, { x, colours: { buffer: map.buffer }, y: { buffer: words.buffer } });
      return readBuffer(this.#engine, words.buffer, 0, 4 * count);
    });
    return { widthPx, heightPx, rgba: new Uint8ClampedArray(bytes) };
  }

  /** Buffers of one call. A destroyed buffer outlives the commands that were handed over before. */
  async #withBuffers<T>(sizes: readonly number[], use: (buffers: readonly PooledBuffer[]) => Promise<T>): Promise<T> {
    const { pool } = this.#engine;
    const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    const held: PooledBuffer[] = [];
    try {
      for (const size of sizes) {
        held.push(pool.allocate('picture bytes', size, 'staging', STORAGE | COPY_SRC | COPY_DST));
      }
      await pool.settle();
      return await use(held);
    } finally {
      for (const buffer of held) pool.free(buffer);
    }
  }

  async #run(
    pipeline: Pipeline,
    params: Readonly<Record<string, number>> & { readonly count: number },
    bindings: Readonly<Record<string, GPUBufferBinding>>,
  ): Promise<void> {
    const { calls, queue } = this.#engine;
    const { label } = pipeline.kernel;
    const call = { pipeline, params, bindings, workgroups: Math.ceil(params.count / 256) };
    await queue.submit(label, params.count, (encoder) => {
      calls.encode(encoder, label, [call]);
    });
  }
}
