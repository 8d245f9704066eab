/**
 * `npm run bench -- reload [sd15 sdxl flux chromium streaming] [--software]`: cold and warm load, a switch to another
 * model that shares its autoencoder and text encoders, and back, adapters put on and taken off: bytes read from the file,
 * time, JS heap, bytes on the device; and the heap of Chromium while it loads a file of 4 GB. Files are sparse, of true
 * size; the device counts and computes nothing, so that the figures are those of reading and handing over. `streaming`
 * computes, on Chromium's adapter: how much of the reading in every run hides behind it.
 */
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFileSource } from '../../src/companion/node_file_source';
import { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { memorySource, type ByteSource } from '../../src/lib/base/byte_source';
import { plainTuning } from '../../src/lib/backends/webgpu/tuning';
import { openTensorIndex } from '../../src/lib/formats/open_tensor_index';
import { applyLora, type Lora, type LayerUpdate } from '../../src/lib/graph/passes/lora';
import type { DetectedModel } from '../../src/lib/models/family';
import type { ModelPart } from '../../src/lib/models/part';
import { syntheticModel } from '../../src/lib/models/synthetic';
import { trueSizeById } from '../../src/lib/models/true_sizes';
import { decoderGraph, denoiserGraph, encoderGraphs } from '../../src/lib/pipeline/fit_stages';
import { LoadedModel, type TokenizerSet } from '../../src/lib/pipeline/loaded_model';
import { Residency } from '../../src/lib/pipeline/residency';
import { dequantizeTensor } from '../../src/lib/quant/dequantize';
import { diskKernels } from '../kernels/node_kernels';
import { defineGpuConstants, NullGpu } from '../unit/backends/webgpu/null_gpu';
import { placed } from './placed_part';
import { loadInChromium } from './reload_chromium';
import { streamInChromium } from './stream_chromium';
import type { BenchResult } from './main';
import type { BenchRow } from './report';

const MIB = 2 ** 20;
/** JS heap while a file of 4 GB loads. */
const HEAP_LIMIT_BYTES = 300e6;

/** Bytes and heap of what happens meanwhile. */
class Watch {
  bytes = 0;
  heapPeak = 0;
  readonly #begun = performance.now();
  readonly #heapBase: number;

  constructor() {
    (globalThis as { gc?: () => void }).gc?.();
    this.#heapBase = Watch.#held();
  }

  /** JS objects and array buffers: what a browser counts as the heap of a worker. */
  static #held(): number {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  }

  read(bytes: number): void {
    this.bytes += bytes;
    this.heapPeak = Math.max(this.heapPeak, Watch.#held() - this.#heapBase);
  }

  get ms(): number {
    return performance.now() - this.#begun;
  }
}

let watch = new Watch();

async function sparse(
  path: string,
  sizeBytes: number,
  contentId: string,
): Promise<ByteSource & { close(): Promise<void> }> {
  const handle = await open(path, 'w');
  await handle.truncate(sizeBytes);
  await handle.close();
  const file = await openFileSource(path);
  return {
    ...file,
    contentId,
    async read(offset, length, signal) {
      const bytes = await file.read(offset, length, signal);
      watch.read(length);
      return bytes;
    },
  };
}

async function load(model: LoadedModel, promptTokens: number, sidePx: number): Promise<void> {
  const { detected } = model;
  const spec = { widthPx: sidePx, heightPx: sidePx, batch: 1, promptTokens };
  for (const { id, build } of encoderGraphs(detected, promptTokens)) await model.program(`text ${id}`, 'bench', build);
  await model.program('denoiser', 'bench', () => denoiserGraph(detected, spec, 1));
  await model.program('decoder', 'bench', () => decoderGraph(detected, spec));
}

async function measure(id: string): Promise<BenchRow[]> {
  const size = trueSizeById(id);
  if (!size) throw new Error(`reload: no model ${id}`);
  const detected = syntheticModel(size, 'Q4_0');
  const device = new NullGpu();
  const tuning = { ...plainTuning, deviceRepack: true };
  const backend = await WebgpuBackend.create({ gpu: device.gpu, sources: diskKernels(), tuning });
  const residency = new Residency(backend);
  const files: (ByteSource & { close(): Promise<void> })[] = [];
  const bytesOf = (parts: readonly ModelPart[]) =>
    parts.reduce(
      (sum, part) => sum + [...part.weights.values()].reduce((s, { tensor }) => s + tensor.byteLength, 0),
      0,
    );
  const encoders = [...detected.textEncoders.values()];
  const vae = detected.vae ? [detected.vae] : [];
  const file = async (name: string, parts: readonly ModelPart[]) => {
    const source = await sparse(
      join(tmpdir(), `sketchforge-${process.pid}-${id}-${name}`),
      bytesOf(parts),
      `${id} ${name}`,
    );
    files.push(source);
    return source;
  };
  const shared = await file('shared', [...encoders, ...vae]);
  const modelOf = async (name: string): Promise<LoadedModel> => {
    const own = await file(name, [detected.denoiser]);
    const at = { offset: 0 };
    const textEncoders = new Map([...detected.textEncoders].map(([key, part]) => [key, placed(part, shared, at)]));
    const placedVae = detected.vae && placed(detected.vae, shared, at);
    const whole = {
      ...detected,
      textEncoders,
      denoiser: placed(detected.denoiser, own, { offset: 0 }),
      ...(placedVae ? { vae: placedVae } : {}),
    } as DetectedModel;
    return new LoadedModel({
      detected: whole,
      backend,
      tokenizers: {} as TokenizerSet,
      id: name,
      name,
      hash: '',
      residency,
    });
  };
  const rows: BenchRow[] = [];
  const step = async (name: string, model: LoadedModel, work = () => load(model, 128, size.nativePx)) => {
    watch = new Watch();
    await work();
    const { weightsBytes: deviceBytes } = backend.memory();
    const { bytes: readBytes, heapPeak: heapBytes, ms } = watch;
    const note = `${(readBytes / MIB).toFixed(0)} MiB read, heap +${(heapBytes / MIB).toFixed(0)} MiB, ${(deviceBytes / MIB).toFixed(0)} MiB on the device`;
    const figures = { readBytes, deviceBytes, heapBytes, seconds: ms / 1000 };
    rows.push({ name: `${id} Q4_0: ${name}`, ours: ms / 1000, unit: 's', note, figures });
  };
  const spec = { widthPx: size.nativePx, heightPx: size.nativePx, batch: 1, promptTokens: 128 };
  const adapted = async (model: LoadedModel) => {
    const adapter = rankSixteen(model.detected.denoiser);
    await model.program('denoiser', 'bench with an adapter', () => {
      const built = denoiserGraph(model.detected, spec, 1);
      return applyLora(built.graph, built.weights, [adapter]);
    });
  };
  const [first, second] = [await modelOf('first'), await modelOf('second')];
  await step('cold load', first);
  await step('warm: everything is there', first);
  await step('switch to a model with the same encoders and autoencoder', second);
  await step('and back', first);
  await step('an adapter of rank 16 put on', first, () => adapted(first));
  await step('and taken off', first);
  await step('an embedding of 8 vectors', first, embedding);
  await backend.dispose();
  for (const one of files) {
    await one.close();
    await rm(join(tmpdir(), one.name));
  }
  return rows;
}

/** Half of the matrices with an adapter of rank 16, which is more than most adapters have. */
function rankSixteen({ weights }: ModelPart): Lora {
  const matrices = [...weights].filter(([name, { tensor }]) => name.endsWith('.weight') && tensor.shape.length === 2);
  const layers = matrices.flatMap(([name, { tensor }], i): [string, LayerUpdate[]][] => {
    const [out = 0, inner = 0] = tensor.shape;
    if (i % 2 === 1 || Math.min(out, inner) < 64) return [];
    const factor = (count: number) => new Float32Array(16 * count).fill(0.01);
    return [
      [
        name.slice(0, -'.weight'.length),
        [{ kind: 'low-rank', rank: 16, down: factor(inner), up: factor(out), scale: 1 }],
      ],
    ];
  });
  return { id: 'bench', layers: new Map(layers) };
}

/** A file of 8 vectors, read as the library reads it. */
async function embedding(): Promise<void> {
  const values = new Uint8Array(4 * 8 * 768);
  const header = new TextEncoder().encode(
    JSON.stringify({ emb_params: { dtype: 'F32', shape: [8, 768], data_offsets: [0, values.length] } }),
  );
  const bytes = new Uint8Array(8 + header.length + values.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, 8);
  const source = memorySource('bench.safetensors', bytes);
  const counted: ByteSource = {
    ...source,
    read(offset, length, signal) {
      watch.read(length);
      return source.read(offset, length, signal);
    },
  };
  const { tensors } = await openTensorIndex(counted);
  for (const tensor of tensors.values()) await dequantizeTensor(tensor);
}

async function heapInChromium(): Promise<{ rows: BenchRow[]; failures: string[] }> {
  const row = await loadInChromium();
  const heap = row.figures?.['heapBytes'] ?? Infinity;
  const within = heap <= HEAP_LIMIT_BYTES;
  return {
    rows: [row],
    failures: within ? [] : [`${row.name}: heap ${heap} bytes, at most ${HEAP_LIMIT_BYTES}`],
  };
}

const SIZES = ['sd15', 'sdxl', 'flux'];

export async function bench(words: readonly string[]): Promise<BenchResult> {
  defineGpuConstants();
  const rows: BenchRow[] = [];
  const failures: string[] = [];
  const software = words.includes('--software');
  const parts: Readonly<Record<string, () => Promise<{ rows: BenchRow[]; failures?: string[] }>>> = {
    ...Object.fromEntries(SIZES.map((id) => [id, async () => ({ rows: await measure(id) })])),
    chromium: heapInChromium,
    streaming: () => streamInChromium(software),
  };
  const named = words.filter((word) => word !== '--software');
  const wrong = named.find((word) => !Object.hasOwn(parts, word));
  if (wrong !== undefined) {
    console.error(`npm run bench -- reload [${Object.keys(parts).join(' ')}] [--software]: no part ${wrong}`);
    process.exit(2);
  }
  for (const id of named.length > 0 ? named : Object.keys(parts)) {
    const made = await parts[id]?.();
    rows.push(...(made?.rows ?? []));
    failures.push(...(made?.failures ?? []));
  }
  return { rows, failures };
}
