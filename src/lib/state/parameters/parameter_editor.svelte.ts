/** The parameters as the panel sees them: what is shown, what differs, and the changes. One for each panel. */
import type { AppState } from '../app.svelte';
import type { MessageKey } from '../../i18n/en';
import { findParameters, hintOf, labelOf } from './find_parameters';
import {
  PARAMETER_GROUPS,
  partOf,
  type Choice,
  type ParameterContext,
  type ParameterDef,
  type ParameterGroup,
} from './parameter';
import type { ParameterValue } from './parameter_path';
import {
  isModified,
  isOn,
  modifiedCount,
  shownParameters,
  valueOf,
  withAllReset,
  withPart,
  withReset,
  withValue,
} from './parameter_values';

export class ParameterEditor {
  /** What was typed into the search field. */
  query = $state('');
  readonly #app: AppState;
  readonly context: ParameterContext = $derived.by(() => this.#context());
  readonly groups: readonly ParameterGroup[] = $derived(
    PARAMETER_GROUPS.filter((group) => !('shown' in group) || group.shown(this.context)),
  );
  readonly found: readonly ParameterDef[] = $derived(
    findParameters(this.query, this.context, (key) => this.#say(key)).slice(0, 12),
  );
  /** Groups with something in them that is not as it came. */
  readonly modified: readonly ParameterGroup[] = $derived(this.groups.filter((group) => this.changes(group) > 0));

  constructor(app: AppState) {
    this.#app = app;
  }

  #context(): ParameterContext {
    const { engine, generation, models, networks, studio } = this.#app;
    const refiners = models.entries
      .filter(({ stored, kind, id }) => stored && (kind ?? 'checkpoint') === 'checkpoint' && id !== engine.model?.id)
      .map(({ id, name }): Choice => ({ id, label: name }));
    return {
      parameters: generation.parameters,
      model: engine.model,
      models: refiners,
      upscalers: networks.of('upscaler').map(({ name }): Choice => ({ id: name, label: name })),
      vaes: networks.of('vae').map(({ id, name }): Choice => ({ id, label: name })),
      sketching: studio.mode === 'sketch',
    };
  }

  /** A text that may not exist: keys of options come from their schemas. */
  #say(key: MessageKey): string | undefined {
    return this.#app.i18n.has(key) ? this.#app.i18n.t(key) : undefined;
  }

  label(def: ParameterDef): string {
    return labelOf(def, (key) => this.#say(key));
  }

  hint(def: ParameterDef): string | undefined {
    return hintOf(def, (key) => this.#say(key));
  }

  parameters(group: ParameterGroup): readonly ParameterDef[] {
    return shownParameters(group.id, this.context);
  }

  value(def: ParameterDef): ParameterValue {
    return valueOf(def, this.context);
  }

  changed(def: ParameterDef): boolean {
    return isModified(def, this.context);
  }

  changes(group: ParameterGroup): number {
    return modifiedCount(group, this.context);
  }

  on(group: ParameterGroup): boolean {
    return isOn(group, this.context.parameters);
  }

  set(def: ParameterDef, value: ParameterValue): void {
    this.#app.generation.change(withValue(def, value, this.context));
  }

  switch(group: ParameterGroup, on: boolean): void {
    this.#app.generation.change(withPart(group, on, this.context));
    if (on) this.#app.panel.open(group.id);
  }

  reset(group: ParameterGroup): void {
    this.#app.generation.change(withReset(group, this.context));
  }

  resetAll(): void {
    this.#app.generation.change(withAllReset(this.context));
  }

  /** Opens what hides a parameter, switching its part on, and moves there. */
  async show(def: ParameterDef): Promise<void> {
    const group = PARAMETER_GROUPS.find(({ id }) => id === def.group);
    if (group && partOf(group) !== undefined && !this.on(group)) this.switch(group, true);
    this.query = '';
    await this.#app.panel.reveal(def.group, def.path);
  }
}
