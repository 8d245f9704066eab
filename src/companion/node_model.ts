/** Opens model files in Node and joins them into a model. */
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Backend } from '../lib/backends/backend';
import { AppError } from '../lib/base/errors';
import { openTensorIndex } from '../lib/formats/open_tensor_index';
import { assembleModel } from '../lib/models/assemble';
import { checkModel } from '../lib/models/check_model';
import { detectFile, type DetectedFile } from '../lib/models/detect';
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

/** First 10 digits of a file's SHA-256. */
export async function shortHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
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
  const sources = await Promise.all(paths.map((path) => openFileSource(path)));
  const vocabularies = await Promise.all((options.tokenizers ?? []).map((path) => openVocabulary(path)));
  const close = async () => {
    await Promise.all([...sources, ...vocabularies].map((source) => source.close()));
  };
  try {
    const files: DetectedFile[] = [];
    for (const source of sources) files.push(detectFile(await openTensorIndex(source)));
    const detected = assembleModel(files);
    const [missing] = detected.missing;
    if (missing) {
      throw new AppError(
        'model/missing-part',
        `${detected.label}: needs ${missing.label} as well; add its file with --model.`,
        {
          details: { missing: detected.missing.map((part) => part.label) },
        },
      );
    }
    checkModel(detected);
    const indexes = files.map(({ index }) => index);
    const tokenizers = await modelTokenizers(detected, { files: vocabularies, indexes }, shippedTokenizers);
    const name = files[0]?.file.replace(/\.[^.]+$/, '') ?? 'model';
    const model = new LoadedModel({
      detected,
      backend,
      tokenizers,
      id: join(dirname(first), name),
      name,
      hash: await shortHash(first),
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
