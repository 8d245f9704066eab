import { LOCALES } from '../../../src/lib/i18n/locales';
import { entryName } from '../../../src/lib/state/parameters/entry_names';
import { axisMenu, axisName, plotAxes } from '../../../src/lib/state/parameters/plot_axes';
import { describe, expect, it } from 'vitest';
import { en } from '../../../src/lib/i18n/en';
import { enLater } from '../../../src/lib/i18n/en_later';
import { MODEL_OPTIONS } from '../../../src/lib/options/model_options';
import { GUIDANCE_METHODS } from '../../../src/lib/sampling/guidance/methods';
import { samplers } from '../../../src/lib/sampling/registry';
import type { Parameters } from '../../../src/lib/state/generation.svelte';
import {
  guidanceParameters,
  modelParameters,
  samplerParameters,
} from '../../../src/lib/state/parameters/dynamic_parameters';
import { findParameters, type Say } from '../../../src/lib/state/parameters/find_parameters';
import { jobRequest } from '../../../src/lib/state/parameters/job_request';
import {
  choicesOf,
  defaultOf,
  PARAMETER_GROUPS,
  type ParameterContext,
  type ParameterDef,
} from '../../../src/lib/state/parameters/parameter';
import { PARAMETERS } from '../../../src/lib/state/parameters/parameter_table';
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
} from '../../../src/lib/state/parameters/parameter_values';
import { form } from './form';

const texts: Readonly<Record<string, unknown>> = { ...en, ...enLater };
const say: Say = (key) => (typeof texts[key] === 'string' ? texts[key] : undefined);

const context = (parameters: Parameters = form(), sketching = false): ParameterContext => ({
  parameters,
  model: undefined,
  models: [{ id: 'second', label: 'second' }],
  upscalers: [],
  vaes: [{ id: 'ae', label: 'ae' }],
  sketching,
});
const group = (id: string) => PARAMETER_GROUPS.find((one) => one.id === id)!;
const def = (path: string) => PARAMETERS.find((one) => one.path === path)!;

/** Some other value than the default, inside the limits. */
function other(one: ParameterDef, given: ParameterContext) {
  const now = defaultOf(one, given);
  switch (one.kind) {
    case 'number':
      return now === one.min ? Math.min(one.max, one.min + 1) : one.min;
    case 'seed':
      return 77;
    case 'flag':
      return now !== true;
    case 'text':
      return 'something';
    case 'choice':
      return choicesOf(one, given).find(({ id }) => id !== now)?.id ?? now;
  }
}

const everything = [
  ...PARAMETERS,
  ...modelParameters(MODEL_OPTIONS),
  ...samplers.flatMap(({ id }) => samplerParameters(id)),
  ...GUIDANCE_METHODS.flatMap(({ id }) => guidanceParameters(id)),
];

describe('the table of parameters', () => {
  it('has a text for every name, explanation and choice', () => {
    for (const one of everything) {
      expect(say(one.label), one.path).toBeTruthy();
      if (one.hint && one.fallback === undefined) expect(say(one.hint), one.path).toBeTruthy();
      if (one.kind !== 'choice') continue;
      for (const choice of choicesOf(one, context())) {
        expect(choice.key ? say(choice.key) : choice.label, `${one.path} ${choice.id}`).toBeTruthy();
      }
    }
  });
  it('names every place once, with a default inside its limits', () => {
    const paths = PARAMETERS.map(({ path }) => path);
    expect(new Set(paths).size).toBe(paths.length);
    for (const one of everything) {
      const value = defaultOf(one, context());
      if (one.kind === 'number') {
        expect(value, one.path).toBeGreaterThanOrEqual(one.min);
        expect(value, one.path).toBeLessThanOrEqual(one.max);
      }
      if (one.kind === 'choice')
        expect(
          choicesOf(one, context()).map(({ id }) => id),
          one.path,
        ).toContain(value);
    }
  });
  it('sets any value and resets it without a trace', () => {
    const before = PARAMETER_GROUPS.reduce(
      (parameters, one) => withPart(one, true, context(parameters, true)),
      form({ init: { image: pixel(), strength: 0.75, resizeMode: 'just' } }),
    );
    for (const one of PARAMETERS) {
      const given = context(before, true);
      const wanted = other(one, given);
      if (wanted === defaultOf(one, given)) continue;
      const after = context(withValue(one, wanted, given), true);
      expect(valueOf(one, after), one.path).toBe(wanted);
      expect(isModified(one, after), one.path).toBe(true);
      const back = withValue(one, defaultOf(one, given), after);
      expect(isModified(one, context(back, true)), one.path).toBe(false);
    }
  });
});

