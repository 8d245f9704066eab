import { expect, it } from 'vitest';
import { latentToRgb, PREVIEW_FACTORS, rgbToBytes, type PreviewFamily } from '../../../src/lib/sampling/preview';
import { describeGroup, maxAbsDifference } from './read_group';

describeGroup('preview', (group) => {
  for (const c of group.cases) {
    it(c.name, () => {
      const own = PREVIEW_FACTORS[c.name as PreviewFamily];
      expect(own, `no preview factors for ${c.name}`).toBeDefined();
      expect(maxAbsDifference(own.factors.flat(), group.floats(c['factors']))).toBeLessThan(1e-6);
      expect(maxAbsDifference(own.bias, group.floats(c['bias']))).toBeLessThan(1e-6);
      const rgb = latentToRgb(group.floats(c['latent']), own);
      const golden = group.floats(c['rgb']);
      expect(maxAbsDifference(rgb, golden)).toBeLessThanOrEqual(1e-5);
      expect(maxAbsDifference(rgbToBytes(rgb), group.floats(c['bytes_rounded']))).toBeLessThanOrEqual(1);
      expect(maxAbsDifference(rgbToBytes(rgb, 'truncate'), group.floats(c['bytes_truncated']))).toBeLessThanOrEqual(1);
    });
  }
});
