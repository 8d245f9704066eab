/** Named sets of parameters: what differs from the model's defaults, by path, so that old ones fit new versions. */
/* eslint-disable svelte/prefer-svelte-reactivity -- sets and maps here are replaced or private, never changed in place while shown */
import { AppError, toPlainError, type PlainError } from '../../base/errors';
import type { SettingsStore } from '../../storage/settings_store';
import type { Parameters } from '../generation.svelte';
import { PARAMETER_GROUPS, partOf, type ParameterContext } from './parameter';
import { valueAt, withValueAt, type ParameterPath, type ParameterValue } from './parameter_path';
import { isModified, isOn, parametersOf, valueOf, withAllReset } from './parameter_values';

export interface Preset {
  readonly name: string;
  readonly values: Readonly<Record<string, ParameterValue>>;
  /** Absent: the preset leaves the prompts alone. */
  readonly prompts?: { readonly prompt: string; readonly negativePrompt: string };
}

/** What belongs to one picture, not to a way of making them. */
const NEVER_KEPT: ReadonlySet<string> = new Set(['seed', 'variation.seed']);

export function presetOf(name: string, context: ParameterContext, withPrompts: boolean): Preset {
  const { parameters } = context;
  const on = new Set(PARAMETER_GROUPS.filter((group) => isOn(group, parameters)).map(({ id }) => id));
  const values: Record<string, ParameterValue> = {};
  for (const def of parametersOf(context)) {
    if (NEVER_KEPT.has(def.path) || def.group === 'init') continue;
    const held = on.has(def.group) && valueAt(parameters, def.path) !== undefined;
    if (held || (isModified(def, context) && !isPartOff(def.group, on))) values[def.path] = valueOf(def, context);
  }
  const { prompt, negativePrompt } = parameters;
  return { name, values, ...(withPrompts ? { prompts: { prompt, negativePrompt } } : {}) };
}

function isPartOff(group: string, on: ReadonlySet<string>): boolean {
  const found = PARAMETER_GROUPS.find(({ id }) => id === group);
  return found !== undefined && partOf(found) !== undefined && !on.has(found.id);
}

/** The model's defaults with the preset's values; those that this version or model does not know are left out. */
export function withPreset(preset: Preset, context: ParameterContext): Parameters {
  const reset = withAllReset(context);
  const kept = valueAt(context.parameters, 'seed');
  let parameters = kept === undefined ? reset : withValueAt(reset, 'seed', kept);
  const sampler = preset.values['sampler'];
  if (typeof sampler === 'string') parameters = withValueAt(parameters, 'sampler', sampler);
  const known = new Map(parametersOf({ ...context, parameters }).map((def) => [def.path as string, def]));
  for (const [path, value] of Object.entries(preset.values)) {
    const def = known.get(path);
    if (!def || typeof value !== typeof valueOf(def, context)) continue;
    if (def.kind === 'number' && !(Number(value) >= def.min && Number(value) <= def.max)) continue;
    parameters = withValueAt(parameters, path as ParameterPath, value);
  }
  if (parameters.variation && !('seed' in parameters.variation)) {
    parameters = withValueAt(parameters, 'variation.seed', -1);
  }
  return { ...parameters, ...preset.prompts };
}

export class Presets {
  list: readonly Preset[] = $state.raw([]);
  error: PlainError | undefined = $state.raw();
  readonly #store: SettingsStore;

  constructor(store: SettingsStore) {
    this.#store = store;
  }

  async load(): Promise<void> {
    const stored = await this.#store.get('presets');
    if (Array.isArray(stored)) this.list = stored.filter(isPreset);
  }

  /** Adds a preset or replaces the one of that name. */
  async save(preset: Preset): Promise<void> {
    await this.#keep([...this.list.filter(({ name }) => name !== preset.name), preset]);
  }

  async rename(from: string, to: string): Promise<void> {
    const rest = this.list.filter(({ name }) => name !== to || name === from);
    await this.#keep(rest.map((preset) => (preset.name === from ? { ...preset, name: to } : preset)));
  }

  async delete(name: string): Promise<void> {
    await this.#keep(this.list.filter((preset) => preset.name !== name));
  }

  export(): Blob {
    return new Blob([JSON.stringify({ sketchforgePresets: 1, presets: this.list }, null, 2)], {
      type: 'application/json',
    });
  }

  async import(file: File): Promise<void> {
    await this.#attempt(async () => {
      const value: unknown = JSON.parse(await file.text());
      const presets = (value as { presets?: unknown } | null)?.presets;
      if (!Array.isArray(presets)) {
        throw new AppError(
          'argument/invalid',
          `${file.name}: it holds no presets; choose a file that was exported here.`,
        );
      }
      const read = presets.filter(isPreset);
      const names = new Set(read.map(({ name }) => name));
      await this.#keep([...this.list.filter(({ name }) => !names.has(name)), ...read]);
    });
  }

  async #keep(list: readonly Preset[]): Promise<void> {
    this.list = list;
    await this.#attempt(() => this.#store.set('presets', list));
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    this.error = undefined;
    try {
      await work();
    } catch (error) {
      const broken = error instanceof SyntaxError;
      this.error = toPlainError(
        broken ? new AppError('argument/invalid', 'presets: the file is no JSON; choose another one.') : error,
      );
    }
  }
}

function isPreset(value: unknown): value is Preset {
  const { name, values } = (value ?? {}) as { name?: unknown; values?: unknown };
  return typeof name === 'string' && name !== '' && typeof values === 'object' && values !== null;
}
