/** Tiny whole models in memory, opened as an engine opens files, with the shipped vocabularies. */
import { createNodeBackend } from '../../../src/companion/node_backend';
import { shippedTokenizers } from '../../../src/companion/node_model';
import type { Backend, HostTensor } from '../../../src/lib/backends/backend';
import { memorySource } from '../../../src/lib/base/byte_source';
import { assembleModel, assertComplete } from '../../../src/lib/models/assemble';
import { checkModel } from '../../../src/lib/models/check_model';
import { openModelFiles } from '../../../src/lib/models/open_model_files';
import { LoadedModel } from '../../../src/lib/pipeline/loaded_model';
import { modelTokenizers } from '../../../src/lib/pipeline/model_tokenizers';
import type { GenerateHost } from '../../../src/lib/pipeline/generate';
import type { GenerateRequest } from '../../../src/lib/rpc/engine';
import { difference } from '../../golden/models/compare';
import type { TinyFile } from '../../tools/tiny_models';
import { run } from './harness';

let shared: Promise<Backend> | undefined;
export const tinyBackend = (): Promise<Backend> => (shared ??= createNodeBackend('auto', 1));

export async function openTiny(files: readonly TinyFile[]): Promise<LoadedModel> {
  const opened = await openModelFiles(files.map(({ name, bytes }) => memorySource(name, bytes)));
  const detected = assembleModel(
    opened.files.map((file) => file.detected),
    opened.hints,
  );
  assertComplete(detected);
  checkModel(detected);
  const indexes = opened.files.map((file) => file.detected.index);
  return new LoadedModel({
    detected,
    backend: await tinyBackend(),
    tokenizers: await modelTokenizers(detected, { files: [], indexes }, shippedTokenizers),
    id: detected.label,
    name: detected.label,
    hash: '',
  });
}

/** For a whole job of a tiny model on a busy machine. */
export const SLOW = 300_000;
export const PLAIN = { cfgScale: 1, schedule: '', steps: 2 } as const;

const models = new Map<string, Promise<LoadedModel>>();

/** Opened once for all tests of a file; `closeTiny` ends them. */
export function modelOf(
  id: string,
  make: () => Promise<readonly TinyFile[]> | readonly TinyFile[],
): Promise<LoadedModel> {
  const known = models.get(id) ?? Promise.resolve(make()).then((made) => openTiny(made));
  models.set(id, known);
  return known;
}

export async function closeTiny(): Promise<void> {
  for (const opened of await Promise.allSettled(models.values())) {
    if (opened.status === 'fulfilled') await opened.value.dispose();
  }
  models.clear();
  await (await tinyBackend()).dispose();
}

export const nmse = (a: HostTensor, b: HostTensor) => difference(a, b).nmse;

export async function latentsOf(
  model: LoadedModel,
  request: Partial<GenerateRequest>,
  host: Partial<GenerateHost> = {},
): Promise<HostTensor> {
  return (await run(model, { ...PLAIN, ...request }, host)).latents[0]!;
}
