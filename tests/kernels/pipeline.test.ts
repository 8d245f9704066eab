/** Whole pictures of the shipped model on WebGPU, small and of few steps: stored types, little memory, tiles, a lost device. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import clipVocabulary from '../../static/tokenizers/clip.txt?raw';
import unetUrl from '../../static/models/tiny-icons.safetensors?url';
import vaeUrl from '../../static/models/tiny-icons-ae.safetensors?url';
import { psnr } from '../../src/companion/baseline/similarity';
import { memorySource, type ByteSource } from '../../src/lib/base/byte_source';
import { browserGpu } from '../../src/lib/backends/webgpu/device';
import type { WebgpuBackend } from '../../src/lib/backends/webgpu/backend';
import { plainTuning } from '../../src/lib/backends/webgpu/tuning';
import { convertIndex } from '../../src/lib/formats/convert/convert';
import { openTensorIndex } from '../../src/lib/formats/open_tensor_index';
import { EngineService } from '../../src/lib/pipeline/engine_service';
import type { EngineOptions, GenerateRequest, JobTelemetry, PixelImage } from '../../src/lib/rpc/engine';
import { createClipTokenizer } from '../../src/lib/tokenizers/clip';
import { encodePicture } from '../../workers/engine/encode_picture';
import { BASE } from '../unit/pipeline/base_request';
import { createTestBackend } from './test_backend';

const clip = createClipTokenizer(clipVocabulary);
const request: GenerateRequest = { ...BASE, modelId: 'half', cfgScale: 4 };

const read = async (url: string): Promise<ByteSource> =>
  memorySource(url.split('/').at(-1) ?? url, new Uint8Array(await (await fetch(url)).arrayBuffer()));

/** The denoiser's file with 8-bit weights, as `npm run convert` writes it. */
async function quantized(source: ByteSource): Promise<ByteSource> {
  const conversion = convertIndex(await openTensorIndex(source), 'q8_0', 'gguf', 'sd1');
  const chunks: Uint8Array[] = [];
  for await (const bytes of conversion.write(new AbortController().signal, () => undefined)) chunks.push(bytes.slice());
  return memorySource('tiny-icons.gguf', new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer()));
}

interface Made {
  readonly picture: PixelImage;
  readonly telemetry: JobTelemetry;
}

/** An engine on WebGPU whose pictures are looked at before they are encoded. */
class PictureEngine {
  readonly service: EngineService;
  backend: WebgpuBackend | undefined;
  /** The device of the next backend is its own: the test ends it. */
  ownDevice = false;
  #seen: PixelImage | undefined;
  #jobs = 0;

  constructor(files: Readonly<Record<string, readonly ByteSource[]>>) {
    this.service = new EngineService({
      createBackend: async () => {
        const options = { tuning: { ...plainTuning, deviceRepack: true } };
        this.backend = await createTestBackend(this.ownDevice ? { ...options, gpu: browserGpu() } : options);
        return { backend: this.backend, reason: 'start' };
      },
      openFiles: (source) => {
        const id = source.kind === 'files' ? '' : source.id;
        return Promise.resolve({ id, name: id, sha256: id, sources: files[id] ?? [] });
      },
      tokenizers: () => Promise.resolve({ clip }),
      encodePicture: (image, options) => {
        this.#seen = image;
        return encodePicture(image, options);
      },
      randomSeed: () => 1,
      isolated: false,
      idleWeightsBytes: 0,
    });
  }

  async start(id: string, options: Partial<EngineOptions> = {}): Promise<void> {
    await this.service.start({ backend: 'webgpu', threads: 1, baseUrl: '', ...options });
    await this.service.openModel({ kind: 'builtin', id }, () => undefined);
  }

  async make(change: Partial<GenerateRequest> = {}): Promise<Made> {
    this.#seen = undefined;
    const job = `job ${++this.#jobs}`;
    const { telemetry } = await this.service.generate(job, { ...request, ...change }, () => undefined, 'queue');
    if (!this.#seen || !telemetry) throw new Error('no picture was made');
    return { picture: this.#seen, telemetry };
  }
}

let engine: PictureEngine;
let half: Made;
beforeAll(async () => {
  const [unet, vae] = await Promise.all([read(unetUrl), read(vaeUrl)]);
  engine = new PictureEngine({ half: [unet, vae], q8: [await quantized(unet), vae] });
  await engine.start('half');
  half = await engine.make();
}, 300_000);
afterAll(() => engine.service.dispose());

describe('pictures on WebGPU', () => {
  it('hold what was planned, and give it back', () => {
    const { memory, stages } = half.telemetry;
    expect(memory.peakBytes).toBeLessThanOrEqual(memory.plannedPeakBytes + memory.tensorBytes + memory.stagingBytes);
    expect(memory.peakBytes).toBeLessThan(memory.naiveBytes);
    expect(stages.map(({ stage }) => stage)).toEqual(expect.arrayContaining(['encode', 'denoise', 'decode']));
    expect(engine.backend?.memory()).toMatchObject({ arenaBytes: 0, tensorBytes: 0 });
  });

  it('from 8-bit weights lie within 30 dB of those from half precision', async () => {
    await engine.service.openModel({ kind: 'builtin', id: 'q8' }, () => undefined);
    const { picture } = await engine.make();
    const found = psnr(picture, half.picture);
    console.log(`Q8_0 against half precision on WebGPU: ${found.toFixed(1)} dB`);
    expect(found).toBeGreaterThanOrEqual(30);
    // They are not the same file.
    expect(found).toBeLessThan(100);
  });

  it('are the same bit by bit where memory is short: stage by stage, weights passing through', async () => {
    const free = half.telemetry.memory;
    const limit = Math.round(0.55 * free.peakBytes);
    await engine.start('half', { memoryLimitBytes: limit });
    const { picture, telemetry } = await engine.make({ tiledVae: 'never' });
    expect(picture.rgba).toEqual(half.picture.rgba);
    expect(telemetry.memory.peakBytes).toBeLessThan(free.peakBytes);
    expect(telemetry.measures.join('; ')).toMatch(/pass through the device|released to make room/);
    expect((await engine.service.status()).memoryLimitBytes).toBe(limit);
    await engine.start('half');
  });

  it('show no seams where the autoencoder runs in tiles', async () => {
    // Larger than the smallest tile.
    const size = { widthPx: 264, heightPx: 64, steps: 1, cfgScale: 1 };
    const whole = await engine.make({ ...size, tiledVae: 'never' });
    const tiles = await engine.make({ ...size, tiledVae: 'always' });
    expect(tiles.telemetry.measures.join('; ')).toContain('in tiles of 256 pixels');
    expect(psnr(tiles.picture, whole.picture)).toBeGreaterThan(40);
  }, 240_000);

  it('come again after the device is lost in the middle of a job', async () => {
    engine.ownDevice = true;
    await engine.start('half');
    engine.ownDevice = false;
    const { backend } = engine;
    const failed = engine.service.generate(
      'lost',
      request,
      (event) => event.kind === 'step' && backend?.engine.gpu.device.destroy(),
      'queue',
    );
    await expect(failed).rejects.toMatchObject({ code: 'backend/device-lost' });
    expect(engine.backend).not.toBe(backend);
    expect((await engine.make()).picture.rgba).toEqual(half.picture.rgba);
  });
});
