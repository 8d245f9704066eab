/**
 * Files as people have them, opened as detected files: single ones, several at once, shard sets with or without their
 * index, ONNX with its data, diffusers folders with their configurations, zips of all these. Knows names only as far
 * as the formats themselves name their files.
 */
import type { ByteSource } from '../base/byte_source';
import { AppError } from '../base/errors';
import { cleanPath, folderOf, nameOf } from '../base/file_path';
import { openArchives } from '../formats/archive_files';
import type { FileSet } from '../formats/file_set';
import { openTensorIndex } from '../formats/open_tensor_index';
import { joinShards, shardPlace } from '../formats/sharded';
import type { TensorIndex } from '../formats/tensor_index';
import { detectFile, type DetectedFile } from './detect';
import { configHints, encoderOfFolder, readSmallJson, schedulerHints } from './diffusers_config';
import type { ConfigHints, HintTable, TextEncoderId } from './part';

/** Endings of files that hold weights. */
export const MODEL_FILE = /\.(safetensors|sft|gguf|ckpt|pt|pth|bin|onnx)$/i;
const INDEX_FILE = /\.index(\.[\w-]+)?\.json$/i;
/** Components of a pipeline folder that pictures do not need. */
const UNUSED_FOLDER = /(^|\/)(safety_checker|feature_extractor|image_processor|prior|movq)$/;

export interface OpenedFile {
  readonly detected: DetectedFile;
  /** Every source that the weights lie in, the main one first. */
  readonly sources: readonly ByteSource[];
  /** Component folder of a diffusers pipeline; absent for files that stand for themselves. */
  readonly component?: string;
}

export interface ModelFiles {
  readonly files: readonly OpenedFile[];
  /** Numbers from configurations beside the weights, for `assembleModel`. */
  readonly hints: HintTable;
  /** Everything else: configurations, vocabularies, pictures, notes. */
  readonly others: readonly ByteSource[];
  /** Folder of the diffusers pipeline; empty when it is the top, undefined without one. */
  readonly pipeline?: string;
}

interface Component {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly hints: ConfigHints;
}

const ALL_KEYS = [
  'denoiser',
  'clip-l',
  'openclip-h',
  'openclip-bigg',
  't5',
  'qwen3',
  'clip-vision',
  'controlnet',
] as const;

/** The same hints for whatever part a file turns out to hold. */
function hintTable(hints: ConfigHints): HintTable {
  return Object.fromEntries(ALL_KEYS.map((key) => [key, hints]));
}

/** How good a weight file of a component folder is, lower is better: folders offer the same weights in several forms. */
function rank(name: string): number {
  // Half precision holds what pictures need in half the memory; EMA weights are the better ones.
  const faults = [/\.onnx$/i, /\.(bin|pt|pth|ckpt)$/i, /non_ema/i, /^(?!.*\bfp16\b)/i];
  return faults.reduce((sum, fault, i) => sum + (fault.test(name) ? 2 ** (faults.length - i) : 0), 0);
}

class Opener {
  readonly #sources: readonly ByteSource[];
  readonly #signal: AbortSignal | undefined;
  readonly #components = new Map<string, Component>();

  constructor(sources: readonly ByteSource[], signal: AbortSignal | undefined) {
    this.#sources = sources;
    this.#signal = signal;
  }

  async open(): Promise<ModelFiles> {
    const pipeline = this.#pipeline();
    await this.#readConfigurations();
    const files: OpenedFile[] = [];
    const used = new Set<ByteSource>();
    const groups = this.#choose(this.#groups(), pipeline);
    // Names tell nothing: the bytes will, or say what else it is.
    if (groups.length === 0) groups.push(...this.#sources.map((source) => [source]));
    for (const group of groups) {
      // Shards that an index has named already.
      if (group.every((source) => used.has(source))) continue;
      const file = await this.#openOne(group, pipeline);
      files.push(file);
      for (const source of file.sources) used.add(source);
    }
    return {
      files,
      hints: await this.#pipelineHints(files, pipeline),
      others: this.#sources.filter((source) => !used.has(source)),
      ...(pipeline === undefined ? {} : { pipeline }),
    };
  }

  /** The shallowest folder with a `model_index.json`. */
  #pipeline(): string | undefined {
    const folders = this.#sources.filter((s) => nameOf(s.name) === 'model_index.json').map((s) => folderOf(s.name));
    return folders.sort((a, b) => a.length - b.length)[0];
  }

  async #readConfigurations(): Promise<void> {
    for (const source of this.#sources) {
      if (nameOf(source.name) !== 'config.json') continue;
      const config = await readSmallJson(source, this.#signal);
      if (config) this.#components.set(folderOf(source.name), { config, hints: configHints(config) });
    }
  }

