/**
 * Brings stored weights into the kernels' order on the device: raw bytes go up in chunks, a kernel writes the words. The
 * host only reads the file. Bit for bit what `weights/repack_blocks.ts` and `weights/pack_weight.ts` do without it.
 */
import type { BufferPool, PooledBuffer } from './buffer_pool';
import type { GpuDevice } from './device';
import { gridOf, PARAMS_STRIDE } from './executor';
import { writeParams } from './kernel_sources';
import type { PipelineCache, Pipeline } from './pipelines';
import { scaleBytesOf, type RepackLayout } from './weights/block_layouts';
import type { DeviceRepack, RawBlocks, RawRows } from './weights/pack_weight';
import { repackTable } from './weights/repack_table';
import type { WeightPart } from './weights/weight_plan';

/** Bytes of the file under way at a time. */
const UPLOAD_BYTES = 4 * 1024 * 1024;

/** Where a part lies. */
export interface PartTarget {
  readonly buffer: GPUBuffer;
  /** A multiple of 256. */
  readonly offset: number;
}

interface Kernels {
  readonly blocks: Pipeline;
  readonly rows: Pipeline;
  readonly upload: PooledBuffer;
  readonly params: PooledBuffer;
  readonly paramsGroup: GPUBindGroup;
}

export class Repacker {
  readonly #gpu: GpuDevice;
  readonly #pool: BufferPool;
  readonly #pipelines: PipelineCache;
  #kernels: Promise<Kernels> | undefined;
  readonly #tables = new Map<RepackLayout, PooledBuffer>();

  constructor(gpu: GpuDevice, pool: BufferPool, pipelines: PipelineCache) {
    this.#gpu = gpu;
    this.#pool = pool;
    this.#pipelines = pipelines;
  }

  /** What `packPart` hands raw chunks to, for one part. @throws AppError 'backend/compile', 'backend/out-of-memory' */
  async sinkFor(part: WeightPart, target: PartTarget): Promise<DeviceRepack> {
    this.#kernels ??= this.#open();
    let kernels: Kernels;
    try {
      kernels = await this.#kernels;
    } catch (error) {
      this.#kernels = undefined;
      throw error;
    }
    return {
      maxBytes: UPLOAD_BYTES,
      blocks: (chunk) => this.#blocks(kernels, part, target, chunk),
      rows: (chunk) => this.#rows(kernels, part, target, chunk),
    };
  }

  async #open(): Promise<Kernels> {
    const [blocks, rows] = await Promise.all([
      this.#pipelines.get(['lib/index', 'repack_blocks'], {}),
      this.#pipelines.get(['lib/index', 'repack_rows'], {}),
    ]);
    const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    const uniform = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    const upload = this.#pool.allocate('raw weights', UPLOAD_BYTES, 'fixed', storage);
    const params = this.#pool.allocate('repack params', PARAMS_STRIDE, 'fixed', uniform);
    try {
      await this.#pool.settle();
    } catch (error) {
      this.#pool.free(upload);
      this.#pool.free(params);
      throw error;
    }
    const paramsGroup = this.#gpu.device.createBindGroup({
      label: 'repack params',
      layout: this.#pipelines.paramsLayout,
      entries: [{ binding: 0, resource: { buffer: params.buffer, size: PARAMS_STRIDE } }],
    });
    return { blocks, rows, upload, params, paramsGroup };
  }

  #table(layout: RepackLayout): GPUBuffer {
    let table = this.#tables.get(layout);
    if (!table) {
      const words = repackTable(layout);
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
      table = this.#pool.allocate('repack recipes', words.byteLength, 'fixed', usage);
      this.#gpu.device.queue.writeBuffer(table.buffer, 0, words);
      this.#tables.set(layout, table);
    }
    return table.buffer;
  }

  #blocks(kernels: Kernels, part: WeightPart, { buffer, offset }: PartTarget, chunk: RawBlocks): void {
    const { layout, blocks, firstBlock } = chunk;
    const scaleBytes = scaleBytesOf(layout);
    const halves = 'halfAt' in layout.scales;
    const scaleWords = halves ? 0 : scaleBytes / 4;
    const words = blocks * (layout.quants.length + scaleWords) + (halves ? Math.ceil(blocks / 2) : 0);
    this.#run(kernels, kernels.blocks, chunk.raw, Math.ceil(words / 256), {
      values: {
        blocks,
        blockBytes: layout.blockBytes,
        quantWords: layout.quants.length,
        scaleWords,
        halves: halves ? 1 : 0,
        quantStart: firstBlock * layout.quants.length,
        scaleStart: (firstBlock * scaleBytes) / 4,
      },
      bindings: {
        recipes: { buffer: this.#table(layout) },
        quants: { buffer, offset, size: part.quantBytes },
        // Codes have none among them; nothing is written then, but the binding must not lie over another.
        scales:
          scaleBytes === 0
            ? undefined
            : { buffer, offset: offset + part.scalesOffset, size: part.bytes - part.scalesOffset },
      },
    });
  }

  #rows(kernels: Kernels, part: WeightPart, { buffer, offset }: PartTarget, chunk: RawRows): void {
    const { elementBytes, rows, rowElems, channels, taps, firstRow } = chunk;
    const elements = rows * rowElems;
    const count = Math.ceil((elements * elementBytes) / 4);
    this.#run(kernels, kernels.rows, chunk.raw, Math.ceil(count / 256), {
      values: {
        count,
        perWord: 4 / elementBytes,
        elements,
        rowElems,
        channels,
        taps,
        start: (firstRow * rowElems * elementBytes) / 4,
      },
      bindings: { quants: { buffer, offset, size: part.quantBytes } },
    });
  }

  /** Everything in one turn: the next chunk's writes come behind this one's commands. */
  #run(
    { upload, params, paramsGroup }: Kernels,
    { kernel, pipeline, layout }: Pipeline,
    raw: Uint8Array<ArrayBuffer>,
    workgroups: number,
    given: {
      readonly values: Readonly<Record<string, number>>;
      readonly bindings: Readonly<Record<string, GPUBufferBinding | undefined>>;
    },
  ): void {
    const { device, limits } = this.#gpu;
    device.queue.writeBuffer(upload.buffer, 0, wholeWords(raw));
    const view = new DataView(new ArrayBuffer(PARAMS_STRIDE));
    writeParams(kernel, { ...given.values, groupOffset: 0 }, view, 0);
    device.queue.writeBuffer(params.buffer, 0, view.buffer);
    const group = device.createBindGroup({
      label: kernel.label,
      layout,
      entries: kernel.bindings.map(({ name, binding }) => ({
        binding,
        resource: name === 'raw' ? { buffer: upload.buffer } : (given.bindings[name] ?? { buffer: this.#nothing() }),
      })),
    });
    const encoder = device.createCommandEncoder({ label: kernel.label });
    const pass = encoder.beginComputePass({ label: kernel.label });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.setBindGroup(1, paramsGroup, [0]);
    pass.dispatchWorkgroups(...gridOf(workgroups, limits.groupsPerAxis));
    pass.end();
    device.queue.submit([encoder.finish()]);
  }

  #dummy: PooledBuffer | undefined;
  #nothing(): GPUBuffer {
    this.#dummy ??= this.#pool.allocate('repack dummy', 16, 'fixed', GPUBufferUsage.STORAGE);
    return this.#dummy.buffer;
  }
}

/** Queue writes take whole words. */
function wholeWords(raw: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (raw.byteLength % 4 === 0) return raw;
  const filled = new Uint8Array(Math.ceil(raw.byteLength / 4) * 4);
  filled.set(raw);
  return filled;
}
