/** Real tiny autoencoders beside the project (third-party, never committed): a smooth picture survives the round trip. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { HostTensor } from '../../../src/lib/backends/backend';
import { detectFile } from '../../../src/lib/models/detect';
import type { BuiltGraph, ModelPart } from '../../../src/lib/models/part';
import { buildTinyDecoder, buildTinyEncoder } from '../../../src/lib/models/tiny_vae/build';
import type { TinyVaeConfig } from '../../../src/lib/models/tiny_vae/config';
import { fixturesDir } from '../golden_dir';
import { f32 } from './adapter';
import { BACKENDS } from './backends';
import { psnr } from './compare';
import { nodeStore } from './node_store';

const folder = fixturesDir && join(fixturesDir, 'autoencoders');
const SIDE = 64;

/** A soft blob on a gradient. */
function picture(): HostTensor {
  const data = new Float32Array(3 * SIDE * SIDE);
  for (let c = 0; c < 3; c += 1)
    for (let y = 0; y < SIDE; y += 1)
      for (let x = 0; x < SIDE; x += 1) {
        const blob = Math.exp(-((x - 28 - 4 * c) ** 2 + (y - 34) ** 2) / 250);
        data[(c * SIDE + y) * SIDE + x] = 0.2 + 0.3 * (x / SIDE) + 0.45 * blob;
      }
  return f32([1, 3, SIDE, SIDE], data);
}

const pairs =
  folder && existsSync(folder) ? readdirSync(folder).filter((name) => /_encoder\.(pth|safetensors)$/.test(name)) : [];
if (!folder || pairs.length === 0)
  it.skip('tiny autoencoders: the fixtures are not beside the project', () => undefined);

it.each(pairs)('%s and its decoder', async (name) => {
  const backend = await BACKENDS.find(({ id }) => id === 'onnx-wasm')!.open();
  const store = nodeStore(folder ?? '');
  const half = async (file: string) => detectFile(await store.index(file)).parts[0] as ModelPart<TinyVaeConfig>;
  const run = async ({ graph, weights }: BuiltGraph, input: string, value: HostTensor) => {
    const program = await backend.compile(graph, weights);
    const [output] = Object.values(await program.run({ [input]: backend.upload(value) }));
    return backend.download(output!);
  };
  const size = { batch: 1, height: SIDE / 8, width: SIDE / 8 };
  const original = picture();
  const latent = await run(buildTinyEncoder(await half(name), size), 'pixels', original);
  const decoded = await run(buildTinyDecoder(await half(name.replace('encoder', 'decoder')), size), 'latent', latent);
  // Published quality on pictures is 35 dB and more; a missing branch or a wrong order ends below 15.
  expect(psnr(decoded, original)).toBeGreaterThan(28);
  await backend.dispose();
});
