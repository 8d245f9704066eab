/** What the page offers for a model of each family: the controls that its network and its text encoders read, no others. */
import { describe, expect, it } from 'vitest';
import { syntheticModel } from '../../../src/lib/models/synthetic';
import { trueSizeById } from '../../../src/lib/models/true_sizes';
import { modelSummary } from '../../../src/lib/pipeline/model_summary';
import { choicesOf, PARAMETER_GROUPS, type ParameterContext } from '../../../src/lib/state/parameters/parameter';
import { PARAMETERS } from '../../../src/lib/state/parameters/parameter_table';
import { shownParameters } from '../../../src/lib/state/parameters/parameter_values';
import { form } from './form';

/** Controls that only some families have. */
const SOME = [
  'clipSkip',
  'tiling',
  'distilledGuidance',
  'modelOptions.shift',
  'modelOptions.textTokens',
  'control',
] as const;

/**
 * Clip skip: families that read CLIP's hidden states. Tiling and ControlNet: convolutional U-Nets. Distilled guidance:
 * FLUX.1 dev alone has an input for it. Shift: flow models. Text tokens: those with T5 or Qwen3.
 */
const EXPECTED: Readonly<Record<string, readonly (typeof SOME)[number][]>> = {
  sd15: ['clipSkip', 'tiling', 'control'],
  sdxl: ['clipSkip', 'tiling', 'control'],
  sd3: ['clipSkip', 'modelOptions.shift', 'modelOptions.textTokens'],
  flux: ['distilledGuidance', 'modelOptions.shift', 'modelOptions.textTokens'],
  klein: ['modelOptions.shift', 'modelOptions.textTokens'],
  'z-image': ['modelOptions.shift', 'modelOptions.textTokens'],
};

function contextOf(id: string): ParameterContext {
  const size = trueSizeById(id);
  if (!size) throw new Error(`no true size is called ${id}`);
  const facts = { id, name: id, hash: '', sizeBytes: 0, indexes: [] };
  return {
    parameters: form(),
    model: modelSummary(syntheticModel(size, 'Q8_0'), facts),
    models: [],
    upscalers: [],
    vaes: [],
    sketching: false,
  };
}

function shownFor(id: string): string[] {
  const context = contextOf(id);
  const groups = PARAMETER_GROUPS.filter((group) => !('shown' in group) || group.shown(context));
  return [...groups.map((group) => group.id), ...groups.flatMap((group) => shownParameters(group.id, context))].map(
    (one) => (typeof one === 'string' ? one : one.path),
  );
}

describe('controls of a family', () => {
  it.each(Object.entries(EXPECTED))('%s', (id, expected) => {
    const shown = shownFor(id);
    expect(SOME.filter((one) => shown.includes(one)).sort()).toEqual([...expected].sort());
    // What every model reads.
    expect(shown).toEqual(expect.arrayContaining(['steps', 'cfgScale', 'widthPx', 'heightPx', 'seed']));
  });

  it.each(Object.keys(EXPECTED))('%s: no schedule in its menus that it refuses', (id) => {
    const context = contextOf(id);
    const flow = context.model?.prediction === 'flow';
    const menus = PARAMETERS.filter(({ path }) => path === 'schedule' || path === 'hires.schedule');
    expect(menus).toHaveLength(2);
    for (const menu of menus) {
      if (menu.kind !== 'choice') throw new Error(`${menu.path} is no menu`);
      const ids = choicesOf(menu, context).map((choice) => choice.id);
      expect(ids.includes('align_your_steps')).toBe(!flow);
      expect(ids).toEqual(expect.arrayContaining(['karras', 'simple', 'beta']));
    }
  });
});
