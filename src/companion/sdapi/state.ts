/** What the routes of the web UIs' API share: the desk, the options, styles, where pictures are kept. */
import type { Style } from '../../lib/prompt/styles';
import type { ModelSource } from '../../lib/rpc/engine';
import { filesOf, findFile, titleOf, type Catalogue } from '../engine/catalogue';
import type { Desk } from '../engine/desk';
import { HttpError } from '../server/http_error';
import { DEFAULT_OPTIONS, mergeOptions, type OptionValues } from './options';
import type { PictureFolder } from './picture_folder';

export interface ApiOptions {
  readonly desk: Desk;
  readonly styles: readonly Style[];
  /** Draws 0..2^32 - 1. */
  readonly randomSeed: () => number;
  /** Absent: nothing is saved here. */
  readonly pictures?: PictureFolder | undefined;
  /** A client that hangs up stops its running job, too. */
  readonly stopWithClient: boolean;
  readonly version: string;
}

export class ApiState {
  readonly parts: ApiOptions;
  #options: OptionValues = DEFAULT_OPTIONS;

  constructor(parts: ApiOptions) {
    this.parts = parts;
  }

  get desk(): Desk {
    return this.parts.desk;
  }

  get options(): OptionValues {
    return this.#options;
  }

  /** Changes what later requests start from; a model must be there. @throws HttpError 404, 422 */
  async setOptions(given: Readonly<Record<string, unknown>>): Promise<readonly string[]> {
    const { values, warnings } = mergeOptions(this.#options, given);
    await this.modelOf(values);
    this.#options = values;
    return warnings;
  }

  /** The model that options name, the first of the list by default, with its modules. @throws HttpError 404 */
  async modelOf(options: OptionValues): Promise<{ source: ModelSource; catalogue: Catalogue; title: string }> {
    const catalogue = await this.desk.engine.catalogue();
    const wanted = options.sd_model_checkpoint;
    const file = wanted === '' ? filesOf(catalogue, 'model')[0] : findFile(catalogue, 'model', wanted);
    if (!file) throw new HttpError(404, `Model '${wanted.slice(0, 200)}' not found`);
    const vae = /^(?:automatic|none|)$/i.test(options.sd_vae) ? [] : [options.sd_vae];
    const modules = [...options.forge_additional_modules, ...vae].map((name) => {
      // Forge's clients send whole paths of the machine that it runs on.
      const module = findFile(catalogue, 'module', name.replace(/^.*[\\/]/, ''));
      if (!module) throw new HttpError(404, `Module '${name.slice(0, 200)}' not found`);
      return module.id;
    });
    const kind = file.builtin ? 'builtin' : 'stored';
    return {
      source: { kind, id: file.id, ...(modules.length > 0 ? { modules } : {}) },
      catalogue,
      title: titleOf(file),
    };
  }
}
