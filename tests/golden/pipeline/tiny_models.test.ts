/**
 * The whole pipeline on the tiny golden models: runs with recorded noise and token ids against their recorded latents
 * and pictures, and one short job with every model whose parts are there.
 */
import { describe, expect, it } from 'vitest';
import { createNodeBackend } from '../../../src/companion/node_backend';
import type { Backend, HostTensor } from '../../../src/lib/backends/backend';
import { nmse } from '../../../src/lib/backends/op_cases/run_op_case';
import { memorySource } from '../../../src/lib/base/byte_source';
import { AppError } from '../../../src/lib/base/errors';
import { dequantizeTensor } from '../../../src/lib/quant/dequantize';
import { quantize } from '../../../src/lib/quant/quantize';
import { assembleModel } from '../../../src/lib/models/assemble';
import { detectFile, type DetectedFile } from '../../../src/lib/models/detect';
import type { HintTable } from '../../../src/lib/models/part';
import { generate, type GenerateHost } from '../../../src/lib/pipeline/generate';
import { LoadedModel, type TokenizerSet } from '../../../src/lib/pipeline/loaded_model';
import { tensorToPixels } from '../../../src/lib/pipeline/pixels';
import type { GenerateRequest, PixelImage } from '../../../src/lib/rpc/engine';
import { goldenGroup } from '../golden_dir';
import { inputsOf, type GoldenCase, type GoldenFamily } from '../models/golden_case';
import { nodeStore } from '../models/node_store';
import { hintsOf } from '../models/hints';
import { checkTwoAdapters, fitOf } from './adapter_checks';

const root = goldenGroup('models');
const store = root === undefined ? undefined : nodeStore(root);
let shared: Promise<Backend> | undefined;
const backend = () => (shared ??= createNodeBackend('auto', 1));
const names = (await store?.familyNames()) ?? [];

/** Ids of the tiny vocabularies; a prompt is `ids:1,2,3`, or words that become some id each. */
function toyTokenizer(size: number, endId: number) {
  return {
    size,
    endId,
    beginId: endId - 1,
    commaId: -1,
    padId: 0,
    unknownId: 2,
    encode: (text: string): number[] => {
      const given = /^ids:([\d,]*)$/.exec(text);
      if (given) return (given[1] ?? '').split(',').filter(Boolean).map(Number);
      return text
        .split(/\s+/)
        .filter(Boolean)
        .map((word) => 3 + ((word.length * 37 + word.charCodeAt(0)) % (endId - 10)));
    },
    decode: () => '',
  };
}

/** The smallest vocabulary among the golden encoders; its last id ends a sequence. */
const tokenizers = (clipSize: number): TokenizerSet => ({
  clip: toyTokenizer(clipSize, clipSize - 1),
  t5: { ...toyTokenizer(64, 1), endId: 1, encode: (text) => toyTokenizer(64, 60).encode(text) },
  qwen: toyTokenizer(64, 60),
});

interface Parts {
  readonly family: GoldenFamily;
  readonly files: readonly DetectedFile[];
}

async function detected(name: string): Promise<Parts> {
  const family = await store!.family(name);
  const files: DetectedFile[] = [];
  for (const path of family.files) {
    try {
      files.push(detectFile(await store!.index(`${name}/${path}`), hintsOf(family.config)));
    } catch {
      // Damaged or foreign on purpose; the file suite judges those.
    }
  }
  return { family, files };
}

/** Every folder's files, detected once. */
const known = new Map<string, Promise<Parts>>();
function partsOf(name: string): Promise<Parts> {
  const held = known.get(name) ?? detected(name);
  known.set(name, held);
  return held;
}

const has = (file: DetectedFile, role: string) => file.parts.some((part) => part.role === role);

