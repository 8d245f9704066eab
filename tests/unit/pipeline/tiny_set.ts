/** Tiny whole models in memory, opened as an engine opens files, with the shipped vocabularies. */
import { createNodeBackend } from '../../../src/companion/node_backend';
import { shippedTokenizers } from '../../../src/companion/node_model';
import type { Backend } from '../../../src/lib/backends/backend';
import { memorySource } from '../../../src/lib/base/byte_source';
import { assembleModel, assertComplete } from '../../../src/lib/models/assemble';
import { checkModel } from '../../../src/lib/models/check_model';
import { openModelFiles } from '../../../src/lib/models/open_model_files';
import { LoadedModel } from '../../../src/lib/pipeline/loaded_model';
import { modelTokenizers } from '../../../src/lib/pipeline/model_tokenizers';
import type { TinyFile } from '../../tools/tiny_models';

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
