import { describe, expect, it } from 'vitest';
import { readParameters } from '../../../src/lib/infotext/parameter_fields';
import { settingsFromParameters } from '../../../src/lib/state/settings_from_parameters';

const models = [{ id: 'one', name: 'dreamer', hash: 'abcdef0123', builtin: false }];
const read = (line: string) =>
  settingsFromParameters(readParameters(`a cat\nNegative prompt: a dog\n${line}`), { models, networks: [] });

describe('settings of a picture in the form', () => {
  it('takes texts, numbers, size, sampler and schedule', () => {
    const { settings, missing, unmapped } = read(
      'Steps: 12, Sampler: DPM++ 2M Karras, CFG scale: 4.5, Seed: 99, Size: 640x384, Model hash: abcdef0123, Model: x, Clip skip: 2, RNG: CPU, Version: f2.0',
    );
    expect(settings).toMatchObject({
      prompt: 'a cat',
      negativePrompt: 'a dog',
      steps: 12,
      sampler: 'dpmpp_2m',
      schedule: 'karras',
      cfgScale: 4.5,
      seed: 99,
      widthPx: 640,
      heightPx: 384,
      clipSkip: 2,
      noiseSource: 'CPU',
      batchSize: 1,
      batchCount: 1,
    });
    expect(missing).toEqual([]);
    expect(unmapped).toEqual([]);
  });
  it('finds the model by its hash, whatever the name', () => {
    expect(read('Steps: 1, CFG scale: 7, Model hash: ABCDEF0123, Model: other').model?.id).toBe('one');
  });
  it('does not take a model of the same name with another hash', () => {
    const { model, missing } = read('Steps: 1, CFG scale: 7, Model hash: 1111111111, Model: dreamer');
    expect(model).toBeUndefined();
    expect(missing).toEqual([{ kind: 'model', name: 'dreamer', hash: '1111111111' }]);
  });
  it('finds a model by its name where the text has no hash', () => {
    expect(read('Steps: 1, CFG scale: 7, Seed: 3, Model: folder/Dreamer.safetensors').model?.id).toBe('one');
  });
  it('names missing LoRAs with their hashes and lists what it cannot hold', () => {
    const { missing, unmapped } = read(
      'Steps: 1, CFG scale: 7, Lora hashes: "stones: 0123456789ab", Ultra mode: on, Face restoration: X',
    );
    expect(missing).toEqual([{ kind: 'lora', name: 'stones', hash: '0123456789ab' }]);
    expect(Object.fromEntries(unmapped)).toEqual({ 'Ultra mode': 'on', 'Face restoration': 'X' });
  });
  it('takes switches of the model, and says why an old one does nothing', () => {
    const { settings, unmapped, notices } = read(
      'Steps: 4, Sampler: Euler, CFG scale: 1, Distilled CFG Scale: 2.5, Hires Distilled CFG Scale: 4, Shift: 3, Image CFG scale: 1.7, Diffusion in Low Bits: bnb-nf4',
    );
    expect(settings.distilledGuidance).toBe(2.5);
    expect(settings.modelOptions).toEqual({ hiresDistilledGuidance: 4, shift: 3 });
    expect(settings.guidance).toEqual({ imageScale: 1.7 });
    expect(unmapped).toEqual([]);
    expect(notices.join()).toMatch(/Diffusion in Low Bits: .*type that the file has/);
  });
  it('tells of a sampler that nobody knows', () => {
    const { settings, notices } = read('Steps: 1, CFG scale: 7, Seed: 3, Sampler: Wobble');
    expect(settings.sampler).toBe('dpmpp_2m');
    expect(notices.join()).toContain('Wobble');
  });
});
