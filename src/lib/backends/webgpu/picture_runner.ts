/** Pictures between bytes and tensors on the device, outside any program: 4 bytes a pixel cross the border, not 12. */
import { AppError } from '../../base/errors';
import type { ChannelColours, PictureBytes, PictureOps } from '../backend';
import type { PooledBuffer } from './buffer_pool';
import { gridOf, PARAMS_STRIDE, type Engine } from './executor';
import { writeParams } from './kernel_sources';
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
      await this.#withBuffers([4 * count], async (params, [bytes]) => {
        if (!bytes) return;
        gpu.device.queue.writeBuffer(bytes.buffer, 0, rgba);
        const bindings = { x: { buffer: bytes.buffer }, y: { buffer: tensor.buffer } };
        await this.#run(pipeline, params, { count }, bindings);
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
    const bytes = await this.#withBuffers([4 * count, table.byteLength], async (params, [words, map]) => {
      if (!words || !map) return new ArrayBuffer(0);
      this.#engine.gpu.device.queue.writeBuffer(map.buffer, 0, table);
      const values = { count, channels, start: index * channels * count, mapped: colours ? 1 : 0 };
      const x = { buffer: own.buffer, offset: own.byteOffset, size: 4 * pictures * channels * count };
      await this.#run(pipeline, params, values, { x, colours: { buffer: map.buffer }, y: { buffer: words.buffer } });
      return readBuffer(this.#engine, words.buffer, 0, 4 * count);
    });
    return { widthPx, heightPx, rgba: new Uint8ClampedArray(bytes) };
  }

  /** Parameters and buffers of one call. A destroyed buffer outlives the commands that were handed over before. */
  async #withBuffers<T>(
    sizes: readonly number[],
    use: (params: GPUBuffer, buffers: readonly PooledBuffer[]) => Promise<T>,
  ): Promise<T> {
    const { pool } = this.#engine;
    const { UNIFORM, STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    const held: PooledBuffer[] = [];
    try {
      const params = pool.allocate('picture params', PARAMS_STRIDE, 'staging', UNIFORM | COPY_DST);
      held.push(params);
      for (const size of sizes) {
        held.push(pool.allocate('picture bytes', size, 'staging', STORAGE | COPY_SRC | COPY_DST));
      }
      await pool.settle();
      return await use(params.buffer, held.slice(1));
    } finally {
      for (const buffer of held) pool.free(buffer);
    }
  }

  async #run(
    { kernel, pipeline, layout }: Pipeline,
    params: GPUBuffer,
    values: Readonly<Record<string, number>> & { readonly count: number },
    bindings: Readonly<Record<string, GPUBufferBinding>>,
  ): Promise<void> {
    const { gpu, queue, pipelines } = this.#engine;
    const { device, limits } = gpu;
    const view = new DataView(new ArrayBuffer(PARAMS_STRIDE));
    writeParams(kernel, { ...values, groupOffset: 0 }, view, 0);
    device.queue.writeBuffer(params, 0, view.buffer);
    const entries = kernel.bindings.flatMap(({ name, binding }) => {
      const resource = bindings[name];
      return resource ? [{ binding, resource }] : [];
    });
    const group = device.createBindGroup({ label: kernel.label, layout, entries });
    const paramsGroup = device.createBindGroup({
      label: 'picture params',
      layout: pipelines.paramsLayout,
      entries: [{ binding: 0, resource: { buffer: params, size: PARAMS_STRIDE } }],
    });
    await queue.submit(kernel.label, values.count, (encoder) => {
      const pass = encoder.beginComputePass({ label: kernel.label });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.setBindGroup(1, paramsGroup, [0]);
      pass.dispatchWorkgroups(...gridOf(Math.ceil(values.count / 256), limits.groupsPerAxis));
      pass.end();
    });
  }
}