  /** Groups of sources that are one file each: indexes first, then numbered shards without one, then single files. */
  #groups(): ByteSource[][] {
    const weights = this.#sources.filter((source) => MODEL_FILE.test(source.name));
    const indexes = this.#sources.filter((source) => INDEX_FILE.test(source.name));
    const indexed = new Set(indexes.map((index) => folderOf(index.name)));
    const sets = new Map<string, ByteSource[]>();
    const single: ByteSource[][] = [];
    for (const source of weights) {
      const folder = folderOf(source.name);
      const place = shardPlace(nameOf(source.name));
      if (!place) single.push([source]);
      else if (!indexed.has(folder)) {
        const key = `${folder}/${place.set}`;
        sets.set(key, [...(sets.get(key) ?? []), source]);
      }
    }
    return [...indexes.map((index) => [index]), ...sets.values(), ...single];
  }

  /**
   * What of a pipeline's folder is opened: the best weights of each component folder, and no whole checkpoint that
   * lies beside them. Files outside the pipeline are kept, behind its own: the first denoiser is the model's.
   */
  #choose(groups: readonly ByteSource[][], pipeline: string | undefined): ByteSource[][] {
    if (pipeline === undefined) return [...groups];
    const best = new Map<string, ByteSource[]>();
    const outside: ByteSource[][] = [];
    for (const group of groups) {
      const name = group[0]?.name ?? '';
      const folder = folderOf(name);
      if (pipeline !== '' && !name.startsWith(`${pipeline}/`)) outside.push(group);
      else if (folder !== pipeline && !UNUSED_FOLDER.test(folder)) {
        const held = best.get(folder);
        if (!held || rank(name) < rank(held[0]?.name ?? '')) best.set(folder, group);
      }
    }
    return [...best.values(), ...outside];
  }

  async #openOne(group: readonly ByteSource[], pipeline: string | undefined): Promise<OpenedFile> {
    const [main] = group;
    const name = main?.name ?? '';
    const folder = folderOf(name);
    const index = await this.#index(group);
    const component = this.#components.get(folder);
    const hints = component ? hintTable({ ...component.hints, ...(await this.#prediction(folder, pipeline)) }) : {};
    const encoder = encoderOfFolder(folder, component?.config);
    const detected = detectFile(index, hints, encoder ? { encoder } : {});
    const inside = new Set([...index.tensors.values()].map((tensor) => tensor.source));
    const sources = this.#sources.filter((source) => inside.has(source) || group.includes(source));
    const first = main && sources.includes(main) ? [main] : [];
    return {
      detected,
      sources: [...first, ...sources.filter((source) => source !== main)],
      ...(component && pipeline !== undefined ? { component: nameOf(folder) } : {}),
    };
  }

  async #index(group: readonly ByteSource[]): Promise<TensorIndex> {
    const signal = this.#signal;
    const options = signal ? { signal } : {};
    const [main] = group;
    if (group.length > 1 || (main && shardPlace(nameOf(main.name)))) {
      const shards = [];
      for (const source of group)
        shards.push({ name: nameOf(source.name), index: await openTensorIndex(source, options) });
      return joinShards(shards);
    }
    if (!main) throw new AppError('file/unknown-format', 'model: no file was given; choose one.');
    return openTensorIndex(this.#fileSet(main), options);
  }

  #fileSet(main: ByteSource): FileSet {
    const folder = folderOf(main.name);
    return {
      main,
      openSibling: (name) =>
        Promise.resolve(this.#sources.find((s) => nameOf(s.name) === name && folderOf(s.name) === folder)),
    };
  }

  async #prediction(folder: string, pipeline: string | undefined): Promise<ConfigHints> {
    if (pipeline === undefined || !/^(unet|transformer)$/.test(nameOf(folder))) return {};
    const at = [pipeline, 'scheduler', 'scheduler_config.json'].filter((one) => one !== '').join('/');
    const source = this.#sources.find(({ name }) => name === at);
    const config = source && (await readSmallJson(source, this.#signal));
    return config ? schedulerHints(config) : {};
  }

  /** Hints by what the parts turned out to be; `assembleModel` may read an encoder again as another one. */
  async #pipelineHints(files: readonly OpenedFile[], pipeline: string | undefined): Promise<HintTable> {
    const table: Partial<Record<TextEncoderId | 'denoiser', ConfigHints>> = {};
    for (const { detected, sources } of files) {
      const folder = folderOf(sources[0]?.name ?? '');
      const component = this.#components.get(folder);
      if (!component) continue;
      for (const part of detected.parts) {
        const key = part.encoder ?? (part.role === 'denoiser' ? part.role : undefined);
        if (key && !(key in table)) table[key] = { ...component.hints, ...(await this.#prediction(folder, pipeline)) };
      }
    }
    return table;
  }
}

/**
 * Opens files that were given together.
 * @param sources named by relative paths, as the user's folder has them
 * @throws AppError 'file/*' of the first file that cannot be read, 'quant/bad-companion'
 */
export async function openModelFiles(sources: readonly ByteSource[], signal?: AbortSignal): Promise<ModelFiles> {
  const files = await openArchives(sources, signal);
  return new Opener(files.map(named), signal).open();
}

function named(source: ByteSource): ByteSource {
  const name = cleanPath(source.name);
  return name === source.name ? source : { ...source, name, read: source.read.bind(source) };
}
