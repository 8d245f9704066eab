/**
 * The whole pipeline with the model that ships, against a run of the same weights in PyTorch: fixed noise, 12 Euler
 * steps, classifier-free guidance, decoded picture.
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNodeBackend, type NodeBackendId } from '../../../src/companion/node_backend';
import { openFileSource } from '../../../src/companion/node_file_source';
import { defaultModelFiles, loadNodeModel } from '../../../src/companion/node_model';
import type { Backend, HostTensor } from '../../../src/lib/backends/backend';
import { nmse } from '../../../src/lib/backends/op_cases/run_op_case';
import { openTensorIndex } from '../../../src/lib/formats/open_tensor_index';
import { generate } from '../../../src/lib/pipeline/generate';
import type { LoadedModel } from '../../../src/lib/pipeline/loaded_model';
import { dequantizeTensor } from '../../../src/lib/quant/dequantize';
import type { PixelImage } from '../../../src/lib/rpc/engine';

const folder = resolve(import.meta.dirname, '../data/default_model');

interface Reference {
  readonly prompts: readonly string[];
  readonly negative_prompt: string;
  readonly steps: number;
  readonly cfg: number;
}

describe.each(['onnx-wasm', 'onnx-node'] as const satisfies readonly NodeBackendId[])('default model on %s', (id) => {
  const reference = JSON.parse(readFileSync(join(folder, 'reference.json'), 'utf8')) as Reference;
  const tensors = new Map<string, HostTensor>();
  let backend: Backend | undefined;
  let opened: { model: LoadedModel; close: () => Promise<void> } | undefined;
  let missing = '';

  beforeAll(async () => {
    const source = await openFileSource(join(folder, 'reference.safetensors'));
    for (const [name, tensor] of (await openTensorIndex(source)).tensors) {
      if (tensor.type === 'F32') tensors.set(name, { shape: tensor.shape, data: await dequantizeTensor(tensor) });
    }
    await source.close();
    try {
      backend = await createNodeBackend(id, 0);
    } catch (error) {
      missing = String(error);
      return;
    }
    opened = await loadNodeModel(await defaultModelFiles(), backend);
  }, 120_000);

  afterAll(async () => {
    await opened?.model.dispose();
    await backend?.dispose();
    await opened?.close();
  });

  it.each(reference.prompts.map((prompt, row) => ({ prompt, row })))(
    '$prompt: latents and picture',
    async ({ prompt, row }) => {
      if (!opened || !backend) {
        console.log(`skipped: ${id}: ${missing}`);
        return;
      }
      const part = (name: string): HostTensor => {
        const whole = tensors.get(name)!;
        const count = whole.data.length / whole.shape[0]!;
        return { shape: [1, ...whole.shape.slice(1)], data: whole.data.slice(row * count, (row + 1) * count) };
      };
      let latents: HostTensor | undefined;
      let picture: PixelImage | undefined;
      await generate(
        opened.model,
        {
          modelId: 'default',
          prompt,
          negativePrompt: reference.negative_prompt,
          steps: reference.steps,
          cfgScale: reference.cfg,
          sampler: 'Euler',
          schedule: 'Normal',
          seed: 1,
          widthPx: 128,
          heightPx: 128,
          batchSize: 1,
          batchCount: 1,
          clipSkip: 1,
          noiseSource: 'CPU',
          timestepRule: 'interpolate',
          previewEvery: 0,
        },
        {
          onEvent: () => undefined,
          randomSeed: () => 0,
          startNoise: part('noise'),
          onLatents: (final) => (latents = final),
          onPicture: (image) => (picture = image),
        },
      );
      expect(latents!.shape).toEqual(part('final_latents').shape);
      expect(nmse(latents!.data, part('final_latents').data)).toBeLessThanOrEqual(1e-5);
      const expected = part('decoded');
      const plane = 128 * 128;
      let squares = 0;
      for (let i = 0; i < plane; i++) {
        for (let c = 0; c < 3; c++) {
          const wanted = Math.floor(255 * Math.min(Math.max(expected.data[c * plane + i]!, 0), 1));
          squares += (picture!.rgba[4 * i + c]! - wanted) ** 2;
        }
      }
      expect(10 * Math.log10((255 ** 2 * 3 * plane) / squares)).toBeGreaterThanOrEqual(45);
      // Everything a job allocates goes back; only weights stay.
      expect(backend.memory().tensorBytes).toBe(0);
    },
    120_000,
  );
});
