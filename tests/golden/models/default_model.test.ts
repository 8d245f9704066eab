/** The default model's stored run: text embeddings, first U-Net call, decoder, through detection and assembly. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Backend, HostTensor } from '../../../src/lib/backends/backend';
import { detectModel } from '../../../src/lib/models/assemble';
import type { BuiltGraph } from '../../../src/lib/models/part';
import { buildTextEncoder } from '../../../src/lib/models/text';
import { buildVaeDecoder, buildVaeEncoder } from '../../../src/lib/models/vae';
import { rows } from './adapter';
import { BACKENDS } from './backends';
import { difference } from './compare';
import { nodeStore } from './node_store';
import { loadTensor } from './load_tensor';

const beside = resolve(import.meta.dirname, '../../../../shared/models');
const files = ['tiny-icons.safetensors', 'tiny-icons-ae.safetensors', 'tiny-icons-Q8_0.gguf'];
const reference = 'tiny-icons-reference.safetensors';
const store = nodeStore(beside);

async function run(backend: Backend, { graph, weights }: BuiltGraph, inputs: Readonly<Record<string, HostTensor>>) {
  const program = await backend.compile(graph, weights);
  const device = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, backend.upload(t)]));
  const outputs = await program.run(device);
  const host = await Promise.all(
    Object.entries(outputs).map(async ([name, t]) => [name, await backend.download(t)] as const),
  );
  await program.dispose();
  return new Map(host);
}

async function tensor(name: string): Promise<HostTensor> {
  const stored = (await store.index(reference)).tensors.get(name);
  if (!stored) throw new Error(`the reference has no ${name}`);
  return loadTensor(stored);
}

function maxAbs(a: HostTensor | undefined, b: HostTensor): number {
  return Math.max(...Array.from(b.data, (x, i) => Math.abs(x - (a?.data[i] ?? NaN))));
}

if (![...files, 'tiny-icons-reference.safetensors'].every((name) => existsSync(join(beside, name)))) {
  it.skip('default model: the reference run is not beside the project', () => undefined);
} else {
  // The reference backend computes one row: it is the slow truth; WASM takes them all.
  describe.each(BACKENDS.map((choice) => ({ ...choice, count: choice.id === 'reference' ? 1 : 4 })))(
    'default model on $id',
    ({ open, count }) => {
      it('encodes, predicts and decodes like its reference run', async () => {
        const backend = await open();
        const model = detectModel(await Promise.all(files.slice(0, 2).map((name) => store.index(name))));
        expect(model.missing).toEqual([]);
        expect(model).toMatchObject({
          family: { id: 'sd1' },
          prediction: { kind: 'v' },
          defaults: { widthPx: 128, heightPx: 128 },
          latent: { channels: 4, stride: 8, multiple: 8, evenMultiple: 32, scale: 1, shift: 0 },
        });

        const tokens = rows(await tensor('input_ids'), 0, count);
        const text = await run(backend, buildTextEncoder(model, 'clip-l', { batch: count, tokens: 77 }), { tokens });
        const embeddings = rows(await tensor('text_embeddings'), 0, count);
        expect(maxAbs(text.get('hidden'), embeddings)).toBeLessThan(1e-4);

        const x = rows(await tensor('first_input'), 0, count);
        const timestep = rows(await tensor('first_timestep'), 0, count);
        const spec = { batch: count, height: 16, width: 16, tokens: 77 };
        const unet = await run(backend, model.family.buildDenoiser(model, spec), { x, timestep, context: embeddings });
        expect(maxAbs(unet.get('prediction'), rows(await tensor('first_output_cond'), 0, count))).toBeLessThan(2e-4);

        const latent = rows(await tensor('final_latents'), 0, 1);
        const decoded = await run(backend, buildVaeDecoder(model, { batch: 1, height: 16, width: 16 }), { latent });
        const pixels = decoded.get('pixels');
        const clamped = pixels && { ...pixels, data: pixels.data.map((v) => Math.min(1, Math.max(0, v))) };
        expect(maxAbs(clamped, rows(await tensor('decoded'), 0, 1))).toBeLessThan(2e-4);

        if (pixels) {
          const encoded = await run(backend, buildVaeEncoder(model, { batch: 1, height: 16, width: 16 }), { pixels });
          expect(encoded.get('latent')?.shape).toEqual([1, 4, 16, 16]);
        }
        await backend.dispose();
      });
    },
  );

  it('reads the same network from its Q8_0 GGUF', async () => {
    const choice = BACKENDS.find(({ id }) => id === 'onnx-wasm');
    if (!choice) return;
    const backend = await choice.open();
    const model = detectModel([await store.index(files[2] ?? ''), await store.index(files[1] ?? '')]);
    const spec = { batch: 4, height: 16, width: 16, tokens: 77 };
    const unet = await run(backend, model.family.buildDenoiser(model, spec), {
      x: await tensor('first_input'),
      timestep: await tensor('first_timestep'),
      context: await tensor('text_embeddings'),
    });
    const found = unet.get('prediction');
    // Eight-bit weights: about 1e-3 of the power is lost, a wrong tensor order would be near 1.
    expect(found && difference(found, await tensor('first_output_cond')).nmse).toBeLessThan(5e-3);
    await backend.dispose();
  });
}