const pixel = () => ({ widthPx: 1, heightPx: 1, rgba: new Uint8ClampedArray(4) });

describe('parts of a job', () => {
  it('are complete when switched on, and gone when switched off', () => {
    const on = withPart(group('hires'), true, context());
    expect(on.hires).toEqual({
      upscaler: 'Latent',
      scale: 2,
      strength: 0.7,
      steps: 0,
      widthPx: 0,
      heightPx: 0,
      sampler: '',
      schedule: '',
      prompt: '',
      negativePrompt: '',
    });
    expect(isOn(group('hires'), on)).toBe(true);
    expect(withPart(group('hires'), false, context(on))).toEqual(form());
    expect(withPart(group('refiner'), true, context()).refiner?.modelId).toBe('second');
    expect(withPart(group('soft'), true, context(form(), true)).inpaint?.soft?.transitionContrast).toBe(4);
  });
  it('show their parameters only when they are on', () => {
    expect(shownParameters('variation', context())).toEqual([]);
    const on = withPart(group('variation'), true, context());
    expect(shownParameters('variation', context(on)).map(({ path }) => path)).toEqual([
      'variation.seed',
      'variation.strength',
    ]);
  });
  it('show options of the sampler in use', () => {
    const paths = (sampler: string) => shownParameters('sampler', context(form({ sampler }))).map(({ path }) => path);
    expect(paths('euler_ancestral')).toContain('samplerOptions.eta');
    expect(paths('dpmpp_2m')).not.toContain('samplerOptions.eta');
  });
});

describe('what differs', () => {
  it('is counted by group and reset by group', () => {
    let given = context();
    expect(modifiedCount(group('guidance'), given)).toBe(0);
    given = context(withValue(def('cfgRescale'), 0.5, given));
    given = context(withValue(def('guidance.minUncondSigma'), 2, given));
    given = context(withValue(def('guidance.minUncondAll'), true, given));
    expect(modifiedCount(group('guidance'), given)).toBe(3);
    expect(withReset(group('guidance'), given)).toEqual(form());
  });
  it('goes back to the defaults in one step, prompts excepted', () => {
    const changed = form({ steps: 3, hires: undefined as never, sigmas: { rho: 5 }, seed: 9, prompt: 'mine' });
    delete changed.hires;
    const hires = withPart(group('hires'), true, context(changed));
    expect(withAllReset(context(hires))).toEqual(form({ prompt: 'mine' }));
  });
});

describe('search', () => {
  const found = (text: string, given = context()) => findParameters(text, given, say).map(({ path }) => path);
  it('finds by name, by words of the group, and by the names of other programs', () => {
    expect(found('rescale')[0]).toBe('cfgRescale');
    expect(found('hires steps')).toContain('hires.steps');
    expect(found('NGMS')).toContain('guidance.minUncondSigma');
    expect(found('ensd')).toContain('ensd');
    expect(found('nothing like this')).toEqual([]);
  });
  it('leaves out what cannot be used now', () => {
    expect(found('mask influence')).toEqual([]);
    expect(found('mask influence', context(form(), true))).toEqual(['inpaint.soft.maskInfluence']);
  });
});

