/** A wrong weight is found at the block that holds it: what the golden suites print when a case fails. */
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../../src/lib/base/byte_source';
import type { DetectedFile } from '../../../src/lib/models/detect';
import type { ModelPart } from '../../../src/lib/models/part';
import { dequantizeTensor } from '../../../src/lib/quant/dequantize';
import { goldenGroup } from '../golden_dir';
import { nodeStore } from './node_store';
import { OUT_OF_SCOPE } from './out_of_scope';
import { explain, jobsOf, type Job } from './suite';

const root = goldenGroup('models');

/** NMSE by intermediate, in the order of execution; those that our graphs do not name are left out. */
async function errorsOf(job: Job): Promise<{ name: string; nmse: number }[]> {
  return (await explain(job)).flatMap((line) => {
    const [, name = '', nmse] = /^(\S+) .*: (\S+)$/.exec(line) ?? [];
    return Number.isFinite(Number(nmse)) ? [{ name, nmse: Number(nmse) }] : [];
  });
}

/** The same files with one weight three times as large. */
async function spoiled(files: readonly DetectedFile[], weight: string): Promise<DetectedFile[]> {
  return Promise.all(
    files.map(async (file) => ({
      ...file,
      parts: await Promise.all(
        file.parts.map(async (part): Promise<ModelPart> => {
          const found = part.weights.get(weight);
          if (!found) return part;
          const { tensor } = found;
          const data = (await dequantizeTensor(tensor)).map((value) => 3 * value);
          const source = memorySource(weight, new Uint8Array(data.buffer));
          const wrong = { ...tensor, type: 'F32' as const, source, byteOffset: 0, byteLength: data.byteLength };
          return { ...part, weights: new Map([...part.weights, [weight, { ...found, tensor: wrong }]]) };
        }),
      ),
    })),
  );
}

/** Deep enough that something comes before the fault and something behind it. */
const LEAST_BLOCKS = 4;

/** Where the blocks' weights are, by the golden's short names. */
const PLACES: Readonly<Record<string, string>> = {
  double: 'transformer_blocks',
  single: 'single_transformer_blocks',
  block: 'encoder\\.block|transformer_blocks',
  layer: '(?:text_model\\.encoder\\.)?layers',
  layers: '(?:text_model\\.encoder\\.)?layers',
};

/** The first case with enough named blocks, and a weight of one in the middle. */
async function pickCase(): Promise<{ job: Job; weight: string; block: string } | undefined> {
  if (!root) return undefined;
  const store = nodeStore(root);
  for (const name of await store.familyNames()) {
    if (OUT_OF_SCOPE[name] !== undefined) continue;
    const { jobs } = await jobsOf(store, name);
    const job = jobs.find(({ goldenCase }) => Object.keys(goldenCase.intermediates ?? {}).length >= LEAST_BLOCKS);
    if (!job) continue;
    const blocks = Object.keys(job.goldenCase.intermediates ?? {}).filter((one) =>
      /^(double|single|block|layers?)\.?[1-9]$/.test(one),
    );
    for (const block of blocks) {
      const [, kind = '', number = ''] = /^([a-z]+)\.?(\d+)$/.exec(block) ?? [];
      const names = job.files.flatMap(({ parts }) => parts.flatMap(({ weights }) => [...weights.keys()]));
      const inside = new RegExp(`^(?:${PLACES[kind] ?? kind})\\.${number}\\..*weight$`);
      const weight = names.find((one) => inside.test(one) && !/norm/.test(one));
      if (weight !== undefined) return { job, weight, block };
    }
  }
  return undefined;
}

describe('a golden case that fails', () => {
  it('says which block is the first to differ', { timeout: 120_000 }, async (context) => {
    const picked = await pickCase();
    if (!picked) return context.skip('the golden folder has no case with named blocks');
    const { job, weight, block } = picked;
    const right = await errorsOf(job);
    expect(right.length).toBeGreaterThanOrEqual(LEAST_BLOCKS);
    for (const { name, nmse } of right) expect(nmse, name).toBeLessThan(1e-8);
    const wrong = await errorsOf({ ...job, files: await spoiled(job.files, weight) });
    const first = wrong.findIndex(({ nmse }) => nmse > 1e-6);
    expect(first, weight).toBeGreaterThan(0);
    expect(wrong[first]!.name.replace(/#\d+$/, '')).toMatch(new RegExp(`^${block.replace('.', '\\.?')}`));
  });
});
