/** Pictures and texts that come in by drop, paste or the system: read, fitted to the form, and what was missing. */
import { AppError, toPlainError, type PlainError } from '../base/errors';
import type { GenerationParameters } from '../infotext/parameters';
import type { ModelSource, NetworkSummary } from '../rpc/engine';
import { decodePixels } from './decode_pixels';
import type { EngineState } from './engine.svelte';
import type { GenerationState, Parameters } from './generation.svelte';
import type { KnownModel, MissingFile, ReadSettings } from './settings_from_parameters';

export interface ImportReport extends ReadSettings {
  readonly name: string;
  /** Which program wrote it, as the reader found out. */
  readonly tool: string;
}

/** The text of a picture's making is recognised by its one line of settings. */
const INFOTEXT = /(^|\n)\s*Steps: \d+,/;

/** The readers of all formats and dialects; fetched when there is something to read. */
const readers = () => import('./picture_readers');

/** Larger files are no pictures of ours to read whole. */
const MAX_PICTURE_BYTES = 256 * 2 ** 20;

export class ImportPicture {
  /** What the last import did; shown until dismissed. */
  report: ImportReport | undefined = $state.raw();
  error: PlainError | undefined = $state.raw();
  readonly #engine: EngineState;
  readonly #generation: GenerationState;
  readonly #models: () => Promise<readonly KnownModel[]>;
  readonly #networks: () => readonly NetworkSummary[];

  constructor(
    engine: EngineState,
    generation: GenerationState,
    known: {
      readonly models: () => Promise<readonly KnownModel[]>;
      readonly networks: () => readonly NetworkSummary[];
    },
  ) {
    this.#engine = engine;
    this.#generation = generation;
    this.#models = known.models;
    this.#networks = known.networks;
  }

  /** Whether a text is worth reading as parameters. */
  isInfotext(text: string): boolean {
    return INFOTEXT.test(text);
  }

  /** Applies a picture's parameters; failures are kept in `error`. */
  async fromPicture(file: File): Promise<void> {
    await this.#attempt(file.name, async () => {
      if (file.size > MAX_PICTURE_BYTES) {
        throw new AppError(
          'image/too-large',
          `${file.name}: pictures up to 256 MB are read, this has ${file.size} bytes.`,
        );
      }
      const { readPicture } = await readers();
      const bytes = new Uint8Array(await file.arrayBuffer());
      const reading = await readPicture(bytes, { name: file.name, pixels: () => stealthPixels(file) });
      if (!reading.parameters) {
        throw new AppError(
          'image/invalid',
          `${file.name}: the picture says nothing about how it was made; it may have been edited or sent by a messenger.`,
        );
      }
      return { parameters: reading.parameters, tool: reading.tool ?? '', also: reading.unmapped ?? [] };
    });
  }

  async fromText(text: string): Promise<void> {
    await this.#attempt('', async () => {
      const { readParameters } = await readers();
      return { parameters: readParameters(text), tool: 'A1111', also: [] };
    });
  }

  /** Puts parameters of the gallery or a file into the form and opens their model when it is here. */
  async apply(
    parameters: GenerationParameters,
    name: string,
    tool: string,
    also: readonly string[] = [],
  ): Promise<void> {
    const { OPTIONAL_SETTINGS, settingsFromParameters } = await readers();
    const fitted = settingsFromParameters(parameters, { models: await this.#models(), networks: this.#networks() });
    const form: Parameters = { ...$state.snapshot(this.#generation.parameters) };
    const missing = [...fitted.missing, ...missingPictures(form, fitted)];
    const read = { ...fitted, missing, unmapped: [...fitted.unmapped, ...also.map((entry) => [entry, ''] as const)] };
    for (const key of OPTIONAL_SETTINGS) delete form[key];
    Object.assign(form, read.settings);
    // The starting picture is not in the text: the one at hand stays when the text had one, and goes when it had none.
    if (!read.init) delete form.init;
    else if (form.init) form.init = { ...form.init, ...read.init };
    this.#generation.change(form);
    if (read.missing.length > 0 || read.unmapped.length > 0 || read.notices.length > 0) {
      this.report = { ...read, name, tool };
    }
    if (read.model && read.model.id !== this.#engine.model?.id) await this.#engine.openModel(sourceOf(read.model));
  }

  async #attempt(
    name: string,
    read: () => Promise<{ parameters: GenerationParameters; tool: string; also: readonly string[] }>,
  ): Promise<void> {
    this.error = undefined;
    this.report = undefined;
    try {
      const { parameters, tool, also } = await read();
      await this.apply(parameters, name, tool, also);
    } catch (error) {
      this.error = toPlainError(error);
    }
  }
}

/** A starting picture or mask that the text speaks of and the form has not. */
function missingPictures({ init }: Parameters, read: ReadSettings): readonly MissingFile[] {
  if (!read.init) return [];
  if (!init) return [{ kind: 'init', name: '', hash: '' }];
  return read.masked && !init.inpaint ? [{ kind: 'mask', name: '', hash: '' }] : [];
}

/** Built-in models have short ids of their own; all others live in the store. */
export function sourceOf(model: Pick<KnownModel, 'id' | 'builtin'>): ModelSource {
  return model.builtin ? { kind: 'builtin', id: model.id } : { kind: 'stored', id: model.id };
}

/** The reader's own field names. */
async function stealthPixels(file: File) {
  const image = await decodePixels(file);
  return image && { widthPx: image.widthPx, heightPx: image.heightPx, data: image.rgba };
}
