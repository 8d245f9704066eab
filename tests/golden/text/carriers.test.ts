import { readFileSync } from 'node:fs';
import { decode } from 'fast-png';
import { expect, it } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { buildExif } from '../../../src/lib/formats/exif';
import { insertJpegExif } from '../../../src/lib/formats/jpeg_metadata';
import { insertPngText } from '../../../src/lib/formats/png_text';
import { insertWebpExif } from '../../../src/lib/formats/webp_metadata';
import { infotextCandidate } from '../../../src/lib/infotext/dialects/a1111';
import { readPicture } from '../../../src/lib/infotext/picture';
import type { PictureReading } from '../../../src/lib/infotext/picture';
import { describeGolden, fixturePath, textPath } from './text_data';
import type { RgbaPixels } from '../../../src/lib/infotext/stealth';

function pixelsOf(bytes: Uint8Array): () => Promise<RgbaPixels | undefined> {
  return () => {
    const png = decode(bytes, { checkCrc: false });
    const { width, height, channels } = png;
    if (channels < 3) return Promise.resolve(undefined);
    const data = new Uint8Array(4 * width * height).fill(255);
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < channels; c++) data[4 * i + c] = png.data[channels * i + c]!;
    }
    return Promise.resolve({ widthPx: width, heightPx: height, data });
  };
}

function read(bytes: Uint8Array, file: string): Promise<PictureReading> {
  return readPicture(bytes, { name: file, ...(file.endsWith('.png') ? { pixels: pixelsOf(bytes) } : {}) });
}

interface CarrierCase {
  readonly file: string;
  readonly carrier: string;
  readonly text: string | null;
  readonly fields?: Readonly<Record<string, unknown>>;
}

describeGolden<{ cases: readonly CarrierCase[] }>('infotext/carriers.json', (data) => {
  it.each(data.cases.map((c) => [`${c.file} (${c.carrier})`, c] as const))('%s', async (_, c) => {
    const path = textPath(`infotext/images/${c.file}`);
    expect(path, 'image is there').toBeDefined();
    const bytes = Uint8Array.from(readFileSync(path!));
    const reading = await read(bytes, c.file);
    expect(reading.infotext ?? null).toBe(c.text);
    if (c.fields === undefined) return;
    const p = reading.parameters!;
    const ours = {
      tool: reading.tool,
      prompt: p.prompt,
      negative: p.negative,
      steps: p.steps,
      cfg: p.cfgScale,
      sampler: p.sampler,
      scheduler: p.schedule,
      seed: p.seed,
      width: p.widthPx,
      height: p.heightPx,
      model: p.model,
      clip_skip: p.clipSkip,
      ensd: p.etaNoiseSeedDelta,
    };
    expect(ours).toMatchObject(c.fields);
  });

  it.each(data.cases.filter((c) => /\.(?:png|jpg|webp)$/.test(c.file)).map((c) => [c.file, c] as const))(
    '%s: a text written into it is read back',
    async (_, c) => {
      const bytes = Uint8Array.from(readFileSync(textPath(`infotext/images/${c.file}`)!));
      const text = 'a 猫 🐱, (café:1.2)\nNegative prompt: 悪い\nSteps: 4, Sampler: Euler, Seed: 1, Size: 8x8';
      const written = c.file.endsWith('.png')
        ? insertPngText(bytes, [{ keyword: 'parameters', text }])
        : c.file.endsWith('.jpg')
          ? insertJpegExif(bytes, buildExif(text))
          : insertWebpExif(bytes, buildExif(text));
      expect(infotextCandidate((await read(written, c.file)).image.texts)).toBe(text);
    },
  );
});

interface RealCase {
  readonly file: string;
  readonly infotext: string | null;
  readonly open_error?: string;
  readonly sd_parsers: {
    readonly error?: string;
    readonly prompts?: readonly string[];
    readonly negatives?: readonly string[];
    readonly samplers?: readonly { readonly name: string; readonly parameters: Readonly<Record<string, unknown>> }[];
  } | null;
}

describeGolden<{ cases: readonly RealCase[] }>('infotext/real_images.json', (data) => {
  for (const c of data.cases) {
    const path = fixturePath(c.file.replace(/^fixtures\//, ''));
    if (path === undefined) {
      it.skip(`skipped: ${c.file} is third-party data that is not here`, () => undefined);
      continue;
    }
    it(c.file, async () => {
      const bytes = Uint8Array.from(readFileSync(path));
      let reading: PictureReading;
      try {
        reading = await read(bytes, c.file);
      } catch (error) {
        expect(error).toBeInstanceOf(AppError);
        expect(c.open_error).toBeDefined();
        return;
      }
      // The original indents the lines it makes for NovelAI; readers trim every line.
      const trimmed = (text: string | undefined): string | null =>
        text === undefined
          ? null
          : text
              .split('\n')
              .map((line) => line.trim())
              .join('\n');
      const ours =
        infotextCandidate(reading.image.texts) ??
        reading.infotext ??
        (reading.tool === 'NovelAI' ? reading.translated : undefined);
      expect(trimmed(ours)).toBe(trimmed(c.infotext ?? undefined));

      const wanted = c.sd_parsers;
      if (wanted === null || wanted.error !== undefined) return;
      const p = reading.parameters!;
      const passes = reading.passes ?? [
        {
          prompts: [p.prompt],
          negatives: [p.negative],
          sampler: p.sampler,
          steps: p.steps,
          cfgScale: p.cfgScale,
          seed: p.seed,
        },
      ];
      const plain = (text: string): string => text.replace(/\s+/g, ' ').trim();
      const all = (pick: (pass: (typeof passes)[number]) => readonly string[]): string[] =>
        passes.flatMap(pick).map(plain);
      for (const prompt of wanted.prompts ?? []) expect(all((pass) => pass.prompts)).toContain(plain(prompt));
      for (const negative of wanted.negatives ?? []) expect(all((pass) => pass.negatives)).toContain(plain(negative));
      for (const { name, parameters } of wanted.samplers ?? []) {
        const numbers = { steps: parameters['steps'], cfgScale: parameters['cfg_scale'], seed: parameters['seed'] };
        const given = Object.entries(numbers).filter(([, value]) => value !== undefined);
        const expected = Object.fromEntries(given.map(([key, value]) => [key, Number(value)]));
        expect(passes).toContainEqual(expect.objectContaining(expected));
        // Names of NovelAI are translated, the others are kept as written.
        if (reading.tool !== 'NovelAI') expect(passes.map((pass) => pass.sampler)).toContain(name);
      }
    });
  }
});
