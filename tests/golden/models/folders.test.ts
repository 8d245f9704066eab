/** Folders of diffusers: one model with its parts, of the family of the single file beside it, that can be planned. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspectDetected } from '../../../src/companion/inspect/report';
import { openModelPaths } from '../../../src/companion/node_model_files';
import { assembleModel } from '../../../src/lib/models/assemble';
import { checkModel } from '../../../src/lib/models/check_model';
import { openModelFiles } from '../../../src/lib/models/open_model_files';
import { goldenGroup } from '../golden_dir';

const GIB = 2 ** 30;
const options = {
  limits: { maxBufferBytes: 2 * GIB, maxBindingBytes: 2 * GIB - 4, budgetBytes: 4 * GIB },
  factors: [1],
};
const DENOISERS = ['checkpoint', 'unet', 'transformer'];
const root = goldenGroup('models');
const list = root && join(root, 'detect.json');

/** Folders with a denoiser, and the family that `detect.json` has for the single file beside them. */
function folders(): [string, string][] {
  if (!root || !list || !existsSync(list)) return [];
  const facts = JSON.parse(readFileSync(list, 'utf8')) as Record<string, { kind: string; family?: string }>;
  return readdirSync(root).flatMap((name): [string, string][] => {
    const inside = join(root, name, 'diffusers');
    const denoiser = ['unet', 'transformer'].some((part) => existsSync(join(inside, part)));
    const beside = Object.entries(facts).find(
      ([path, { kind }]) => path.startsWith(`${name}/`) && DENOISERS.includes(kind),
    );
    return denoiser && beside?.[1].family ? [[name, beside[1].family]] : [];
  });
}

const found = folders();
if (!root || found.length === 0) {
  it.skip('folders: GOLDEN_DIR has no folders of diffusers', () => undefined);
} else {
  describe('folders of diffusers', () => {
    it.each(found)('%s is %s', async (name, family) => {
      const { sources, close } = await openModelPaths([join(root, name, 'diffusers')]);
      try {
        const { files, hints } = await openModelFiles(sources);
        const detected = files.map((file) => file.detected);
        const model = assembleModel(detected, hints);
        expect(model.family.id).toBe(family);
        checkModel(model);
        expect(inspectDetected(detected, hints, options).model?.sizes).toMatchObject([{ verdict: 'fits' }]);
      } finally {
        await close();
      }
    });
  });
}