/** The folder's denoiser with its own parts and those of other folders, or undefined when something is missing. */
function load(own: Parts, donors: readonly Parts[], opened: Backend): LoadedModel | undefined {
  const denoiser = own.files.find((file) => has(file, 'denoiser'));
  if (!denoiser) return undefined;
  const others = [own, ...donors].flatMap(({ files }) => files).filter((file) => file !== denoiser);
  const hints: unknown = Object.assign(
    {},
    ...donors.map(({ family }) => hintsOf(family.config)),
    hintsOf(own.family.config),
  );
  const model = assembleModel([denoiser, ...others], hints as HintTable);
  // Head counts of tiny networks cannot be guessed; folders without them hold other things to test.
  const told = [...model.textEncoders.keys()].every((id) => model.hints[id] !== undefined);
  if (model.missing.length > 0 || !told || !model.hints.denoiser) return undefined;
  const clip = [...model.textEncoders.values()].find((part) => part.architecture === 'clip');
  const size = (clip?.config as { vocabulary?: number } | undefined)?.vocabulary ?? 320;
  return new LoadedModel({
    detected: model,
    backend: opened,
    tokenizers: tokenizers(size),
    id: own.family.name,
    name: own.family.name,
    hash: '',
  });
}

/** Donors are tried until the widths of text and network agree. */
async function drawWithDonors(own: Parts): Promise<{ drawn: boolean; reason: string }> {
  let reason = 'no folders together have all parts';
  const opened = await backend();
  const all = await Promise.all(names.map(partsOf));
  const useful = all.filter((one) => one !== own && one.files.some((f) => has(f, 'text-encoder') || has(f, 'vae')));
  let tries = 0;
  for (const a of useful) {
    for (const b of useful) {
      if (tries >= 40) return { drawn: false, reason };
      const model = load(own, [a, b], opened);
      if (!model) continue;
      tries += 1;
      try {
        await checkDrawing(model);
        return { drawn: true, reason: '' };
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        reason = error.message;
      } finally {
        await model.dispose();
      }
    }
  }
  return { drawn: false, reason };
}

/** The same file with every matrix that fills whole blocks stored as Q8_0. */
async function quantized({ index }: DetectedFile, hints: HintTable): Promise<DetectedFile> {
  const tensors = new Map(index.tensors);
  for (const [name, stored] of index.tensors) {
    if (stored.shape.length !== 2 || (stored.shape[1] ?? 0) % 32 !== 0) continue;
    const bytes = quantize('Q8_0', await dequantizeTensor(stored));
    const source = memorySource(name, bytes);
    tensors.set(name, { ...stored, type: 'Q8_0', source, byteOffset: 0, byteLength: bytes.byteLength });
  }
  return detectFile({ ...index, tensors }, hints);
}

interface Adapted {
  readonly label: string;
  readonly own: Parts;
  readonly adapter: DetectedFile;
}

/** Complete FLUX models of the folders, each with the first plain low-rank file that fits its transformer whole. */
async function adaptedFlux(name: string): Promise<Adapted[]> {
  const own = await partsOf(name);
  const file = own.files.find((one) => one.parts.some((part) => part.architecture === 'flux1'));
  const denoiser = file?.parts.find((part) => part.role === 'denoiser');
  if (!denoiser || !own.files.some((one) => has(one, 'vae'))) return [];
  for (const { files } of await Promise.all(names.map(partsOf))) {
    for (const adapter of files) {
      const lowRank = [...adapter.index.tensors.keys()].every((key) => /\.(lora_(up|down)\.weight|alpha)$/.test(key));
      if (adapter.kind !== 'lora' || !lowRank) continue;
      if ((await fitOf({ denoiser, encoders: [] }, adapter.index)) === 1)
        return [{ label: `${name} with ${adapter.file}`, own, adapter }];
    }
  }
  return [];
}

async function checkDrawing(model: LoadedModel): Promise<void> {
  const { latent, picture } = await draw(model, {});
  expect(latent.data.every(Number.isFinite)).toBe(true);
  expect(picture.rgba.some((v, i) => i % 4 !== 3 && v !== picture.rgba[i % 4])).toBe(true);
  expect(model.backend.memory().tensorBytes).toBe(0);
}

