/** Where the engine's files come from in a browser: the model store, the app's own folder, the user's files. */
import { blobSource, type ByteSource } from '../../src/lib/base/byte_source';
import { AppError } from '../../src/lib/base/errors';
import { readAhead } from '../../src/lib/base/read_ahead';
import type { OpenedFiles } from '../../src/lib/pipeline/engine_service';
import type { TokenizerSet } from '../../src/lib/pipeline/loaded_model';
import type { JobEvent, ModelSource } from '../../src/lib/rpc/engine';
import { fetchAppBytes, fetchBuiltinIndex, openBuiltin } from '../../src/lib/storage/builtin_models';
import { openDatabase } from '../../src/lib/storage/database';
import { ModelStore } from '../../src/lib/storage/model_store';
import {
  SHIPPED_VOCABULARIES,
  shippedTokenizer,
  vocabularyText,
  type FoundTokenizers,
  type TokenizerKind,
} from '../../src/lib/tokenizers/vocabularies';

/** A picture of the page costs more than the 64 KiB that came meanwhile; measured: 200 of them in a start of 6 s. */
const PROGRESS_MS = 100;

export function createBrowserFiles(baseUrl: string) {
  const modelsUrl = new URL('models/', baseUrl).href;
  const tokenizers = new Map<TokenizerKind, Promise<FoundTokenizers>>();

  /** Undefined when the browser refuses storage: the app then works from memory. */
  async function openStore(onEvent: (event: JobEvent) => void): Promise<ModelStore | undefined> {
    try {
      return new ModelStore(await openDatabase());
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      onEvent({ kind: 'notice', code: error.code, message: error.message });
      return undefined;
    }
  }

  async function open(source: ModelSource, onEvent: (event: JobEvent) => void): Promise<OpenedFiles> {
    switch (source.kind) {
      case 'files': {
        const [first] = source.files;
        const sources = source.files.map((file) => readAhead(blobSource(file.webkitRelativePath || file.name, file)));
        return { id: `file:${first?.name ?? ''}`, name: baseName(first?.name ?? 'model'), sha256: '', sources };
      }
      case 'stored': {
        const store = await openStore(onEvent);
        const record = await store?.get(source.id);
        if (!store || !record) {
          throw new AppError(
            'storage/not-found',
            `model ${source.id}: it is not in this browser's store; add its file again.`,
          );
        }
        const sources = await store.openAll(record);
        for (const id of source.modules ?? []) sources.push(...(await openModule(store, id)));
        await store.update(record.id, { usedAt: Date.now() });
        return { id: record.id, name: record.name, sha256: record.files[0]?.sha256 ?? '', sources };
      }
      case 'builtin': {
        const store = await openStore(onEvent);
        // Offline, the index comes from the service worker's cache.
        const index = await fetchBuiltinIndex(modelsUrl);
        const wanted = index.models.find((model) => [model.id, ...model.aliases].includes(source.id));
        if (!wanted) {
          throw new AppError(
            'storage/not-found',
            `model ${source.id}: the app ships no model of this name; choose another.`,
          );
        }
        const { sources } = await openBuiltin(wanted, modelsUrl, store, {
          onProgress: sparse((doneBytes, totalBytes) =>
            onEvent({ kind: 'loading', what: wanted.name, doneBytes, totalBytes }),
          ),
          onNotStored: (error) => onEvent({ kind: 'notice', code: error.code, message: error.message }),
        });
        return {
          id: wanted.id,
          name: wanted.name,
          sha256: wanted.files[0]?.sha256 ?? '',
          sources,
          ...(wanted.defaults ? { defaults: wanted.defaults } : {}),
        };
      }
    }
  }

  /** A vocabulary is fetched when a model first needs it; offline it comes from the service worker's cache. */
  function shipped(kind: TokenizerKind): Promise<FoundTokenizers> {
    const known = tokenizers.get(kind);
    if (known) return known;
    const url = new URL(`tokenizers/${SHIPPED_VOCABULARIES[kind]}`, baseUrl).href;
    const found = fetchAppBytes(url)
      .then(vocabularyText)
      .then((text) => shippedTokenizer(kind, text));
    tokenizers.set(kind, found);
    found.catch(() => tokenizers.delete(kind));
    return found;
  }

  return {
    open,
    async tokenizers(kinds: readonly TokenizerKind[]): Promise<TokenizerSet> {
      const found = await Promise.all(kinds.map(shipped));
      return Object.assign({}, ...found) as TokenizerSet;
    },
  };
}

/** Files of a text encoder or autoencoder that completes a model. */
async function openModule(store: ModelStore, id: string): Promise<ByteSource[]> {
  const record = await store.get(id);
  if (record) return store.openAll(record);
  throw new AppError(
    'storage/not-found',
    `module ${id}: it is not in this browser's store; add its file again or choose another.`,
    { details: { id } },
  );
}

/** Leaves out what comes sooner than `PROGRESS_MS` after the last one, but never the end. */
function sparse(report: (doneBytes: number, totalBytes: number) => void): typeof report {
  let last = -Infinity;
  return (doneBytes, totalBytes) => {
    const now = performance.now();
    if (now - last < PROGRESS_MS && doneBytes < totalBytes) return;
    last = now;
    report(doneBytes, totalBytes);
  };
}

function baseName(file: string): string {
  return file.replace(/\.[^.]+$/, '');
}
