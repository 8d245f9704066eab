/** Reads the headers of every model file below some folders. Folders are only read, and links out of them refused. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { AppError } from '../../lib/base/errors';
import { openTensorIndex } from '../../lib/formats/open_tensor_index';
import { detectFile } from '../../lib/models/detect';
import { rrdbScale, type RrdbConfig } from '../../lib/models/upscaler/rrdb';
import type { SrvggConfig } from '../../lib/models/upscaler/srvgg';
import type { ModelPart } from '../../lib/models/part';
import { readTextualInversion } from '../../lib/models/textual_inversion';
import { openFileSource } from '../node_file_source';
import type { Catalogue, CatalogueFile } from './catalogue';

const MODEL_FILE = /\.(?:safetensors|sft|gguf|ckpt|pt|pth|bin)$/i;
/** Bounds of a scan: a folder given by mistake (a whole disk) must not keep the companion busy. */
const MAX_FILES = 2000;
const MAX_DEPTH = 6;

/** A file of the catalogue, with its place on this disk. */
export interface LocalFile extends CatalogueFile {
  readonly path: string;
}

interface Seen {
  readonly file: LocalFile | undefined;
  readonly reason: string | undefined;
}

export class ModelFolders {
  readonly #folders: readonly string[];
  /** By path, size and time of change: unchanged files are not read again. */
  readonly #seen = new Map<string, Seen>();
  readonly #hashes = new Map<string, string>();
  #files: readonly LocalFile[] = [];
  #skipped: Catalogue['skipped'] = [];

  constructor(folders: readonly string[]) {
    this.#folders = folders.map((folder) => resolve(folder));
  }

  get files(): readonly LocalFile[] {
    return this.#files.map((file) => this.#withHash(file));
  }

  get skipped(): Catalogue['skipped'] {
    return this.#skipped;
  }

  /** Looks at the folders again. A folder that is missing is named in `skipped`. */
  async refresh(): Promise<void> {
    const files: LocalFile[] = [];
    const skipped: { id: string; reason: string }[] = [];
    for (const folder of this.#folders) {
      const paths: string[] = [];
      try {
        await collect(folder, await realpath(folder), 0, paths);
      } catch (error) {
        skipped.push({
          id: basename(folder),
          reason: `the folder cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`,
        });
      }
      for (const path of paths) {
        const id = relative(folder, path).split(sep).join('/');
        const { file, reason } = await this.#look(path, id);
        if (file && !files.some((other) => other.id === id)) files.push(file);
        else skipped.push({ id, reason: reason ?? 'another folder has a file of this name' });
      }
    }
    this.#files = files;
    this.#skipped = skipped;
  }

  /** SHA-256 of a file, computed at its first use and remembered. */
  async sha256(file: LocalFile): Promise<string> {
    const key = await stateOf(file.path);
    const held = this.#hashes.get(key);
    if (held !== undefined) return held;
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(file.path)) hash.update(chunk as Uint8Array);
    const sha256 = hash.digest('hex');
    this.#hashes.set(key, sha256);
    this.#hashes.set(file.path, sha256);
    return sha256;
  }

  #withHash(file: LocalFile): LocalFile {
    const sha256 = file.sha256 ?? this.#hashes.get(file.path);
    return sha256 === undefined ? file : { ...file, sha256 };
  }

  async #look(path: string, id: string): Promise<Seen> {
    const key = await stateOf(path);
    const held = this.#seen.get(key);
    if (held) return held;
    this.#hashes.delete(path);
    const seen = await describe(path, id).then(
      (file): Seen =>
        file.kind === 'unknown'
          ? { file: undefined, reason: 'not a model of a known kind' }
          : { file, reason: undefined },
      (error: unknown): Seen => {
        if (!(error instanceof AppError)) throw error;
        return { file: undefined, reason: error.message };
      },
    );
    this.#seen.set(key, seen);
    return seen;
  }
}

async function stateOf(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  return `${path} ${size} ${mtimeMs}`;
}

async function collect(folder: string, root: string, depth: number, paths: string[]): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (paths.length >= MAX_FILES || entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    const real = await realpath(path).catch(() => undefined);
    if (real === undefined || !(real === root || real.startsWith(root + sep))) continue;
    if (entry.isDirectory()) {
      if (depth < MAX_DEPTH) await collect(path, root, depth + 1, paths);
    } else if (MODEL_FILE.test(entry.name)) paths.push(path);
  }
}

/** @throws AppError 'file/…' */
async function describe(path: string, id: string): Promise<LocalFile> {
  const source = await openFileSource(path);
  try {
    const index = await openTensorIndex(source);
    const { kind, family, parts } = detectFile(index);
    const file = basename(path);
    const upscaler = parts.find((part) => part.role === 'upscaler');
    return {
      id,
      path,
      file,
      name: file.replace(/\.[^.]+$/, ''),
      kind,
      sizeBytes: source.sizeBytes,
      metadata: textsOf(index.metadata),
      ...(family === undefined ? {} : { family }),
      ...(kind === 'embedding' ? { vectors: await vectorsOf(index) } : {}),
      ...(upscaler ? { scale: upscalerScale(upscaler) } : {}),
    };
  } finally {
    await source.close();
  }
}

async function vectorsOf(index: Parameters<typeof readTextualInversion>[0]): Promise<{ count: number; width: number }> {
  const { vectors } = await readTextualInversion(index);
  const shapes = Object.values(vectors).map(({ shape }) => shape);
  return {
    count: Math.max(0, ...shapes.map(([count = 0]) => count)),
    width: Math.max(0, ...shapes.map(([, width = 0]) => width)),
  };
}

function upscalerScale(part: ModelPart): number {
  return part.architecture === 'rrdb' ? rrdbScale(part.config as RrdbConfig) : (part.config as SrvggConfig).scale;
}

/** Texts of a header that lists may show; pictures and training logs stay in the file. */
const MAX_TEXT = 4096;

function textsOf(metadata: ReadonlyMap<string, unknown>): Record<string, string> {
  const texts = Object.create(null) as Record<string, string>;
  for (const [key, value] of metadata) if (typeof value === 'string' && value.length <= MAX_TEXT) texts[key] = value;
  return texts;
}
