/** The engine in Node behind its contract, with the files of the companion's folders as what it may open. */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import type { ByteSource } from '../../lib/base/byte_source';
import { AppError } from '../../lib/base/errors';
import { openTensorIndex } from '../../lib/formats/open_tensor_index';
import type { TensorIndex } from '../../lib/formats/tensor_index';
import { EngineService, type EngineHost, type OpenedFiles } from '../../lib/pipeline/engine_service';
import { NetworkLibrary, type NetworkEntry } from '../../lib/pipeline/network_library';
import type { EngineContract, ModelSource, NetworkKind } from '../../lib/rpc/engine';
import { paintText } from '../plot/label_font';
import { readAsset } from '../node_assets';
import { createNodeBackend, type NodeBackendId } from '../node_backend';
import { openFileSource } from '../node_file_source';
import { encodePicture } from '../node_codecs';
import { builtinModels, openVocabulary, shippedTokenizers, staticDir } from '../node_model';
import { tensorHash } from '../node_networks';
import { filesOf, findFile, type Catalogue, type CatalogueFile, type CatalogueGroup } from './catalogue';
import { ModelFolders, type LocalFile } from './scan';

/** What the companion's routes ask of an engine: jobs, and what there is to use in them. */
export interface CompanionEngine extends EngineContract {
  catalogue(): Promise<Catalogue>;
  /** Looks at the model folders again. */
  refresh(): Promise<void>;
}

export interface NodeEngineOptions {
  readonly backend: NodeBackendId;
  /** 0: all cores. */
  readonly threads: number;
  readonly folders: readonly string[];
  /** `tokenizer.json` files of T5 and Qwen encoders. */
  readonly tokenizers: readonly string[];
}

const NETWORK_GROUPS: readonly (readonly [CatalogueGroup, NetworkKind])[] = [
  ['lora', 'lora'],
  ['embedding', 'embedding'],
  ['control', 'control'],
  ['upscaler', 'upscaler'],
  ['vae', 'vae'],
];

/** @throws AppError 'backend/unavailable', 'tokenizer/vocabulary' */
export async function createCompanionEngine(options: NodeEngineOptions): Promise<CompanionEngine> {
  const library = new NodeLibrary(options.folders);
  await library.refresh();
  const host: EngineHost = {
    createBackend: async () => {
      const backend = await createNodeBackend(options.backend, options.threads);
      return { backend, reason: options.backend === 'auto' ? 'fastest' : 'start' };
    },
    openFiles: async (source) => {
      const files = await library.open(source);
      const own = await Promise.all(options.tokenizers.map((path) => openVocabulary(path)));
      return { ...files, sources: [...files.sources, ...own] };
    },
    tokenizers: shippedTokenizers,
    encodePicture,
    paintText,
    readAsset,
    randomSeed: () => randomInt(2 ** 32),
    isolated: false,
    library: new NetworkLibrary({
      list: () => library.list(),
      open: (id) => library.openNetwork(id),
      adapterHash: (id) => library.adapterHash(id),
    }),
  };
  const service = new EngineService(host);
  await service.start({ backend: 'auto', threads: options.threads, baseUrl: '' });
  return Object.assign(service, {
    catalogue: () => library.catalogue(),
    refresh: () => library.refresh(),
  });
}

/** Model folders and shipped models, opened by name. Handles stay open: the engine reads weights when it needs them. */
class NodeLibrary {
  readonly #folders: ModelFolders;
  readonly #sources = new Map<string, Promise<ByteSource>>();

  constructor(folders: readonly string[]) {
    this.#folders = new ModelFolders(folders);
  }

  async refresh(): Promise<void> {
    await this.#folders.refresh();
  }