async function draw(model: LoadedModel, request: Partial<GenerateRequest>, host: Partial<GenerateHost> = {}) {
  const latents: HostTensor[] = [];
  const pictures: PixelImage[] = [];
  const { multiple } = model.detected.latent;
  const side = Math.max(64, multiple);
  const result = await generate(
    model,
    {
      modelId: model.id,
      prompt: 'a small red apple',
      negativePrompt: '',
      steps: 1,
      cfgScale: model.detected.defaults.cfgScale,
      sampler: 'Euler',
      schedule: '',
      seed: 1,
      widthPx: side,
      heightPx: side,
      batchSize: 1,
      batchCount: 1,
      clipSkip: 1,
      noiseSource: 'CPU',
      timestepRule: 'interpolate',
      previewEvery: 0,
      ...request,
    },
    {
      onEvent: () => undefined,
      randomSeed: () => 0,
      onPicture: (image) => pictures.push(image),
      onLatents: (tensor) => latents.push(tensor),
      ...host,
    },
  );
  return { result, latent: latents[0]!, picture: pictures[0]! };
}

/** Ids between begin and end of one recorded row, as a prompt of the toy tokenizer. */
function promptOf(ids: HostTensor, endId: number): string {
  const row = [...ids.data];
  return `ids:${row.slice(1, row.indexOf(endId)).join()}`;
}

/** Recorded text to picture runs, whose rule is the product's own. */
function isTextRun(goldenCase: GoldenCase): boolean {
  return 'cond_token_ids' in goldenCase.inputs && goldenCase.params['sampler'] === 'euler';
}

const adapted = (await Promise.all(names.map(adaptedFlux))).flat();

if (names.length === 0) {
  it.skip('skipped: the golden folder has no models group', () => undefined);
} else {
  describe.each(names)('%s', (name) => {
    it('draws', { timeout: 120_000 }, async (context) => {
      const own = await partsOf(name);
      const { family } = own;
      if (!own.files.some((file) => has(file, 'denoiser'))) return context.skip('holds no denoiser');
      const model = load(own, [], await backend());
      if (!model) {
        const { drawn, reason } = await drawWithDonors(own);
        return drawn ? undefined : context.skip(reason);
      }
      await checkDrawing(model);

      for (const goldenCase of family.cases.filter(isTextRun)) {
        const inputs = inputsOf(family, goldenCase);
        const { endId } = model.tokenizers.clip;
        const noise = inputs.get('noise')!;
        const { stride } = model.detected.latent;
        const { params } = goldenCase;
        const drawn = await draw(
          model,
          {
            prompt: promptOf(inputs.get('cond_token_ids')!, endId),
            negativePrompt: promptOf(inputs.get('uncond_token_ids')!, endId),
            steps: Number(params['steps']),
            cfgScale: Number(params['cfg_scale']),
            clipSkip: Number(params['clip_skip'] ?? 1),
            schedule: String(params['schedule']),
            heightPx: noise.shape[2]! * stride,
            widthPx: noise.shape[3]! * stride,
          },
          { startNoise: noise },
        );
        const wanted = (key: string) => family.tensors.get(goldenCase.expected[key] ?? '')!;
        expect(drawn.latent.data.length).toBe(wanted('latent').data.length);
        expect(nmse(drawn.latent.data, wanted('latent').data), goldenCase.name).toBeLessThan(1e-6);
        const image = wanted('image');
        // Recorded as the decoder gives it, -1..1.
        const same = tensorToPixels({ shape: image.shape, data: Float32Array.from(image.data, (v) => v / 2 + 0.5) });
        expect(drawn.picture.rgba.length).toBe(same.rgba.length);
        expect(nmse(drawn.picture.rgba, same.rgba), goldenCase.name).toBeLessThan(1e-3);
      }
    });
  });

  describe('two adapters on quantized FLUX', () => {
    if (adapted.length === 0) it.skip('skipped: no folder has a whole FLUX model with adapters', () => undefined);
    it.each(adapted)('$label', { timeout: 120_000 }, async ({ own, adapter }) => {
      const hints = hintsOf(own.family.config);
      const files = await Promise.all(
        own.files.map((file) => (has(file, 'denoiser') ? quantized(file, hints) : Promise.resolve(file))),
      );
      const model = load({ family: own.family, files }, [], await backend())!;
      try {
        await checkTwoAdapters((request, host) => draw(model, request, host), adapter.index);
      } finally {
        await model.dispose();
      }
    });
  });
}
