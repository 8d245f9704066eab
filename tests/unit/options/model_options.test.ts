import { describe, expect, it } from 'vitest';
import { fromLegacy, optionsFromLegacy } from '../../../src/lib/options/legacy';
import { MODEL_OPTIONS } from '../../../src/lib/options/model_options';

describe('model options', () => {
  it('has unique ids and something connected to each', () => {
    expect(new Set(MODEL_OPTIONS.map(({ id }) => id)).size).toBe(MODEL_OPTIONS.length);
    for (const option of MODEL_OPTIONS) expect(option.drives.length).toBeGreaterThan(10);
  });

  it('has defaults within their ranges', () => {
    for (const option of MODEL_OPTIONS) {
      if (option.type === 'number') {
        expect(option.default).toBeGreaterThanOrEqual(option.min);
        expect(option.default).toBeLessThanOrEqual(option.max);
      }
      if (option.type === 'choice') expect(option.choices).toContain(option.default);
    }
  });

  it('reads names of other programs', () => {
    expect(fromLegacy('distilled_cfg_scale', 2.5)).toEqual({ option: 'distilledGuidance', value: 2.5 });
    expect(fromLegacy('--lora-apply-mode', 'immediately')).toEqual({ option: 'loraMode', value: 'merge' });
    expect(fromLegacy('force_upcast', true, 'diffusers')).toEqual({ option: 'vaePrecision', value: 'f32' });
  });

  it('says why an old switch has no effect, and knows no others', () => {
    expect(fromLegacy('forge_unet_storage_dtype', 'bnb-nf4')).toMatchObject({
      note: expect.stringContaining('file') as string,
    });
    expect(fromLegacy('forge_unet_storage_dtype', 'bnb-nf4')).not.toHaveProperty('value');
    expect(fromLegacy('steps', 20)).toBeUndefined();
  });

  it('reads a whole set of old switches, in the types that other programs write', () => {
    const read = optionsFromLegacy(
      [
        ['no_half_vae', true],
        ['persistent_cond_cache', 'False'],
        ['forge_inference_memory', 1024],
        ['forge_additional_modules', ['ae.safetensors']],
        ['steps', 20],
      ],
      'forge option',
    );
    expect(read.options).toEqual({ vaePrecision: 'f32', textCache: false });
    expect(read.notes).toEqual([{ name: 'forge_inference_memory', note: 'replaced by the exact memory plan' }]);
    expect([...read.known]).toEqual(['no_half_vae', 'persistent_cond_cache', 'forge_inference_memory']);
    // Values that the option does not have say nothing.
    expect(optionsFromLegacy([['Shift', 'wide']], 'infotext').options).toEqual({});
    expect(optionsFromLegacy([['--lora-apply-mode', 'at_runtime']]).options).toEqual({ loraMode: 'side-path' });
  });

  it('tells equal names of two programs apart', () => {
    expect(fromLegacy('guidance_scale', 3.5, 'diffusers')?.option).toBe('distilledGuidance');
    expect(fromLegacy('guidance_scale', 3.5, 'sd.cpp')).toBeUndefined();
  });
});
