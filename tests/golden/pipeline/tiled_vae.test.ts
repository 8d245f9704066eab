/**
 * Tiled autoencoders against whole ones, for every autoencoder of the golden folder: the error is bounded, and no
 * edge shows where tiles meet.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { createNodeBackend } from '../../../src/companion/node_backend';
import type { Backend } from '../../../src/lib/backends/backend';
import { detectFile } from '../../../src/lib/models/detect';
import { goldenGroup } from '../golden_dir';
import { hintsOf } from '../models/hints';
import { nodeStore } from '../models/node_store';
import { compareTiled, loadVae, type LoadedVae } from './tiled_vae_case';

const root = goldenGroup('models');
const store = root === undefined ? undefined : nodeStore(root);
const names = (await store?.familyNames()) ?? [];
let shared: Promise<Backend> | undefined;
const backend = () => (shared ??= createNodeBackend('auto', 1));
afterAll(async () => (await shared)?.dispose());

/** Networks that were compared already: folders share them. */
const seen = new Set<string>();

/** Every autoencoder of a folder, one per configuration. */
async function autoencoders(name: string): Promise<LoadedVae[]> {
  const family = await store!.family(name);
  const found = new Map<string, LoadedVae>();
  for (const path of family.files) {
    const index = await store!.index(`${name}/${path}`).catch(() => undefined);
    if (!index) continue;
    let parts: ReturnType<typeof detectFile>['parts'] = [];
    try {
      ({ parts } = detectFile(index, hintsOf(family.config)));
    } catch {
      // Damaged or foreign on purpose; the file suite judges those.
    }
    for (const part of parts) {
      const key = `${part.architecture} ${JSON.stringify(part.config)}`;
      if (part.role !== 'vae' || seen.has(key)) continue;
      seen.add(key);
      const vae = loadVae(part, await backend());
      if (vae) found.set(key, vae);
    }
  }
  return [...found.values()];
}

if (names.length === 0) it.skip('skipped: the golden folder has no models group', () => undefined);
else {
  describe.each(names)('%s', (name) => {
    it('gives the whole picture tile by tile', { timeout: 60_000 }, async (context) => {
      const all = await autoencoders(name);
      if (all.length === 0) return context.skip('holds no autoencoder of its own');
      for (const vae of all) {
        // Wrapping around is the same arithmetic for all.
        for (const circular of seen.size === 1 ? [false, true] : [false]) {
          for (const side of vae.sides) {
            const { psnr, seam, tiles } = await compareTiled(vae, side, circular);
            console.log(
              `${name.padEnd(16)} ${vae.part.architecture} ${side}${circular ? ' circular' : ''}: ${tiles} tiles, PSNR ${psnr.toFixed(1)} dB, seam ${seam.toFixed(2)}`,
            );
            expect(tiles).toBeGreaterThan(1);
            expect(psnr).toBeGreaterThan(vae.bound);
            // The error itself scatters from column to column: 0.98 to 1.14 measured.
            expect(seam).toBeLessThan(1.2);
          }
        }
        const { tensorBytes, arenaBytes } = vae.model.backend.memory();
        expect({ tensorBytes, arenaBytes }).toEqual({ tensorBytes: 0, arenaBytes: 0 });
        await vae.model.dispose();
      }
    });
  });
}
