/**
 * From the pairs of an infotext to the full set of fields: sizes split, defaults filled in, old texts brought up to
 * date. Field names are those of A1111 and Forge.
 */
import { isBreak, parseAttention } from '../prompt/attention';
import type { Infotext, InfotextPairs, ParsedInfotext } from './grammar';
import { compareVersions, parseWriterVersion } from './versions';

export type FieldValue = string | number | boolean | readonly string[];

const size = /^(\d{1,9})x(\d{1,9})$/;

const DEFAULTS: readonly (readonly [string, FieldValue])[] = [
  ['Clip skip', '1'],
  ['Hires sampler', 'Use same sampler'],
  ['Hires schedule type', 'Use same scheduler'],
  ['Hires checkpoint', 'Use same checkpoint'],
  ['Hires prompt', ''],
  ['Hires negative prompt', ''],
  ['Mask mode', 'Inpaint masked'],
  ['Masked content', 'original'],
  ['Inpaint area', 'Whole picture'],
  ['Masked area padding', 32],
  ['RNG', 'GPU'],
  ['Schedule type', 'Automatic'],
  ['Schedule max sigma', 0],
  ['Schedule min sigma', 0],
  ['Schedule rho', 0],
  ['VAE Encoder', 'Full'],
  ['VAE Decoder', 'Full'],
  ['FP8 weight', 'Disable'],
  ['Refiner switch by sampling steps', false],
];

/**
 * All fields of an infotext. A Map, because keys come from files. Written values stay text, defaults that the text
 * does not hold are numbers, booleans or lists.
 */
export function completeFields(infotext: ParsedInfotext): Map<string, FieldValue> {
  const fields = new Map<string, FieldValue>();
  for (const [key, value] of repairPairs(infotext)) {
    const match = size.exec(value);
    if (match?.[1] !== undefined && match[2] !== undefined) {
      fields.set(`${key}-1`, match[1]);
      fields.set(`${key}-2`, match[2]);
    } else if (value !== '' || !infotext.valueless.includes(key)) fields.set(key, value);
  }
  fields.set('Prompt', infotext.prompt + hypernetTag(fields));
  fields.set('Negative prompt', infotext.negative);
  if (!fields.has('Hires resize-1')) {
    fields.set('Hires resize-1', 0);
    fields.set('Hires resize-2', 0);
  }
  for (const [key, value] of DEFAULTS) if (!fields.has(key)) fields.set(key, value);
  if (fields.get('FP8 weight') !== 'Disable' && !fields.has('Cache FP16 weight for LoRA')) {
    fields.set('Cache FP16 weight for LoRA', false);
  }
  restoreFirstPass(fields);
  if (!fields.has('Emphasis') && usesWeights(infotext)) fields.set('Emphasis', 'Original');
  applyVersionRules(fields);
  collectModules(fields);
  return fields;
}

/** Images of one site write FLUX jobs with values of other models. */
function repairPairs({ pairs, parameterLine }: ParsedInfotext): InfotextPairs {
  if (!parameterLine.includes('Civitai') || !parameterLine.includes('FLUX')) return pairs;
  return pairs.flatMap(([key, value]): [string, string][] => {
    if (key === 'Clip skip') return [];
    if (key === 'Sampler' && value === 'Undefined') {
      return [
        ['Sampler', 'Euler'],
        ['Schedule type', 'Simple'],
      ];
    }
    if (key === 'CFG scale') {
      return [
        ['CFG scale', '1'],
        ['Distilled CFG Scale', value],
      ];
    }
    return [[key, value]];
  });
}

function hypernetTag(fields: ReadonlyMap<string, FieldValue>): string {
  const name = fields.get('Hypernet');
  return typeof name === 'string' ? `<hypernet:${name}:${String(fields.get('Hypernet strength') ?? '1.0')}>` : '';
}

/** Old hires fix: `Size` was the final size, `First pass size` the first one, 0x0 meaning "about 512 x 512". */
function restoreFirstPass(fields: Map<string, FieldValue>): void {
  const first = [fields.get('First pass size-1'), fields.get('First pass size-2')];
  if (first[0] === undefined || first[1] === undefined) return;
  const width = Number(fields.get('Size-1') ?? 512);
  const height = Number(fields.get('Size-2') ?? 512);
  let [firstWidth, firstHeight] = first.map(Number);
  if (firstWidth === 0 || firstHeight === 0) {
    const scale = Math.sqrt((512 * 512) / Math.max(1, width * height));
    firstWidth = Math.ceil((scale * width) / 64) * 64;
    firstHeight = Math.ceil((scale * height) / 64) * 64;
  }
  fields.set('Size-1', firstWidth ?? 0);
  fields.set('Size-2', firstHeight ?? 0);
  fields.set('Hires resize-1', width);
  fields.set('Hires resize-2', height);
}

function usesWeights({ prompt, negative }: Infotext): boolean {
  const runs = [...parseAttention(prompt), ...parseAttention(negative)];
  return runs.some((run) => run.weight !== 1 && !isBreak(run) && run.text !== 'BREAK');
}

const RELEASE_160 = { release: [1, 6, 0], commits: 0 };
const SAMPLING_170 = { release: [1, 7, 0], commits: 225 };
const RELEASE_180 = { release: [1, 8, 0], commits: 0 };

function applyVersionRules(fields: Map<string, FieldValue>): void {
  const text = fields.get('Version');
  const version = typeof text === 'string' ? parseWriterVersion(text) : undefined;
  if (version === undefined) return;
  const isBefore = (other: typeof RELEASE_160): boolean => compareVersions(version, other) < 0;
  if (isBefore(RELEASE_160) && String(fields.get('Prompt')).includes('[')) {
    fields.set('Old prompt editing timelines', true);
  }
  const sampler = fields.get('Sampler');
  if (isBefore(RELEASE_160) && (sampler === 'DDIM' || sampler === 'PLMS')) fields.set('Pad conds v0', true);
  if (isBefore(SAMPLING_170)) fields.set('Downcast alphas_cumprod', true);
  if (isBefore(RELEASE_180) && fields.has('Refiner')) fields.set('Refiner switch by sampling steps', true);
}

function collectModules(fields: Map<string, FieldValue>): void {
  const modules = numbered(fields, 'Module');
  const vae = fields.get('VAE');
  fields.delete('VAE');
  if (typeof vae === 'string') modules.unshift(vae);
  if (modules.length > 0) fields.set('VAE/TE', modules);
  const hires = numbered(fields, 'Hires Module');
  const isBuiltIn = hires.length === 1 && hires[0] === 'Built-in';
  fields.set('Hires VAE/TE', hires.length === 0 ? ['Use same choices'] : isBuiltIn ? [] : hires);
}

function numbered(fields: ReadonlyMap<string, FieldValue>, prefix: string): string[] {
  const values: string[] = [];
  for (let i = 1; ; i++) {
    const value = fields.get(`${prefix} ${i}`);
    if (typeof value !== 'string') return values;
    values.push(value);
  }
}
