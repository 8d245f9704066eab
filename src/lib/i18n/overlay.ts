/**
 * Translation files of the web UIs: flat JSON, English text to translation. They have no keys, so a file is laid over
 * our English texts: each key takes the translation of its English text, the rest stays in the chosen language.
 * Rules: exact match after trimming; the last of equal entries wins; an empty translation counts as missing; numbers
 * and texts with emoji are never translated; `rtl: true` turns the page.
 */
import { AppError } from '../base/errors';
import type { MessageKey, Messages } from './en';

export interface Overlay {
  readonly translations: ReadonlyMap<string, string>;
  readonly rtl: boolean;
}

/** Larger than any known file by a factor of ten. */
const MAX_BYTES = 8 * 2 ** 20;

/** @throws AppError 'argument/invalid' for text that is no flat JSON object */
export function readOverlay(json: string): Overlay {
  if (json.length > MAX_BYTES) throw invalid(`it has ${json.length} characters, ${MAX_BYTES} are read`);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw invalid('it is no JSON', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('it is no JSON object');
  const translations = new Map<string, string>();
  for (const [text, translation] of Object.entries(value)) {
    if (typeof translation === 'string') translations.set(text, translation);
  }
  return { translations, rtl: (value as { rtl?: unknown }).rtl === true };
}

/** Elements whose text is never translated. */
const OPAQUE = new Set(['SCRIPT', 'STYLE', 'TEXTAREA']);

/** Where the children of `OPTION` and `SPAN` are the user's own names. */
const USER_LISTS: Readonly<Record<string, string>> = {
  setting_sd_hypernetwork: 'OPTION',
  setting_sd_model_checkpoint: 'OPTION',
  modelmerger_primary_model_name: 'OPTION',
  modelmerger_secondary_model_name: 'OPTION',
  modelmerger_tertiary_model_name: 'OPTION',
  train_embedding: 'OPTION',
  train_hypernetwork: 'OPTION',
  txt2img_styles: 'OPTION',
  img2img_styles: 'OPTION',
  setting_random_artist_categories: 'OPTION',
  setting_face_restoration_model: 'OPTION',
  setting_realesrgan_enabled_models: 'OPTION',
  extras_upscaler_1: 'OPTION',
  extras_upscaler_2: 'OPTION',
};

export interface TextPlace {
  readonly where: 'text' | 'title' | 'placeholder';
  /** Tag of the element, upper case. */
  readonly parent: string;
  /** Ids of the elements around it, the nearest first. */
  readonly ancestorIds?: readonly string[];
}

/** The translation of a text at a place; the text itself where there is none. */
export function overlayText(overlay: Overlay, text: string, place: TextPlace = { where: 'text', parent: '' }): string {
  // Attributes are looked up as they are written.
  const wanted = place.where === 'text' ? text.trim() : text;
  if (wanted === '' || isUntranslatable(wanted) || (place.where === 'text' && isOpaque(place))) return text;
  const translation = overlay.translations.get(wanted);
  return translation === undefined || translation === '' ? text : translation;
}

function isUntranslatable(text: string): boolean {
  return /^[\d.]+$/.test(text) || /\p{Extended_Pictographic}/u.test(text);
}

function isOpaque({ parent, ancestorIds = [] }: TextPlace): boolean {
  if (OPAQUE.has(parent)) return true;
  if (parent !== 'OPTION' && parent !== 'SPAN') return false;
  return ancestorIds.slice(0, 4).some((id) => USER_LISTS[id] === parent);
}

export interface LaidOver {
  readonly messages: Messages;
  /** How many texts come from the overlay. */
  readonly used: number;
  /** English texts that the overlay has no translation for, with their keys. Plural forms are not among them. */
  readonly missing: Readonly<Record<string, string>>;
}

/**
 * Messages with the overlay's translations in them, and what it lacks.
 * @param english  the texts that translations are found by
 */
export function layOver(english: Messages, messages: Messages, overlay: Overlay): LaidOver {
  const merged: Record<string, Messages[MessageKey]> = { ...messages };
  const missing: Record<string, string> = {};
  let used = 0;
  for (const [key, text] of Object.entries(english)) {
    // Plural forms have no counterpart in flat files.
    if (typeof text !== 'string') continue;
    const translation = overlayText(overlay, text);
    if (translation === text || placeholders(translation) !== placeholders(text)) {
      missing[key] = text;
      continue;
    }
    merged[key] = translation;
    used++;
  }
  return { messages: merged as Messages, used, missing };
}

/** A translation must name the same values, or numbers would vanish from the page. */
function placeholders(text: string): string {
  return [...new Set(text.match(/\{\w+\}/g) ?? [])].sort().join(' ');
}

/** What a translator fills in: the same flat form, English text to translation, with empty translations. */
export function missingFile(missing: LaidOver['missing']): string {
  return `${JSON.stringify(Object.fromEntries(Object.values(missing).map((text) => [text, ''])), undefined, 2)}\n`;
}

function invalid(what: string, cause?: unknown): AppError {
  return new AppError(
    'argument/invalid',
    `translation file: must be a JSON object of English texts and their translations, ${what}.`,
    { cause },
  );
}
