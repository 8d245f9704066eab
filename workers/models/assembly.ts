/** One stored model of the files of several: the parts share their bytes with the models they came from. */
import type { ByteSource } from '../../src/lib/base/byte_source';
import { AppError } from '../../src/lib/base/errors';
import { cleanPath } from '../../src/lib/base/file_path';
import { assembleModel } from '../../src/lib/models/assemble';
import { openModelFiles } from '../../src/lib/models/open_model_files';
import type { ModelRecord, StoredFile } from '../../src/lib/storage/database';
import type { ModelStore } from '../../src/lib/storage/model_store';

const DENOISER_KINDS = ['checkpoint', 'unet', 'transformer'];

/**
 * @param records the one with the denoiser, and those that complete it, in any order
 * @throws AppError 'model/unrecognised' when none or several have a denoiser, 'model/*' when the parts do not fit
 */
export async function joinRecords(
  store: ModelStore,
  name: string,
  records: readonly ModelRecord[],
): Promise<ModelRecord> {
  const mains = records.filter((record) => DENOISER_KINDS.includes(record.metadata?.kind ?? ''));
  const [main] = mains;
  if (!main || mains.length > 1) {
    throw new AppError(
      'model/unrecognised',
      `${name}: one of the chosen models must make pictures, ${mains.length} do; choose one, and the parts that complete it.`,
      { details: { models: mains.map((record) => record.name) } },
    );
  }
  const others = records.filter((record) => record !== main);
  const files = [...main.files, ...others.flatMap((record) => record.files.map((file) => inFolder(record.name, file)))];
  const now = Date.now();
  const joined: ModelRecord = {
    ...main,
    id: `model-${crypto.randomUUID()}`,
    name,
    files,
    sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    addedAt: now,
    usedAt: now,
  };
  return { ...joined, ...(await factsOf(store, joined)) };
}

/** Names inside an entry are paths; each part has a folder of its own. */
function inFolder(folder: string, file: StoredFile): StoredFile {
  return { ...file, path: `${cleanPath(folder.replace(/[/\\]/g, ' '))}/${file.path}` };
}

async function factsOf(store: ModelStore, record: ModelRecord): Promise<Pick<ModelRecord, 'family' | 'metadata'>> {
  const sources: ByteSource[] = await store.openAll(record);
  const { files, hints } = await openModelFiles(sources);
  const model = assembleModel(
    files.map((file) => file.detected),
    hints,
  );
  const types = files.flatMap(({ detected }) => [...detected.index.tensors.values()].map((tensor) => tensor.type));
  const parts = files.flatMap(({ detected }) =>
    detected.parts.map(({ role, encoder, architecture, file }) => ({
      role,
      architecture,
      file,
      ...(encoder ? { encoder } : {}),
    })),
  );
  return {
    family: model.family.id,
    metadata: {
      ...record.metadata,
      kind: 'checkpoint',
      familyLabel: model.family.label,
      weightTypes: [...new Set(types)],
      parts,
      missing: model.missing.map((part) => part.label),
    },
  };
}
