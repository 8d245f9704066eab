/** What the page offers for a model of each family: the controls that its network and its text encoders read, no others. */
import { describe, expect, it } from 'vitest';
import { syntheticModel } from '../../../src/lib/models/synthetic';
import { trueSizeById } from '../../../src/lib/models/true_sizes';
import { modelSummary } from '../../../src/lib/pipeline/model_summary';
import { PARAMETER_GROUPS, type ParameterContext } from '../../../src/lib/state/parameters/parameter';
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

function shownFor(id: string): string[] {
  const size = trueSizeById(id);
  if (!size) throw new Error(`no true size is called ${id}`);
  const facts = { id, name: id, hash: '', sizeBytes: 0, indexes: [] };
  const context: ParameterContext = {
    parameters: form(),
    model: modelSummary(syntheticModel(size, 'Q8_0'), facts),
    models: [],
    upscalers: [],
    vaes: [],
    sketching: false,
  };
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
});
