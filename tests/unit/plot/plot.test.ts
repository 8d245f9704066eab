/** Axes and value syntax of plots: what each value does to a request, and the order of the cells. */
import { describe, expect, it } from 'vitest';
import { PLOT_AXES, plotAxis } from '../../../src/lib/plot/axes';
import { readAxisValues, type AxisValue, type PlotAxis } from '../../../src/lib/plot/axis';
import { planPlot, plotPairs } from '../../../src/lib/plot/plan';
import { joinList, numbers, permutations, splitList } from '../../../src/lib/plot/values';
import { SOFT_INPAINT_DEFAULTS, type GenerateRequest, type PlotRequest } from '../../../src/lib/rpc/engine';
import { samplers } from '../../../src/lib/sampling/registry';

const image = { widthPx: 1, heightPx: 1, rgba: new Uint8ClampedArray(4) };
/** Everything an axis may need. */
const FULL: GenerateRequest = {
  modelId: 'one',
  prompt: 'a red cat <lora:ink:0.7> under a tree',
  negativePrompt: 'blur',
  steps: 20,
  cfgScale: 7,
  sampler: 'Euler',
  schedule: '',
  seed: 1,
  widthPx: 512,
  heightPx: 512,
  batchSize: 1,
  batchCount: 1,
  clipSkip: 1,
  noiseSource: 'NV',
  previewEvery: 0,
  init: {
    image,
    strength: 0.5,
    resizeMode: 'just',
    inpaint: {
      mask: image,
      invert: false,
      blurPx: 4,
      fill: 'original',
      area: 'whole',
      paddingPx: 0,
      soft: SOFT_INPAINT_DEFAULTS,
    },
  },
  hires: {
    upscaler: 'Latent',
    scale: 2,
    widthPx: 0,
    heightPx: 0,
    steps: 0,
    strength: 0.7,
    sampler: '',
    schedule: '',
    prompt: '',
    negativePrompt: '',
  },
  refiner: { modelId: 'two', switchAt: 0.8 },
  control: [{ modelId: 'lines', image, weight: 1, start: 0, end: 1, mode: 'balanced' }],
};
const STYLES = ['first', 'second'].map((name) => ({ name, prompt: `{prompt}, ${name}`, negative: `no ${name}` }));
const PLOT: PlotRequest = { legend: true, keepPictures: false, marginPx: 0, styles: STYLES };
const plan = (plot: Partial<PlotRequest>, request: Partial<GenerateRequest> = {}) =>
  planPlot({ ...FULL, ...request }, { ...PLOT, ...plot }, () => 77);

describe('values', () => {
  it('reads lists, ranges and counts of numbers, the end included where a step lands on it', () => {
    expect(numbers('1-5', { whole: true })).toEqual([1, 2, 3, 4, 5]);
    expect(numbers(' 1 - 10 (+3) , 20', { whole: true })).toEqual([1, 4, 7, 10, 20]);
    expect(numbers('1-10 [4]', { whole: true })).toEqual([1, 4, 7, 10]);
    expect(numbers('10-1 (-3)', { whole: true })).toEqual([10, 7, 4, 1]);
    expect(numbers('-2-2 (+2)', { whole: true })).toEqual([-2, 0, 2]);
    expect(numbers('0-1 (+0.25)', { whole: false })).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(numbers('0.1-0.3 (+0.1), 1e-3', { whole: false })).toEqual([0.1, 0.2, 0.3, 0.001]);
    expect(numbers('7-9 [1]', { whole: false })).toEqual([7]);
  });

  it('refuses what is no number, what never ends and what steps away from its end', () => {
    for (const text of ['a', '1-', '1-5 (+0)', '1-5 (-1)', '1-99999', '1-9 [99999]', '1..5']) {
      expect(() => numbers(text, { whole: true }), text).toThrow(/plot values/);
    }
  });

  it('keeps quoted commas, quotes and empty entries, and joins them back', () => {
    const values = ['a, b', 'say "hi"', 'plain'];
    expect(splitList(joinList(values))).toEqual(values);
    expect(splitList('cat,,dog')).toEqual(['cat', '', 'dog']);
    expect(splitList('cat, dog,')).toEqual(['cat', 'dog']);
    expect(splitList('')).toEqual([]);
    expect(() => splitList('"cat, dog')).toThrow(/never closed/);
  });

  it('makes every order once, the given one first', () => {
    const orders = permutations(['a', 'b', 'c']);
    expect(orders[0]).toEqual(['a', 'b', 'c']);
    expect(new Set(orders.map(String)).size).toBe(6);
    expect(() => permutations(['a', 'b', 'c', 'd', 'e', 'f'])).toThrow(/up to 5/);
  });
});

/** Two values that every axis of a kind accepts, where its own menu offers none. */
const SAMPLES: Readonly<Record<PlotAxis['kind'], string>> = {
  whole: '2, 3',
  number: '0.25, 0.75',
  text: 'cat, dog',
  choice: 'first, second',
  yesNo: 'yes, no',
  size: '64x128, 128x64',
  order: 'red, tree',
};

const samples = (axis: PlotAxis): readonly AxisValue[] =>
  readAxisValues(axis, Array.isArray(axis.choices) ? joinList(axis.choices.slice(-2)) : SAMPLES[axis.kind]);

