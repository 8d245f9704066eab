/** Key lists of real adapter files (third-party fixtures, not part of the project): every key must find its layer. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TensorIndex } from '../../../src/lib/formats/tensor_index';
import { detectFile } from '../../../src/lib/models/detect';
import { adapterLayers } from '../../../src/lib/models/lora/keys';
import { adapterTargets } from '../../../src/lib/models/lora/targets';
import { fixturesDir } from '../golden_dir';
import { CLIP_L, clipFile, FLUX_DEV, fluxFile, T5_XXL, t5File } from '../../unit/models/published';
import { stored } from '../../unit/models/synthetic';

const folder = fixturesDir && join(fixturesDir, 'lora-keys');

/** Families of the fixtures that the product does not run: their files must be told apart, not matched. */
const OTHER_FAMILIES = /^(anima|krea2|qwen_image)_/;

if (!folder || !existsSync(folder)) {
  it.skip('adapter key lists: the fixtures are not beside the project', () => undefined);
} else {
  const part = (index: TensorIndex) => detectFile(index).parts[0]!;
  const flux = adapterTargets({
    denoiser: part(fluxFile(FLUX_DEV, 'bfl')),
    encoders: [part(clipFile(CLIP_L, 'transformers')), part(t5File(T5_XXL, 'transformers'))],
  });
  const lists = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => {
      const content = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Record<string, Record<string, number[]>>;
      const keys = content['state_dict_keys'];
      return keys ? [{ name, keys }] : [];
    });

  describe('adapter key lists', () => {
    it.each(lists)('$name', ({ name, keys }) => {
      const tensors = new Map(Object.entries(keys).map(([key, shape]) => [key, stored(key, shape)]));
      const index: TensorIndex = { format: 'safetensors', name, tensors, metadata: new Map() };
      expect(detectFile(index).kind).toBe('lora');
      const { layers, unknown } = adapterLayers(tensors);
      expect(unknown).toEqual([]);
      const missed = layers.filter((layer) => !flux.has(layer.name));
      const matched = tensors.size - missed.reduce((sum, layer) => sum + layer.keys.length, 0);
      if (OTHER_FAMILIES.test(name)) {
        expect(detectFile(index).family).toBeUndefined();
        return;
      }
      expect(detectFile(index).family).toBe('flux1');
      expect(
        matched / tensors.size,
        missed
          .slice(0, 5)
          .map((layer) => layer.name)
          .join(', '),
      ).toBeGreaterThanOrEqual(0.99);
    });
  });
}
