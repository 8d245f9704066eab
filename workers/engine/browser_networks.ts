/** Adapters, embeddings, control networks, upscalers and autoencoders in this browser's model store. */
import { AppError } from '../../src/lib/base/errors';
import type { TensorIndex } from '../../src/lib/formats/tensor_index';
import { openModelFiles } from '../../src/lib/models/open_model_files';
import { NETWORK_OF_KIND, type NetworkEntry, type NetworkStore } from '../../src/lib/pipeline/network_library';
import { openDatabase, type ModelRecord } from '../../src/lib/storage/database';
import { ModelStore } from '../../src/lib/storage/model_store';

/** Digits of hashes as infotexts have them. */
const ADAPTER_DIGITS = 12;
const MODEL_DIGITS = 10;

export function browserNetworks(): NetworkStore {
  const store = async (): Promise<ModelStore> => new ModelStore(await openDatabase());
  return {
    async list(): Promise<NetworkEntry[]> {
      try {
        const records = await (await store()).list();
        return records.flatMap((record) => entryOf(record) ?? []);
      } catch (error) {
        // A browser that refuses storage has no networks; the app works from memory.
        if (error instanceof AppError && error.code.startsWith('storage/')) return [];
        throw error;
      }
    },
    async open(id: string): Promise<TensorIndex> {
      const models = await store();
      const record = await models.get(id);
      if (!record) {
        throw new AppError('storage/not-found', `${id}: it is not in this browser's store; add its file again.`);
      }
      await models.update(id, { usedAt: Date.now() });
      // Shards and external data lie in files of their own.
      const { files } = await openModelFiles(await models.openAll(record));
      const [first] = files;
      if (first) return first.detected.index;
      throw new AppError('model/unrecognised', `${record.name}: it holds no weights; add its file again.`);
    },
  };
}

/** Undefined for models and for files that are no networks. */
function entryOf({ id, name, family, files, sizeBytes, metadata }: ModelRecord): NetworkEntry | undefined {
  const variant = metadata?.kind ?? '';
  const kind = NETWORK_OF_KIND[variant];
  if (kind === undefined) return undefined;
  const alias = metadata?.alias;
  const sha256 = files[0]?.sha256 ?? '';
  const adapter = kind === 'lora' || kind === 'embedding';
  // An adapter's hash leaves the header out, so that edited metadata keep it.
  const hash = (kind === 'lora' ? files[0]?.tensorSha256 : undefined) ?? sha256;
  return {
    id,
    name,
    kind,
    contentId: sha256 === '' ? id : sha256,
    sizeBytes,
    hash: hash.slice(0, adapter ? ADAPTER_DIGITS : MODEL_DIGITS),
    triggerWords: metadata?.triggerWords ?? [],
    ...(kind === 'control' ? { variant } : {}),
    ...(family === undefined ? {} : { family }),
    ...(alias === undefined ? {} : { aliases: [alias] }),
  };
}
