/** What a loader should find out about every weight file from its keys and shapes alone: `detect.json`. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeFile } from '../../../src/lib/models/describe';
import { detectFile } from '../../../src/lib/models/detect';
import { goldenGroup } from '../golden_dir';
import { nodeStore } from './node_store';

const root = goldenGroup('models');
const list = root && join(root, 'detect.json');

if (!root || !list || !existsSync(list)) {
  it.skip('detection: GOLDEN_DIR has no models/detect.json', () => undefined);
} else {
  const expected = JSON.parse(readFileSync(list, 'utf8')) as Record<string, Record<string, unknown>>;
  const store = nodeStore(root);
  describe('detection from keys and shapes', () => {
    it.each(Object.entries(expected))('%s', async (path, facts) => {
      const file = detectFile(await store.index(path));
      const found = describeFile(file);
      expect(found.kind).toBe(facts['kind']);
      for (const [key, value] of Object.entries(facts)) {
        if (key === 'kind' || key === 'prediction') continue;
        if (key === 'layout') {
          // Pieces of a model have no layout of their own.
          if (found.kind !== 'partial') expect(found.layout).toBe(value);
        } else if (key === 'container') expect(found.container).toBe(value === 'gguf' ? 'gguf' : 'pickle');
        else if (key === 'parts') expect(found.parts).toEqual(value);
        else if (key === 'quant') expect(found.quant).toBe(value);
        else if (key === 'family') expect(found.family).toBe(value);
        else expect(found.details[key], key).toBe(value);
      }
    });
  });
}
