/**
 * Brings stored weights into the kernels' order on the device: raw bytes go up in chunks, a kernel writes the words. The
 * host only reads the file. Bit for bit what `weights/repack_blocks.ts` and `weights/pack_weight.ts` do without it.
 */
import type { Engine } from './executor';
import type { SingleCall } from './kernel_calls';
import type { Pipeline } from './pipelines';
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
  readonly upload: GPUBuffer;
}

export class Repacker {
  readonly #engine: Pick<Engine, 'gpu' | 'pool' | 'pipelines' | 'calls'>;
  /** The chunk under way, and a recipe per layout: made with the first weight that needs them. */
  readonly #buffers = new Map<RepackLayout | 'upload', Promise<GPUBuffer>>();

  constructor(engine: Pick<Engine, 'gpu' | 'pool' | 'pipelines' | 'calls'>) {
    this.#engine = engine;
  }

  /**
   * What `packPart` hands raw chunks to, for one part.
   * @throws AppError 'backend/compile', 'backend/out-of-memory', also from what is returned; the next call tries anew
   */
  async sinkFor(part: WeightPart, target: PartTarget): Promise<DeviceRepack> {
    const { pipelines } = this.#engine;
    const [blocks, rows, upload] = await Promise.all([
      pipelines.get(['lib/index', 'repack_blocks'], {}),
      pipelines.get(['lib/index', 'repack_rows'], {}),
      this.#once('upload', () => this.#allocate('raw weights', UPLOAD_BYTES)),
    ]);
    const kernels = { blocks, rows, upload };
    return {
      maxBytes: UPLOAD_BYTES,
      blocks: (chunk) => this.#blocks(kernels, part, target, chunk),
      rows: (chunk) => {
        this.#rows(kernels, part, target, chunk);
      },
    };
  }

  #once(key: RepackLayout | 'upload', make: () => Promise<GPUBuffer>): Promise<GPUBuffer> {
    let made = this.#buffers.get(key);
    if (!made) {
      made = make();
      this.#buffers.set(key, made);
      // A failure is not remembered: the device may have room later.
      made.catch(() => this.#buffers.delete(key));
    }
    return made;
  }

  async #allocate(label: string, bytes: number): Promise<GPUBuffer> {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    return (await this.#engine.pool.allocateNow(label, bytes, 'fixed', usage)).buffer;
  }

  #recipe(layout: RepackLayout): Promise<GPUBuffer> {
    return this.#once(layout, async () => {
      const words = repackTable(layout);
      const buffer = await this.#allocate('repack recipe', words.byteLength);
      this.#engine.gpu.device.queue.writeBuffer(buffer, 0, words);
      return buffer;
    });
  }

  async #blocks(kernels: Kernels, part: WeightPart, { buffer, offset }: PartTarget, chunk: RawBlocks): Promise<void> {
    const { layout, blocks, firstBlock } = chunk;
    const scaleBytes = scaleBytesOf(layout);
    const halves = 'halfAt' in layout.scales;
    const scaleWords = halves ? 0 : scaleBytes / 4;
    const words = blocks * (layout.quants.length + scaleWords) + (halves ? Math.ceil(blocks / 2) : 0);
    const recipes = { buffer: await this.#recipe(layout) };
    this.#run(kernels.upload, chunk.raw, {
      pipeline: kernels.blocks,
      workgroups: Math.ceil(words / 256),
      params: {
        blocks,
        blockBytes: layout.blockBytes,
        quantWords: layout.quants.length,
        scaleWords,
        halves: halves ? 1 : 0,
        quantStart: firstBlock * layout.quants.length,
        scaleStart: (firstBlock * scaleBytes) / 4,
      },
      bindings: {
        recipes,
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
    this.#run(kernels.upload, chunk.raw, {
      pipeline: kernels.rows,
      workgroups: Math.ceil(count / 256),
      params: {
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
  #run(upload: GPUBuffer, raw: Uint8Array<ArrayBuffer>, call: SingleCall): void {
    const { gpu, calls } = this.#engine;
    gpu.device.queue.writeBuffer(upload, 0, wholeWords(raw));
    calls.submit('repack', [{ ...call, bindings: { ...call.bindings, raw: { buffer: upload } } }]);
  }
}

/** Queue writes take whole words. */
function wholeWords(raw: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (raw.byteLength % 4 === 0) return raw;
  const filled = new Uint8Array(Math.ceil(raw.byteLength / 4) * 4);
  filled.set(raw);
  return filled;
}