describe('axes', () => {
  const list: readonly PlotAxis[] = PLOT_AXES;
  it('have unique ids and labels, found by either', () => {
    expect(new Set(list.map(({ id }) => id)).size).toBe(list.length);
    expect(new Set(list.map(({ label }) => label.toLowerCase())).size).toBe(list.length);
    for (const axis of list) {
      expect(plotAxis(axis.id)).toBe(axis);
      expect(plotAxis(axis.label)).toBe(axis);
    }
    expect(() => plotAxis('no such axis')).toThrow(/must be one of seed/);
  });

  for (const axis of list) {
    it(`${axis.id}: each value gives another request, the original stays`, () => {
      const before = structuredClone(FULL);
      const values = samples(axis);
      const results = values.map((value: AxisValue) => JSON.stringify(axis.apply(FULL, value, values, STYLES)));
      expect(new Set(results).size).toBe(values.length);
      expect(FULL).toEqual(before);
    });
  }

  it('replaces in both prompts, and refuses what the prompt has not', () => {
    const { cells } = plan({ x: { axis: 'promptReplace', values: 'red, green, "blue, dark"' } });
    expect(cells.map((cell) => cell.request.prompt.slice(0, 16))).toEqual([
      'a red cat <lora:',
      'a green cat <lor',
      'a blue, dark cat',
    ]);
    expect(() => plan({ x: { axis: 'promptReplace', values: 'pink, red' } })).toThrow(/must be a part of the prompt/);
  });

  it('adds styles to the prompts as other axes leave them, several by +, none by None', () => {
    const { cells } = plan(
      {
        x: { axis: 'styles', values: 'None, first, first + second' },
        y: { axis: 'promptReplace', values: 'cat, dog' },
      },
      { prompt: 'a cat' },
    );
    expect(cells.map(({ request }) => `${request.prompt} / ${request.negativePrompt}`)).toEqual([
      'a cat / blur',
      'a dog / blur',
      'a cat, first / blur, no first',
      'a dog, first / blur, no first',
      'a cat, first, second / blur, no first, no second',
      'a dog, first, second / blur, no first, no second',
    ]);
    expect(() => plan({ x: { axis: 'styles', values: 'first, frist' } })).toThrow(/no style "frist"; there are first/);
  });

  it('has one for every option of every sampler', () => {
    const set = new Set(
      PLOT_AXES.flatMap((axis) => {
        const values = samples(axis);
        return Object.keys(axis.apply(FULL, values[0]!, values, STYLES).samplerOptions ?? {});
      }),
    );
    const options = new Set(samplers.flatMap((sampler) => Object.keys(sampler.options)));
    expect([...set].toSorted()).toEqual([...options].toSorted());
  });

  it('keeps the places of ordered words', () => {
    const { cells } = plan({ x: { axis: 'Prompt order', values: 'red, cat' } }, { prompt: 'a cat, red, scarlet' });
    expect(cells.map((cell) => cell.request.prompt)).toEqual(['a red, cat, scarlet', 'a cat, red, scarlet']);
  });

  it('checks names and needs before anything runs', () => {
    expect(() => plan({ x: { axis: 'sampler', values: 'Euler, Eulr a' } })).toThrow(/did you mean Euler a/);
    expect(() => plan({ x: { axis: 'schedule', values: 'Kerras' } })).toThrow(/did you mean Karras/);
    const { hires: _hires, init: _init, refiner: _refiner, ...plain } = FULL;
    const bare = (axis: string) => planPlot(plain, { ...PLOT, x: { axis, values: '0.5' } }, () => 1);
    for (const axis of ['denoising', 'hiresCfgScale', 'maskBlur', 'refinerSwitch'])
      expect(() => bare(axis)).toThrow(/needs/);
    expect(() => plan({ x: { axis: 'steps', values: '1' }, y: { axis: 'steps', values: '2' } })).toThrow(/twice/);
    expect(() => plan({ x: { axis: 'steps', values: '1-100' }, y: { axis: 'cfgScale', values: '1-100' } })).toThrow(
      /1000 cells/,
    );
    expect(() => plan({ x: { axis: 'steps', values: '' } })).toThrow(/1 to 200/);
  });
});

describe('plan', () => {
  it('changes the dearest axis least often', () => {
    const { cells } = plan({
      x: { axis: 'model', values: 'one, two, three' },
      y: { axis: 'cfgScale', values: '5, 7' },
      z: { axis: 'size', values: '64x64, 128x128' },
    });
    expect(cells).toHaveLength(12);
    const switches = (read: (request: GenerateRequest) => unknown) =>
      cells.filter((cell, i) => i > 0 && read(cell.request) !== read(cells[i - 1]!.request)).length;
    expect(switches((r) => r.modelId)).toBe(2);
    expect(switches((r) => r.widthPx)).toBe(5);
    expect(switches((r) => r.cfgScale)).toBe(11);
    expect(new Set(cells.map(({ at }) => `${at.x} ${at.y} ${at.z}`)).size).toBe(12);
  });

  it('draws one random seed for all cells, or none', () => {
    const x = { axis: 'cfgScale', values: '1-3' };
    expect(plan({ x }, { seed: -1 }).cells.map((cell) => cell.request.seed)).toEqual([77, 77, 77]);
    expect(plan({ x, keepRandomSeeds: true }, { seed: -1 }).cells[0]!.request.seed).toBe(-1);
    const seeds = plan({ x: { axis: 'seed', values: '-1, 5' } });
    expect(seeds.cells.map((cell) => cell.request.seed)).toEqual([77, 5]);
  });

  it("names its axes in the web UIs' keys", () => {
    const made = plan({ x: { axis: 'seed', values: '-1, 5' }, y: { axis: 'sampler', values: 'Euler, Heun' } });
    expect(plotPairs(made)).toEqual([
      ['Script', 'X/Y/Z plot'],
      ['X Type', 'Seed'],
      ['X Values', '-1, 5'],
      ['Fixed X Values', '77, 5'],
      ['Y Type', 'Sampler'],
      ['Y Values', 'Euler, Heun'],
    ]);
    expect(made.cells[0]!.labels).toEqual(['Seed: 77', 'Euler']);
    expect(made.cells[0]!.request.plot).toBeUndefined();
  });
});
