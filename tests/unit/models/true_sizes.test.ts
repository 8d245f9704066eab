/** Published models at their true size cost what others count for them. */
import { describe, expect, it } from 'vitest';
import { graphCost } from '../../../src/lib/graph/cost';
import type { DetectedModel } from '../../../src/lib/models/family';
import type { ModelPart } from '../../../src/lib/models/part';
import { syntheticModel, usualType } from '../../../src/lib/models/synthetic';
import { TRUE_SIZES } from '../../../src/lib/models/true_sizes';
import { contextTokens, decoderGraph, denoiserGraph, encoderGraphs } from '../../../src/lib/pipeline/fit_stages';
import { REFERENCE_COSTS, type ReferenceCost } from '../../bench/reference_costs';

const models = new Map<string, DetectedModel>(TRUE_SIZES.map((size) => [size.id, syntheticModel(size, 'Q8_0')]));

function modelOf(id: string): DetectedModel {
  const model = models.get(id);
  if (!model) throw new Error(`no model ${id}`);
  return model;
}

function graphOf({ id, stage, encoder, sidePx, promptTokens }: ReferenceCost) {
  const model = modelOf(id);
  const spec = { widthPx: sidePx, heightPx: sidePx, batch: 1, promptTokens };
  if (stage === 'denoiser') return denoiserGraph(model, spec, 1).graph;
  if (stage === 'decoder') return decoderGraph(model, spec).graph;
  const found = encoderGraphs(model, promptTokens).find((one) => one.id === encoder);
  if (!found) throw new Error(`no encoder ${encoder}`);
  return found.build().graph;
}

const parameters = (part: ModelPart): number =>
  [...part.weights.values()].reduce((sum, { tensor }) => sum + tensor.shape.reduce((a, b) => a * b, 1), 0);

describe('true sizes', () => {
  // References with two digits are themselves rounded by up to 4 %.
  it.each(
    REFERENCE_COSTS.map(
      (one) => [`${one.id} ${one.encoder ?? one.stage} @${one.sidePx}, ${one.promptTokens} tokens`, one] as const,
    ),
  )('%s: operations agree with the reference count', (_name, one) => {
    const tflop = graphCost(graphOf(one)).flops / 1e12;
    const digits = String(one.tflop)
      .replace(/^0\.0*/, '')
      .replace('.', '').length;
    expect(Math.abs(tflop / one.tflop - 1)).toBeLessThan(digits < 3 ? 0.04 : 0.03);
  });

  it.each([
    ['sd15', 859.5e6],
    ['sd-turbo', 865.9e6],
    ['sdxl', 2567.5e6],
    ['flux', 11.9e9],
    ['z-image', 6.15e9],
    ['klein', 3.88e9],
    // Without the stored position table the published count is 2.03 billion.
    ['sd3', 2.03e9 + 192 * 192 * 1536],
  ])('%s: the denoiser has as many parameters as published', (id, count) => {
    expect(Math.abs(parameters(modelOf(id).denoiser) / count - 1)).toBeLessThan(0.002);
  });

  it('flux in q8_0 takes the published 12.6 GB', () => {
    const spec = { widthPx: 512, heightPx: 512, batch: 1, promptTokens: 256 };
    const { weightsBytes } = graphCost(denoiserGraph(modelOf('flux'), spec, 1).graph);
    expect(Math.abs(weightsBytes / 12.6e9 - 1)).toBeLessThan(0.01);
  });

  it('the context has the tokens that each family joins', () => {
    const tokens = (id: string) => contextTokens(modelOf(id), 128);
    expect(Object.fromEntries(TRUE_SIZES.map(({ id }) => [id, tokens(id)]))).toEqual({
      sd15: 77,
      'sd-turbo': 77,
      sdxl: 77,
      sd3: 77 + 256,
      flux: 256,
      klein: 512,
      'z-image': 128,
    });
  });

  it('vectors stay f32, convolutions and odd rows f16', () => {
    expect(usualType([320], 'Q4_0')).toBe('F32');
    expect(usualType([320, 4, 3, 3], 'Q4_0')).toBe('F16');
    expect(usualType([320, 33], 'Q4_0')).toBe('F16');
    expect(usualType([320, 64], 'Q4_0')).toBe('Q4_0');
  });

  it('a weight without bytes says so when it is read', async () => {
    const [weight] = modelOf('sd15').denoiser.weights.values();
    await expect(weight?.tensor.source.read(0, 1)).rejects.toMatchObject({ code: 'internal/unexpected' });
  });
});
