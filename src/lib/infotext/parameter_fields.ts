/**
 * The infotext keys of typed parameters, in the order the original writes them. Adding a parameter is one line in
 * `FIELDS` and one in parameters.ts.
 */
import { parseInfotext, serialiseInfotext } from './grammar';
import type { InfotextPairs } from './grammar';
import type { GenerationParameters, HiresParameters, RefinerParameters } from './parameters';

type Draft = { -readonly [K in keyof GenerationParameters]: GenerationParameters[K] };
type HiresDraft = { -readonly [K in keyof HiresParameters]: HiresParameters[K] };
type RefinerDraft = { -readonly [K in keyof RefinerParameters]?: RefinerParameters[K] };

interface Work {
  readonly main: Draft;
  readonly hires: HiresDraft;
  readonly refiner: RefinerDraft;
}

/** How one key is read into the parameters and written out of them. */
interface Field {
  readonly key: string;
  /** Other spellings that are read. */
  readonly aliases: readonly string[];
  /** False when the text is no such value; the pair is then kept as unknown. */
  readonly read: (work: Work, text: string) => boolean;
  readonly write: (work: Work) => string | undefined;
}

interface Codec<T> {
  readonly parse: (text: string) => T | undefined;
  readonly format: (value: T) => string;
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

const numberCodec: Codec<number> = {
  parse: (text) => {
    const value = decimal.test(text) ? Number(text) : undefined;
    return value !== undefined && Number.isFinite(value) ? value : undefined;
  },
  format: String,
};
const textCodec: Codec<string> = { parse: (text) => text, format: (value) => value };
const flagCodec: Codec<boolean> = {
  parse: (text) => (text === 'True' ? true : text === 'False' ? false : undefined),
  format: (value) => (value ? 'True' : 'False'),
};
/** `name: hash, name: hash`; names lose `:` and `,` when written, as in the original. */
const hashesCodec: Codec<ReadonlyMap<string, string>> = {
  parse: (text) => {
    const hashes = new Map<string, string>();
    for (const entry of text.split(',')) {
      const colon = entry.lastIndexOf(':');
      if (colon === -1) return undefined;
      hashes.set(entry.slice(0, colon).trim(), entry.slice(colon + 1).trim());
    }
    return hashes;
  },
  format: (value) => [...value].map(([name, hash]) => `${name.replace(/[:,]/g, '')}: ${hash}`).join(', '),
};

type KeysOf<D, T> = { [K in keyof D]-?: NonNullable<D[K]> extends T ? K : never }[keyof D];

function field<D, T>(
  key: string,
  part: (work: Work) => D,
  name: KeysOf<D, T>,
  codec: Codec<T>,
  aliases: readonly string[] = [],
): Field {
  return {
    key,
    aliases,
    read: (work, text) => {
      const value = codec.parse(text);
      if (value === undefined) return false;
      part(work)[name] = value as D[KeysOf<D, T>];
      return true;
    },
    write: (work) => {
      const value = part(work)[name] as T | undefined;
      return value === undefined ? undefined : codec.format(value);
    },
  };
}

function sizeField<D>(
  key: string,
  part: (work: Work) => D,
  width: KeysOf<D, number>,
  height: KeysOf<D, number>,
): Field {
  return {
    key,
    aliases: [],
    read: (work, text) => {
      const match = /^(\d{1,9})x(\d{1,9})$/.exec(text);
      if (!match) return false;
      const target = part(work);
      target[width] = Number(match[1]) as D[KeysOf<D, number>];
      target[height] = Number(match[2]) as D[KeysOf<D, number>];
      return true;
    },
    write: (work) => {
      const source = part(work);
      const [w, h] = [source[width] as number | undefined, source[height] as number | undefined];
      return w === undefined || h === undefined ? undefined : `${w}x${h}`;
    },
  };
}

const main = (work: Work): Draft => work.main;
const hires = (work: Work): HiresDraft => work.hires;
const refiner = (work: Work): RefinerDraft => work.refiner;

const FIELDS: readonly Field[] = [
  field('Steps', main, 'steps', numberCodec),
  field('Sampler', main, 'sampler', textCodec),
  field('Schedule type', main, 'schedule', textCodec),
  field('CFG scale', main, 'cfgScale', numberCodec),
  field('Distilled CFG Scale', main, 'distilledCfgScale', numberCodec),
  field('Image CFG scale', main, 'imageCfgScale', numberCodec),
  field('Seed', main, 'seed', numberCodec),
  field('Face restoration', main, 'faceRestoration', textCodec),
  sizeField('Size', main, 'widthPx', 'heightPx'),
  field('Model hash', main, 'modelHash', textCodec),
  field('Model', main, 'model', textCodec),
  field('VAE hash', main, 'vaeHash', textCodec),
  field('VAE', main, 'vae', textCodec),
  field('Variation seed', main, 'variationSeed', numberCodec),
  field('Variation seed strength', main, 'variationStrength', numberCodec),
  sizeField('Seed resize from', main, 'seedResizeWidthPx', 'seedResizeHeightPx'),
  field('Denoising strength', main, 'denoisingStrength', numberCodec),
  field('Conditional mask weight', main, 'conditionalMaskWeight', numberCodec),
  field('Clip skip', main, 'clipSkip', numberCodec),
  field('ENSD', main, 'etaNoiseSeedDelta', numberCodec),
  // Read and kept, not written: it names the file of a start picture that the web UIs can put on the server's disk.
  field('Init image hash', main, 'initImageHash', textCodec),
  field('RNG', main, 'rng', textCodec),
  field('Tiling', main, 'tiling', flagCodec),
  field('Hires upscale', hires, 'upscale', numberCodec),
  sizeField('Hires resize', hires, 'widthPx', 'heightPx'),
  field('Hires steps', hires, 'steps', numberCodec),
  field('Hires upscaler', hires, 'upscaler', textCodec),
  field('Hires checkpoint', hires, 'checkpoint', textCodec),
  field('Hires sampler', hires, 'sampler', textCodec),
  field('Hires schedule type', hires, 'schedule', textCodec),
  field('Hires prompt', hires, 'prompt', textCodec),
  field('Hires negative prompt', hires, 'negative', textCodec),
  field('Hires CFG Scale', hires, 'cfgScale', numberCodec),
  field('Hires Distilled CFG Scale', hires, 'distilledCfgScale', numberCodec),
  field('Refiner', refiner, 'checkpoint', textCodec),
  field('Refiner switch at', refiner, 'switchAt', numberCodec),
  field('Refiner switch by sampling steps', refiner, 'switchBySteps', flagCodec),
  field('Schedule min sigma', main, 'scheduleSigmaMin', numberCodec),
  field('Schedule max sigma', main, 'scheduleSigmaMax', numberCodec),
  field('Schedule rho', main, 'scheduleRho', numberCodec),
  field('Beta schedule alpha', main, 'betaAlpha', numberCodec, ['Beta scheduler alpha']),
  field('Beta schedule beta', main, 'betaBeta', numberCodec, ['Beta scheduler beta']),
  field('Shift', main, 'shift', numberCodec),
  field('Eta', main, 'eta', numberCodec, ['Eta DDIM']),
  field('Sigma churn', main, 'sigmaChurn', numberCodec),
  field('Sigma tmin', main, 'sigmaTmin', numberCodec),
  field('Sigma tmax', main, 'sigmaTmax', numberCodec),
  field('Sigma noise', main, 'sigmaNoise', numberCodec),
  field('Emphasis', main, 'emphasis', textCodec),
  field('Old prompt editing timelines', main, 'oldPromptEditing', flagCodec),
  field('TI hashes', main, 'embeddingHashes', hashesCodec),
  field('Lora hashes', main, 'loraHashes', hashesCodec),
  field('Mask blur', main, 'maskBlur', numberCodec),
  field('Mask mode', main, 'maskMode', textCodec),
  field('Inpaint area', main, 'inpaintArea', textCodec),
  field('Masked area padding', main, 'maskedPaddingPx', numberCodec),
  field('Masked content', main, 'maskedContent', textCodec),
  field('Template', main, 'template', textCodec),
  field('Negative Template', main, 'negativeTemplate', textCodec),
  field('Version', main, 'version', textCodec),
];

const fieldOf: ReadonlyMap<string, Field> = new Map(
  FIELDS.flatMap((f) => [f.key, ...f.aliases].map((key) => [key, f] as const)),
);
const moduleKey = /^(Hires )?Module ([1-9]\d?)$/;

/** Typed parameters of a text; unknown keys and values that are no such number go to `extra`. Never throws. */
export function readParameters(text: string): GenerationParameters {
  const { prompt, negative, pairs } = parseInfotext(text);
  return parametersOfPairs(prompt, negative, pairs);
}

/** Typed parameters of pairs, for readers of other formats too. */
export function parametersOfPairs(prompt: string, negative: string, pairs: InfotextPairs): GenerationParameters {
  const extra = new Map<string, string>();
  const written = new Map<string, string>();
  const modules: string[] = [];
  const hiresModules: string[] = [];
  const work: Work = { main: { prompt, negative, extra, written }, hires: {}, refiner: {} };
  for (const [key, value] of pairs) {
    const module = moduleKey.exec(key);
    const known = fieldOf.get(key);
    if (module) (module[1] === undefined ? modules : hiresModules).push(value);
    else if (known?.read(work, value) !== true) extra.set(key, value);
    written.set(extra.has(key) ? key : (known?.key ?? key), value);
  }
  if (modules.length > 0) work.main.modules = modules;
  if (hiresModules.length > 0) work.hires.modules = hiresModules;
  if (Object.keys(work.hires).length > 0) work.main.hires = work.hires;
  const { checkpoint, ...switching } = work.refiner;
  if (checkpoint !== undefined) work.main.refiner = { checkpoint, ...switching };
  else for (const [key, value] of written) if (key.startsWith('Refiner ')) extra.set(key, value);
  return work.main;
}

/**
 * The pairs of typed parameters. Keys that were read keep their order and, where unchanged, their exact text; new
 * ones stand in the original's order, unknown ones before `Version`.
 */
export function pairsOfParameters(parameters: GenerationParameters): InfotextPairs {
  const work: Work = {
    main: { ...parameters },
    hires: { ...parameters.hires },
    refiner: { ...parameters.refiner },
  };
  const pairs: (readonly [string, string])[] = [];
  const add = (key: string, value: string | undefined): void => {
    if (value !== undefined) pairs.push([key, value]);
  };
  for (const f of FIELDS) {
    if (f.key === 'Version') for (const [key, value] of parameters.extra) add(key, value);
    add(f.key, unchangedText(f, parameters, work) ?? f.write(work));
  }
  parameters.hires?.modules?.forEach((name, i) => add(`Hires Module ${i + 1}`, name));
  parameters.modules?.forEach((name, i) => add(`Module ${i + 1}`, name));
  return inReadOrder(pairs, parameters);
}

function unchangedText(f: Field, parameters: GenerationParameters, work: Work): string | undefined {
  const text = parameters.written.get(f.key);
  if (text === undefined) return undefined;
  const again: Work = {
    main: { prompt: '', negative: '', extra: new Map(), written: new Map() },
    hires: {},
    refiner: {},
  };
  return f.read(again, text) && f.write(again) === f.write(work) ? text : undefined;
}

function inReadOrder(pairs: InfotextPairs, { written }: GenerationParameters): InfotextPairs {
  const order = new Map([...written.keys()].map((key, i) => [key, i]));
  // New keys follow the known key that stands before them in the original's order.
  let last = -1;
  const ranked = pairs.map((pair, i) => {
    last = order.get(pair[0]) ?? last;
    return { pair, rank: last, i };
  });
  return ranked.sort((a, b) => a.rank - b.rank || a.i - b.i).map((entry) => entry.pair);
}

/** The infotext of parameters, ready for a picture. */
export function writeParameters(parameters: GenerationParameters): string {
  return serialiseInfotext({
    prompt: parameters.prompt,
    negative: parameters.negative,
    pairs: pairsOfParameters(parameters),
  });
}