  async catalogue(): Promise<Catalogue> {
    const shipped = (await builtinModels()).map((model): CatalogueFile => {
      const [file] = model.files;
      return {
        id: model.id,
        name: model.name,
        file: file?.path ?? model.id,
        kind: 'checkpoint',
        sizeBytes: model.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
        metadata: {},
        builtin: true,
        ...(file ? { sha256: file.sha256 } : {}),
      };
    });
    // Places on this disk are nobody's business.
    const found = this.#folders.files.map(({ path: _path, ...file }) => file);
    return { files: [...shipped, ...found], skipped: this.#folders.skipped };
  }

  async list(): Promise<readonly NetworkEntry[]> {
    return NETWORK_GROUPS.flatMap(([group, kind]) =>
      this.#group(group).map((file) => ({
        id: file.id,
        name: file.name,
        kind,
        contentId: file.sha256 ?? `${file.path}:${file.sizeBytes}`,
        ...(kind === 'control' ? { variant: file.kind } : {}),
        ...(file.family === undefined ? {} : { family: file.family }),
        triggerWords: [],
        sizeBytes: file.sizeBytes,
        // An adapter's hash leaves the header out; it is computed when it is used.
        hash: kind === 'lora' ? '' : (file.sha256?.slice(0, kind === 'embedding' ? 12 : 10) ?? ''),
      })),
    );
  }

  /** Header of a network. @throws AppError 'storage/not-found', 'file/…' */
  async openNetwork(id: string): Promise<TensorIndex> {
    return openTensorIndex(await this.#source(this.#network(id).path));
  }

  async adapterHash(id: string): Promise<string> {
    return tensorHash(this.#network(id).path, await this.openNetwork(id));
  }

  #network(id: string): LocalFile {
    const file = NETWORK_GROUPS.flatMap(([group]) => this.#group(group)).find((one) => one.id === id);
    if (!file) throw notFound('network', id);
    return file;
  }

  /** @throws AppError 'storage/not-found', 'file/…' */
  async open(source: ModelSource): Promise<OpenedFiles> {
    if (source.kind === 'files') {
      throw new AppError(
        'argument/invalid',
        'model: files of a browser cannot be opened here; put them into a model folder.',
      );
    }
    const modules = source.modules ?? [];
    const extra = await Promise.all(modules.map((name) => this.#source(this.#need('module', name).path)));
    if (source.kind === 'builtin') {
      const model = (await builtinModels()).find(({ id }) => id === source.id);
      if (!model) throw notFound('model', source.id);
      const sources = await Promise.all(model.files.map(({ path }) => this.#source(join(staticDir, 'models', path))));
      const { id, name, files, defaults } = model;
      return {
        id,
        name,
        sha256: files[0]?.sha256 ?? '',
        sources: [...sources, ...extra],
        ...(defaults ? { defaults } : {}),
      };
    }
    const shipped = (await builtinModels()).find(({ id }) => id === source.id);
    if (shipped) return this.open({ ...source, kind: 'builtin' });
    const file = this.#need('model', source.id);
    const sources = [await this.#source(file.path), ...extra];
    return { id: file.id, name: file.name, sha256: await this.#folders.sha256(file), sources };
  }

  #group(group: CatalogueGroup): readonly LocalFile[] {
    return filesOf({ files: this.#folders.files, skipped: [] }, group) as readonly LocalFile[];
  }

  #find(group: CatalogueGroup, name: string): LocalFile | undefined {
    return findFile({ files: this.#folders.files, skipped: [] }, group, name) as LocalFile | undefined;
  }

  #need(group: CatalogueGroup, name: string): LocalFile {
    const file = this.#find(group, name);
    if (!file) throw notFound(group, name);
    return file;
  }

  #source(path: string): Promise<ByteSource> {
    return remember(this.#sources, path, () => openFileSource(path));
  }
}

/** A failure is not remembered: the next call tries again. */
function remember<T>(held: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  let value = held.get(key);
  if (!value) {
    value = make();
    value.catch(() => held.delete(key));
    held.set(key, value);
  }
  return value;
}

function notFound(what: string, name: string): AppError {
  return new AppError(
    'storage/not-found',
    `${what} "${name}": is not in the companion's folders; put the file there and refresh the list.`,
    { details: { name } },
  );
}
