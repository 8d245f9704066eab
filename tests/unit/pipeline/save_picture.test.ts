/** Pictures as files: every format carries its parameters, read back by the reader that users' pictures go through. */
import { describe, expect, it } from 'vitest';
import { decodePicture, encodePicture } from '../../../src/companion/node_codecs';
import { readPicture } from '../../../src/lib/infotext/picture';
import { readStealth } from '../../../src/lib/infotext/stealth';
import { readImageTexts } from '../../../src/lib/infotext/image_texts';
import { savePicture } from '../../../src/lib/pipeline/save_picture';
import { PICTURE_FORMATS } from '../../../src/lib/rpc/engine';
import { pattern } from './harness';

const INFOTEXT =
  'a “red” apple, 漢字 <lora:ink:0.7>\nsecond line\nNegative prompt: blur\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 96x64, Hires prompt: "a, b: c"';
const image = pattern(96, 64);
const bytesOf = async (file: Blob) => new Uint8Array(await file.arrayBuffer());

describe('formats', () => {
  for (const format of PICTURE_FORMATS) {
    it(`${format}: the parameters come back as they were`, async () => {
      const { file, notice } = await savePicture(encodePicture, image, INFOTEXT, { format });
      expect(file.type).toBe(`image/${format}`);
      expect(notice).toBeUndefined();
      const { parameters } = await readPicture(await bytesOf(file));
      expect(parameters?.prompt).toBe('a “red” apple, 漢字 <lora:ink:0.7>\nsecond line');
      expect(parameters?.hires?.prompt).toBe('a, b: c');
      const again = await decodePicture(await bytesOf(file), 'again');
      expect([again.widthPx, again.heightPx]).toEqual([96, 64]);
      const error = again.rgba.reduce((sum, v, i) => sum + Math.abs(v - image.rgba[i]!), 0) / again.rgba.length;
      expect(error).toBeLessThan(format === 'png' ? 1e-9 : 12);
    });
  }

  it('hides parameters in lossless pictures only, and no colour changes by it', async () => {
    for (const save of [
      { format: 'png', stealth: true },
      { format: 'webp', stealth: true, quality: 100 },
    ] as const) {
      const { file } = await savePicture(encodePicture, image, INFOTEXT, save);
      const { widthPx, heightPx, rgba } = await decodePicture(await bytesOf(file), 'again');
      expect(readStealth({ widthPx, heightPx, data: rgba })).toBe(INFOTEXT);
      expect(rgba.every((v, i) => i % 4 === 3 || v === image.rgba[i])).toBe(true);
    }
    const lossy = await savePicture(encodePicture, image, INFOTEXT, { format: 'jpeg', stealth: true });
    expect(lossy.notice).toContain('the format loses them');
    const tiny = await savePicture(encodePicture, pattern(8, 8), INFOTEXT, { format: 'png', stealth: true });
    expect(tiny.notice).toContain('too small');
  });

  it('loses no picture: another container where parameters or the format do not fit', async () => {
    const long = `${'word, '.repeat(8000)}\nSteps: 1, Sampler: Euler, CFG scale: 1`;
    const kept = await savePicture(encodePicture, image, long, { format: 'jpeg' });
    expect([kept.file.type, kept.notice]).toEqual(['image/png', expect.stringContaining('too long for JPEG')]);
    expect(readImageTexts(await bytesOf(kept.file)).texts.get('parameters')).toBe(long);
    const withoutWebp: typeof encodePicture = (picture, options) =>
      encodePicture(picture, { ...options, format: 'png' });
    const other = await savePicture(withoutWebp, image, INFOTEXT, { format: 'webp' });
    expect([other.file.type, other.notice]).toEqual(['image/png', expect.stringContaining('cannot be written here')]);
    await expect(savePicture(encodePicture, image, '', { format: 'jpeg', quality: 0 })).rejects.toMatchObject({
      code: 'argument/invalid',
    });
  });
});
