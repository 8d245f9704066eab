import { expect, it } from 'vitest';
import { latentToRgb, PREVIEW_FACTORS, rgbToBytes, type PreviewFamily } from '../../../src/lib/sampling/preview';
import { describeGroup, maxAbsDifference } from './read_group';
import { expectWithin } from '../within';

describeGroup('preview', (group) => {
  for (const c of group.cases) {
    it(c.name, () => {
      const own = PREVIEW_FACTORS[c.name as PreviewFamily];
      expect(own, `no preview factors for ${c.name}`).toBeDefined();
      expectWithin(maxAbsDifference(own.factors.flat(), group.floats(c['factors'])), 1e-6);
      expectWithin(maxAbsDifference(own.bias, group.floats(c['bias'])), 1e-6);
      const rgb = latentToRgb(group.floats(c['latent']), own);
      const golden = group.floats(c['rgb']);
      expectWithin(maxAbsDifference(rgb, golden), 1e-5);
      expectWithin(maxAbsDifference(rgbToBytes(rgb), group.floats(c['bytes_rounded'])), 1);
      expectWithin(maxAbsDifference(rgbToBytes(rgb, 'truncate'), group.floats(c['bytes_truncated'])), 1);
    });
  }
});
