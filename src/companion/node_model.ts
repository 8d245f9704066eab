/** Opens model files in Node and joins them into a model. */
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createHash } from 'node:crypto';
import type { Backend } from '../lib/backends/backend';
import type { ByteSource } from '../lib/base/byte_source';
import { AppError } from '../lib/base/errors';
import { assembleModel, assertComplete } from '../lib/models/assemble';
import { checkModel } from '../lib/models/check_model';
import { openModelFiles } from '../lib/models/open_model_files';
import { LoadedModel, type TokenizerSet } from '../lib/pipeline/loaded_model';
import { modelTokenizers } from '../lib/pipeline/model_tokenizers';
import {
  isVocabularyFile,
  SHIPPED_VOCABULARIES,
  shippedTokenizer,
  vocabularyText,
  type TokenizerKind,
} from '../lib/tokenizers/vocabularies';
import { openFileSource } from './node_file_source';
import { openModelPaths } from './node_model_files';

/** Files shipped with the app. */
export const staticDir = resolve(import.meta.dirname, '../../static');

export interface BuiltinModel {
  readonly id: string;
  readonly name: string;
  readonly files: readonly { readonly path: string; readonly sizeBytes: number; readonly sha256: string }[];
  /** Settings that suit these weights better than their family's. */
  readonly defaults?: { readonly steps?: number; readonly cfgScale?: number };
}

/** The models shipped with the app, the default one first. */
export async function builtinModels(): Promise<readonly BuiltinModel[]> {
  const index = JSON.parse(await readFile(join(staticDir, 'models/index.json'), 'utf8')) as {
    readonly default: string;
    readonly models: readonly BuiltinModel[];
  };
  return [...index.models].sort((a, b) => Number(b.id === index.default) - Number(a.id === index.default));
}

async function defaultModel(): Promise<BuiltinModel | undefined> {
  return (await builtinModels())[0];
}

/** The default model's own settings, where they differ from its family's. */
export async function defaultModelSettings(): Promise<NonNullable<BuiltinModel['defaults']>> {
  return (await defaultModel())?.defaults ?? {};
}

/** The paths of the default model's files. */
export async function defaultModelFiles(): Promise<string[]> {
  const model = await defaultModel();
  return (model?.files ?? []).map((file) => join(staticDir, 'models', file.path));
}

const HASH_STEP_BYTES = 16 * 2 ** 20;

/** First 10 digits of a file's SHA-256. */
async function shortHash(source: ByteSource | undefined): Promise<string> {
  if (!source) return '';
  const hash = createHash('sha256');
  for (let at = 0; at < source.sizeBytes; at += HASH_STEP_BYTES) {
    hash.update(await source.read(at, Math.min(HASH_STEP_BYTES, source.sizeBytes - at)));
  }
  return hash.digest('hex').slice(0, 10);
}

/**
 * Opens files that together are one model.
 * @throws AppError 'file/…', 'model/unrecognised', 'model/missing-part'
 */
export async function loadNodeModel(
  paths: readonly string[],
  backend: Backend,
  options: { readonly tokenizers?: readonly string[] } = {},
): Promise<{ model: LoadedModel; close: () => Promise<void> }> {
  const first = paths[0];
  if (first === undefined) throw new AppError('model/unrecognised', 'model: no file was given; name one with --model.');
  const { sources, close: closeFiles } = await openModelPaths(paths);
  const vocabularies = await Promise.all((options.tokenizers ?? []).map((path) => openVocabulary(path)));
  const close = async () => {
    await Promise.all([closeFiles(), ...vocabularies.map((source) => source.close())]);
  };
  try {
    const opened = await openModelFiles(sources);
    const files = opened.files.map((file) => file.detected);
    const detected = assembleModel(files, opened.hints);
    assertComplete(detected);
    checkModel(detected);
    const indexes = files.map(({ index }) => index);
    const own = opened.others.filter(({ name }) => isVocabularyFile(name));
    const given = { files: [...vocabularies, ...own], indexes };
    const tokenizers = await modelTokenizers(detected, given, shippedTokenizers);
    const name = files[0]?.file.replace(/\.[^.]+$/, '') ?? 'model';
    const model = new LoadedModel({
      detected,
      backend,
      tokenizers,
      id: join(dirname(first), name),
      name,
      hash: await shortHash(opened.files[0]?.sources[0]),
    });
    return { model, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A vocabulary file that the user names: taken for one whatever its name is. */
export async function openVocabulary(path: string): Promise<Awaited<ReturnType<typeof openFileSource>>> {
  const source = await openFileSource(path);
  return isVocabularyFile(source.name) ? source : { ...source, name: 'tokenizer.json' };
}

/** The vocabularies below `static/tokenizers`. */
export async function shippedTokenizers(kinds: readonly TokenizerKind[]): Promise<TokenizerSet> {
  const found = await Promise.all(
    kinds.map(async (kind) => {
      const bytes = await readFile(join(staticDir, 'tokenizers', SHIPPED_VOCABULARIES[kind]));
      return shippedTokenizer(kind, await vocabularyText(Uint8Array.from(bytes)));
    }),
  );
  return Object.assign({}, ...found) as TokenizerSet;
}