describe('the request', () => {
  it('joins inpaint settings and mask, and draws a variation seed', () => {
    const mask = pixel();
    const init = {
      image: pixel(),
      strength: 0.5,
      resizeMode: 'just',
      inpaint: { mask, invert: false, blurPx: 4, fill: 'original', area: 'whole', paddingPx: 32 },
    } as const;
    const parameters = form({
      init,
      inpaint: { blurPx: 9 },
      variation: { seed: -1, strength: 0.3 },
      save: { stealth: true },
    });
    const request = jobRequest(parameters, () => 123);
    expect(request.init?.inpaint).toEqual({ ...init.inpaint, blurPx: 9 });
    expect(request.variation).toEqual({ seed: 123, strength: 0.3 });
    expect(request.save).toEqual({ format: 'png', stealth: true });
    expect('inpaint' in request || 'styles' in request).toBe(false);
  });
  it('loops only from a starting picture', () => {
    const loopback = { loops: 2, finalStrength: 0.4, curve: 'Linear' } as const;
    expect(jobRequest(form({ loopback }), () => 0).loopback).toBeUndefined();
  });
});

describe('entries of generation parameters', () => {
  it('have a name in the language of the page, axes of a plot too, and English stays as it is written', async () => {
    const texts: Readonly<Record<string, unknown>> = (await LOCALES.find(({ id }) => id === 'ja')?.load()) ?? {};
    const sayIn: Say = (key) => (typeof texts[key] === 'string' ? texts[key] : undefined);
    // A product's name, the same everywhere.
    const untranslated = plotAxes.filter((axis) => axis.id !== 'lora' && axisName(axis, 'ja', sayIn) === axis.label);
    expect(untranslated.map(({ id }) => id)).toEqual([]);
    for (const axis of plotAxes) expect(axisName(axis, 'en', say)).toBe(axis.label);
    expect(entryName('Hires steps', sayIn)).toBe(`${sayIn('group.hires')}: ${sayIn(def('hires.steps').label)}`);
    expect(entryName('model hash', sayIn)).toBe(sayIn('entry.modelHash'));
    expect(entryName('Ultra mode', sayIn)).toBeUndefined();
  });
});

describe('menu of plot axes', () => {
  const ids = (menu: ReturnType<typeof axisMenu>) => menu.flatMap(({ axes }) => axes.map(({ axis }) => axis.id));
  const offOf = (menu: ReturnType<typeof axisMenu>, id: string) =>
    menu.flatMap(({ axes }) => axes).find(({ axis }) => axis.id === id)?.off;

  it('has every axis once where all parts are there, and each in one group', () => {
    const everything = axisMenu(
      context(),
      plotAxes.map(({ id }) => id),
    );
    expect(ids(everything).toSorted()).toEqual(plotAxes.map(({ id }) => id).toSorted());
  });

  it('leaves out what neither sampler nor model has, and greys what a missing part needs', () => {
    const menu = axisMenu(context(form({ sampler: 'euler' })), []);
    expect(ids(menu)).toContain('sigmaChurn');
    expect(ids(menu)).not.toContain('samplerOption.variant');
    expect(ids(menu)).not.toContain('modelOption.shift');
    expect(ids(axisMenu(context(form({ sampler: 'unipc' })), []))).toContain('samplerOption.variant');
    expect(ids(axisMenu(context(form({ sampler: 'euler' })), ['sampler']))).toContain('samplerOption.variant');
    expect(offOf(menu, 'hiresSteps')).toBe(true);
    expect(offOf(menu, 'refinerSwitch')).toBe(true);
    expect(offOf(axisMenu(context(), ['refiner']), 'refinerSwitch')).toBe(false);
    expect(offOf(menu, 'denoising')).toBe(true);
    expect(offOf(axisMenu(context(form(), true), []), 'denoising')).toBe(false);
    for (const id of ['steps', 'variationStrength', 'seedResize', 'ensd', 'betaAlpha'])
      expect(offOf(menu, id), id).toBe(false);
  });
});
