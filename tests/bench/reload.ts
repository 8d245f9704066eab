/**
 * `npm run bench -- reload [sd15 sdxl flux]`: cold and warm load, a switch to another model that shares its autoencoder
 * and text encoders, and back: bytes read from the file, time, JS heap, bytes on the device. Files are sparse, of true
 * size; the device counts and computes nothing, so that the figures are those of reading and packing.
 */
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFileSource } from '../../src/companion/node_file_source';
import { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import type { ByteSource } from '../../src/lib/base/byte_source';
import type { NamedWeight } from '../../src/lib/graph/weights';
import type { DetectedModel } from '../../src/lib/models/family';
import type { ModelPart } from '../../src/lib/models/part';
import { syntheticModel } from '../../src/lib/models/synthetic';
import { trueSizeById } from '../../src/lib/models/true_sizes';
import { decoderGraph, denoiserGraph, encoderGraphs } from '../../src/lib/pipeline/fit_stages';
import { LoadedModel, type TokenizerSet } from '../../src/lib/pipeline/loaded_model';
import { Residency } from '../../src/lib/pipeline/residency';
import { diskKernels } from '../kernels/node_kernels';
import { defineGpuConstants, NullGpu } from '../unit/backends/webgpu/null_gpu';
import type { BenchResult } from './main';
import type { BenchRow } from './report';

const MIB = 2 ** 20;

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

/** Gives every weight of a part its place in a sparse file. */
function placed(part: ModelPart, source: ByteSource, from: { offset: number }): ModelPart {
  const weights = new Map<string, NamedWeight>();
  for (const [name, named] of part.weights) {
    const byteOffset = from.offset;
    from.offset += named.tensor.byteLength;
    weights.set(name, { ...named, tensor: { ...named.tensor, source, byteOffset } });
  }
  return { ...part, weights };
}

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
  const backend = await WebgpuBackend.create({ gpu: device.gpu, sources: diskKernels() });
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
  const step = async (name: string, model: LoadedModel) => {
    watch = new Watch();
    await load(model, 128, size.nativePx);
    const note = `${(watch.bytes / MIB).toFixed(0)} MiB read, heap +${(watch.heapPeak / MIB).toFixed(0)} MiB, ${(backend.memory().weightsBytes / MIB).toFixed(0)} MiB on the device`;
    rows.push({ name: `${id} Q4_0: ${name}`, ours: watch.ms / 1000, unit: 's', note });
  };
  const [first, second] = [await modelOf('first'), await modelOf('second')];
  await step('cold load', first);
  await step('warm: everything is there', first);
  await step('switch to a model with the same encoders and autoencoder', second);
  await step('and back', first);
  await backend.dispose();
  for (const one of files) {
    await one.close();
    await rm(join(tmpdir(), one.name));
  }
  return rows;
}

export async function bench(words: readonly string[]): Promise<BenchResult> {
  defineGpuConstants();
  const rows: BenchRow[] = [];
  for (const id of words.length > 0 ? words : ['sd15', 'sdxl', 'flux']) rows.push(...(await measure(id)));
  return { rows };
}
