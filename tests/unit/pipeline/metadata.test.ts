/** Whatever decides a picture is written into it and read back into the form. */
import { describe, expect, it } from 'vitest';
import { readParameters } from '../../../src/lib/infotext/parameter_fields';
import { syntheticModel } from '../../../src/lib/models/synthetic';
import { jobSettings } from '../../../src/lib/pipeline/job_settings';
import type { LoadedModel } from '../../../src/lib/pipeline/loaded_model';
import { describeImage } from '../../../src/lib/pipeline/metadata';
import { SOFT_INPAINT_DEFAULTS, type GenerateRequest, type PixelImage } from '../../../src/lib/rpc/engine';
import { GUIDANCE_METHODS } from '../../../src/lib/sampling/guidance/methods';
import type { OptionDef, OptionValue } from '../../../src/lib/sampling/options';
import { samplers } from '../../../src/lib/sampling/registry';
import type { SamplerDef } from '../../../src/lib/sampling/sampler';
import { settingsFromParameters } from '../../../src/lib/state/settings_from_parameters';
import { TINY } from '../../tools/tiny_models';
import { BASE, HIRES } from './base_request';

const detected = syntheticModel(TINY.sd1, 'F32');
const model = { name: 'tiny', hash: 'abcdef0123' } as LoadedModel;
const second = { id: 'second', name: 'other', hash: '0123abcdef', builtin: false };
const known = { models: [{ id: 'one', name: 'tiny', hash: 'abcdef0123', builtin: false }, second], networks: [] };

function roundTrip(request: Partial<GenerateRequest>) {
  const settings = jobSettings({ ...BASE, ...request }, detected, () => 1);
  const facts = {
    loraHashes: new Map<string, string>(),
    embeddingHashes: new Map<string, string>(),
    masked: request.init?.inpaint !== undefined,
    ...(request.refiner ? { refiner: `${second.name} [${second.hash}]` } : {}),
  };
  const { infotext } = describeImage(model, settings, 0, facts);
  const read = settingsFromParameters(readParameters(infotext), known);
  expect(read.unmapped, infotext).toEqual([]);
  expect(read.notices, infotext).toEqual([]);
  return { ...read, infotext };
}

/** Some value of the option that is not its default. */
function other(def: OptionDef): OptionValue {
  switch (def.kind) {
    case 'number': {
      const above = def.default + (def.integer ? 1 : 0.125);
      return above <= def.max ? above : def.default - (def.integer ? 1 : 0.125);
    }
    case 'choice':
      return def.choices.find((choice) => choice !== def.default) ?? def.default;
    case 'flag':
      return !def.default;
    case 'text':
      return '{"0.1": [10, 1, 2.5]}';
  }
}

describe('every option of every sampler', () => {
  const list: readonly SamplerDef[] = samplers;
  it.each(list.filter(({ options }) => Object.keys(options).length > 0))('$label', (sampler) => {
    for (const [name, def] of Object.entries(sampler.options)) {
      const samplerOptions = { [name]: other(def) };
      expect(samplerOptions[name]).not.toEqual(def.default);
      const { settings, infotext } = roundTrip({ sampler: sampler.id, samplerOptions });
      expect(settings.sampler).toBe(sampler.id);
      expect(settings.samplerOptions, infotext).toEqual(samplerOptions);
    }
    expect(roundTrip({ sampler: sampler.id }).settings.samplerOptions).toBeUndefined();
  });

  it('the keys are those of the web UIs where they have one', () => {
    expect(roundTrip({ sampler: 'ddim', samplerOptions: { eta: 0.5 } }).infotext).toContain('Eta DDIM: 0.5');
    expect(roundTrip({ sampler: 'unipc', samplerOptions: { order: 2 } }).infotext).toContain('UniPC order: 2');
    expect(roundTrip({ sampler: 'deis', samplerOptions: { maxOrder: 2 } }).infotext).toContain('Sampler max order: 2');
  });
});

