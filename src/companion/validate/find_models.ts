/** What can be drawn with the files of a folder: models with the parts that complete them. Headers are read, no weights. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { AppError, toPlainError } from '../../lib/base/errors';
import { shardPlace } from '../../lib/formats/sharded';
import { assembleModel } from '../../lib/models/assemble';
import { checkModel } from '../../lib/models/check_model';
import type { DetectedFile } from '../../lib/models/detect';
import type { DetectedModel, MissingPart } from '../../lib/models/family';
import { openModelFiles } from '../../lib/models/open_model_files';
import type { HintTable } from '../../lib/models/part';
import { openModelPaths } from '../node_model_files';
import { networkFilesIn } from '../node_networks';

/** Files that belong together: a pipeline's folder, a set of shards, or one file. */
interface Unit {
  readonly paths: readonly string[];
  readonly files: readonly DetectedFile[];
  readonly hints: HintTable;
}

export interface FoundModel {
  /** Relative to the folder. */
  readonly name: string;
  /** For `loadNodeModel`. */
  readonly paths: readonly string[];
  readonly model: DetectedModel;
  /** Files from elsewhere in the folder that complete it. */
  readonly completedBy: readonly string[];
}

export interface FoundFiles {
  readonly models: readonly FoundModel[];
  readonly loras: readonly { readonly path: string; readonly name: string; readonly file: DetectedFile }[];
  /** Files that cannot be used, and why. */
  readonly problems: readonly { readonly name: string; readonly reason: string }[];
}

/** Sets of parts that are tried for one model, nearest first; folders of hundreds of encoders must end. */
const MAX_SETS = 16;

/** @throws AppError 'file/unreadable' when the folder cannot be read */
export async function findModels(folder: string): Promise<FoundFiles> {
  const problems: { name: string; reason: string }[] = [];
  const named = (path: string) => relative(folder, path) || basename(path);
  const units: Unit[] = [];
  for (const paths of await unitPaths(folder)) {
    try {
      units.push(await readUnit(paths));
    } catch (error) {
      problems.push({ name: named(paths[0] ?? ''), reason: toPlainError(error).message });
    }
  }
  const models: FoundModel[] = [];
  for (const unit of units.filter((one) => has(one, 'denoiser'))) {
    const [path = ''] = unit.paths;
    const found = complete(unit, nearestFirst(path, units));
    if ('reason' in found) problems.push({ name: named(path), reason: found.reason });
    else models.push({ name: named(path), ...found, completedBy: found.paths.slice(unit.paths.length).map(named) });
  }
  const loras = units.flatMap(({ paths: [path = ''], files: [file] }) =>
    file?.kind === 'lora' ? [{ path, name: named(path), file }] : [],
  );
  return { models, loras, problems };
}

/** Paths of each unit below a folder. */
async function unitPaths(folder: string): Promise<string[][]> {
  const files = await networkFilesIn(folder);
  const all = (await readdir(folder, { recursive: true })).map((path) => join(folder, path));
  const pipelines = all.filter((path) => basename(path) === 'model_index.json').map((path) => dirname(path));
  const inside = (path: string) => pipelines.some((pipeline) => path.startsWith(join(pipeline, '/')));
  const indexes = all.filter((path) => /\.index(\.[\w-]+)?\.json$/i.test(path) && !inside(path));
  const indexed = new Set(indexes.map((path) => dirname(path)));
  const sets = new Map<string, string[]>();
  for (const path of files) {
    if (inside(path)) continue;
    const place = shardPlace(basename(path));
    if (place && indexed.has(dirname(path))) continue;
    const key = place ? join(dirname(path), place.set) : path;
    sets.set(key, [...(sets.get(key) ?? []), path]);
  }
  return [...pipelines.map((path) => [path]), ...indexes.map((path) => [path]), ...sets.values()];
}

async function readUnit(paths: readonly string[]): Promise<Unit> {
  const { sources, close } = await openModelPaths(paths);
  try {
    const { files, hints } = await openModelFiles(sources);
    return { paths, files: files.map((file) => file.detected), hints };
  } finally {
    await close();
  }
}

const has = ({ files }: Unit, role: string): boolean =>
  files.some((file) => file.parts.some((part) => part.role === role));

/** Whether a file could be the part that is missing; what really fits, `checkModel` says. */
function offers(unit: Unit, { role, encoder }: MissingPart): boolean {
  if (has(unit, 'denoiser')) return false;
  return unit.files.some((file) =>
    file.parts.some((part) => {
      if (part.role !== role) return false;
      return role === 'vae' || part.encoder === encoder || (part.architecture === 'clip' && encoder !== 't5');
    }),
  );
}

/** Units by the steps from a file's folder to theirs. */
function nearestFirst(path: string, units: readonly Unit[]): Unit[] {
  const own = dirname(path).split(sep);
  const distance = ({ paths: [other = ''] }: Unit) => {
    const theirs = dirname(other).split(sep);
    const parting = own.findIndex((part, i) => part !== theirs[i]);
    const shared = parting < 0 ? own.length : parting;
    return own.length + theirs.length - 2 * shared;
  };
  return units.toSorted((a, b) => distance(a) - distance(b));
}

/** A size that every network of the family takes. */
function smallest({ latent }: DetectedModel) {
  const side = (8 * latent.multiple) / latent.stride;
  return { batch: 1, height: side, width: side, tokens: 77 };
}

function complete(
  unit: Unit,
  others: readonly Unit[],
): { paths: readonly string[]; model: DetectedModel } | { reason: string } {
  let reason = '';
  let tries = 0;
  /** @param filling  what the last unit was added for */
  const attempt = (
    added: readonly Unit[],
    filling?: MissingPart,
  ): { paths: string[]; model: DetectedModel } | undefined => {
    if (tries >= MAX_SETS) return undefined;
    const units = [unit, ...added];
    const hints: HintTable = Object.assign({}, ...added.map((one) => one.hints), unit.hints) as HintTable;
    try {
      const model = assembleModel(
        units.flatMap(({ files }) => files),
        hints,
      );
      // A denoiser that cannot be built needs no parts.
      if (added.length === 0) model.family.buildDenoiser(model, smallest(model));
      const [missing] = model.missing;
      if (!missing) {
        tries += 1;
        checkModel(model);
        return { paths: units.flatMap(({ paths }) => paths), model };
      }
      if (reason === '')
        reason = `needs ${model.missing.map(({ label }) => label).join(' and ')}, which is not in the folder`;
      if (missing.role === filling?.role && missing.encoder === filling.encoder) return undefined;
      for (const other of others) {
        if (units.includes(other) || !offers(other, missing)) continue;
        const found = attempt([...added, other], missing);
        if (found) return found;
      }
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      reason = error.message;
    }
    return undefined;
  };
  return attempt([]) ?? { reason };
}
