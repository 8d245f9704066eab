/** What must hold of two adapters on a model, whatever its stored type: sums, merging, removal, and what the file says. */
import { expect } from 'vitest';
import type { HostTensor } from '../../../src/lib/backends/backend';
import { nmse } from '../../../src/lib/backends/op_cases/run_op_case';
import { memorySource } from '../../../src/lib/base/byte_source';
import { openTensorIndex } from '../../../src/lib/formats/open_tensor_index';
import { writeSafetensors } from '../../../src/lib/formats/safetensors_write';
import type { TensorIndex } from '../../../src/lib/formats/tensor_index';
import { readParameters } from '../../../src/lib/infotext/parameter_fields';
import { readLoraStack } from '../../../src/lib/models/lora/stack';
import type { GenerateHost } from '../../../src/lib/pipeline/generate';
import { NetworkStacks } from '../../../src/lib/pipeline/networks';
import { dequantizeTensor } from '../../../src/lib/quant/dequantize';
import type { GenerateRequest, JobResult } from '../../../src/lib/rpc/engine';

type Draw = (
  request: Partial<GenerateRequest>,
  host: Partial<GenerateHost>,
) => Promise<{ latent: HostTensor; result: JobResult }>;

/** Share of a file's tensors that fit the parts of a model. */
export async function fitOf(parts: Parameters<typeof readLoraStack>[0], index: TensorIndex): Promise<number> {
  const request = { id: 'fit', index, unetStrength: 1, textStrength: 1 };
  const { reports } = await readLoraStack(parts, [request]);
  const [report] = reports;
  return report ? report.matchedKeys / report.keys : 0;
}

/** The same adapter with minus half of its effect, as a file of its own. */
async function halfReversed(index: TensorIndex): Promise<TensorIndex> {
  const tensors = [];
  for (const [name, stored] of index.tensors) {
    const data = await dequantizeTensor(stored);
    const up = /\.lora_up\.|\.lora_B\./.test(name);
    tensors.push({ name, shape: stored.shape, data: up ? data.map((value) => -0.5 * value) : data });
  }
  return openTensorIndex(memorySource('reversed.safetensors', writeSafetensors(tensors)));
}

/** @param index  a plain low-rank file for the model's denoiser */
export async function checkTwoAdapters(draw: Draw, index: TensorIndex): Promise<void> {
  const files = {
    first: { id: 'aaaa', index, shortHash: 'aaaaaaaaaaaa' },
    second: { id: 'bbbb', index: await halfReversed(index), shortHash: 'bbbbbbbbbbbb' },
  } as const;
  const host = {
    networks: new NetworkStacks(),
    resolveLora: (name: string) => Promise.resolve(name in files ? files[name as keyof typeof files] : undefined),
  };
  const prompt = 'a small red apple';
  const run = (tags: string, more: Partial<GenerateRequest> = {}) => draw({ prompt: prompt + tags, ...more }, host);
  const plain = await run('');
  const one = await run('<lora:first:0.5>');
  const both = await run('<lora:first:1><lora:second:1>');
  const moved = nmse(one.latent.data, plain.latent.data);
  expect(moved).toBeGreaterThan(1e-9);
  // A - A/2 = A/2, however the weights beneath are stored.
  expect(nmse(both.latent.data, one.latent.data)).toBeLessThan(1e-6 * Math.max(1, moved) + 1e-9);
  const merged = await run('<lora:first:1><lora:second:1>', { modelOptions: { loraMode: 'merge' } });
  expect(nmse(merged.latent.data, both.latent.data)).toBeLessThan(1e-6);
  // Another strength needs no other program, and no adapter leaves no trace.
  const other = await run('<lora:first:1><lora:second:0.5>');
  expect(nmse(other.latent.data, both.latent.data)).toBeGreaterThan(1e-12);
  expect((await run('')).latent.data).toEqual(plain.latent.data);
  const parameters = readParameters(both.result.images[0]!.infotext);
  expect(parameters.prompt).toContain('<lora:first:1><lora:second:1>');
  expect([...(parameters.loraHashes ?? [])]).toEqual([
    ['first', 'aaaaaaaaaaaa'],
    ['second', 'bbbbbbbbbbbb'],
  ]);
}