describe('every option of every guidance method', () => {
  it.each(GUIDANCE_METHODS.filter(({ id }) => id !== 'cfg'))('$label', ({ id, label, options }) => {
    expect(roundTrip({ guidanceMethod: label }).settings.guidanceMethod).toBe(id);
    for (const [name, def] of Object.entries<OptionDef>(options)) {
      const guidanceOptions = { [name]: other(def) };
      const { settings, infotext } = roundTrip({ guidanceMethod: id, guidanceOptions });
      expect(settings.guidanceMethod, infotext).toBe(id);
      expect(settings.guidanceOptions, infotext).toMatchObject(guidanceOptions);
    }
  });

  it('of CFG is not written', () => {
    const { settings, infotext } = roundTrip({ guidanceMethod: 'cfg' });
    expect(settings.guidanceMethod).toBeUndefined();
    expect(infotext).not.toContain('uidance');
  });

  it('is read from what Forge writes', () => {
    const text =
      'a cat\nSteps: 4, Sampler: Euler, CFG scale: 15, dynthres_enabled: True, dynthres_mimic_scale: 5, ' +
      'dynthres_threshold_percentile: 0.98, dynthres_mimic_mode: Half Cosine Up, dynthres_separate_feature_channels: disable';
    const { settings, unmapped } = settingsFromParameters(readParameters(text), known);
    expect(unmapped).toEqual([]);
    expect(settings.guidanceMethod).toBe('dynamicThresholding');
    expect(settings.guidanceOptions).toEqual({
      mimicScale: 5,
      percentile: 0.98,
      mimicMode: 'Half Cosine Up',
      separateChannels: 'disable',
    });
  });
});

describe('everything else', () => {
  const image: PixelImage = { widthPx: 1, heightPx: 1, rgba: new Uint8ClampedArray(4) };

  it('of a picture from words', () => {
    const request = {
      clipSkip: 2,
      noiseSource: 'NV',
      variation: { seed: 11, strength: 0.3 },
      seedResize: { widthPx: 128, heightPx: 64 },
      cfgRescale: 0.4,
      guidance: { skipEarly: 0.1, minUncondSigma: 2, minUncondAll: true },
      sigmas: { min: 0.1, max: 10, rho: 5, betaAlpha: 0.5, betaBeta: 0.7, discardPenultimate: true },
      ensd: 31337,
      sampler: 'euler_ancestral',
      schedule: 'beta',
      sgmNoiseMultiplier: true,
      emphasis: 'No norm',
      timestepRule: 'interpolate',
      tiling: true,
      hires: { ...HIRES, steps: 7, sampler: 'heun', schedule: 'karras', prompt: 'a pear', cfgScale: 5 },
      refiner: { modelId: second.id, switchAt: 0.6, pass: 'both' },
    } as const;
    const { settings, missing } = roundTrip(request);
    expect(settings).toMatchObject(request);
    expect(missing).toEqual([]);
  });

  it('of a picture from a picture', () => {
    const inpaint = {
      mask: image,
      blurPx: 7,
      fill: 'latentNoise',
      area: 'masked',
      paddingPx: 48,
      invert: true,
      round: false,
      conditioningWeight: 0.5,
    } as const;
    const init = {
      image,
      strength: 0.55,
      resizeMode: 'crop',
      exactSteps: true,
      colorCorrection: true,
      noiseMultiplier: 0.9,
      inpaint,
    } as const;
    const read = roundTrip({ init, extraNoise: 0.2 });
    const { image: _image, inpaint: _inpaint, ...aboutStart } = init;
    const { mask: _mask, ...aboutMask } = inpaint;
    expect(read.init).toEqual(aboutStart);
    expect(read.settings.inpaint).toEqual(aboutMask);
    expect(read.settings.extraNoise).toBe(0.2);
    const soft = { ...SOFT_INPAINT_DEFAULTS, maskInfluence: 0.5 };
    expect(roundTrip({ init: { ...init, inpaint: { ...inpaint, soft } } }).settings.inpaint?.soft).toEqual(soft);
  });
});
