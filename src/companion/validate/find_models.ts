/** What can be drawn with the files of a folder: models with the parts that complete them. Headers are read, no weights. */
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
import { regularFilesBelow } from '../node_files';
import { isNetworkFile } from '../node_networks';

/** What is opened together: a pipeline's folder, a set of shards, or one file. */
interface UnitPaths {
  readonly paths: readonly string[];
  /** The file that it is called after. */
  readonly main: string;
}

interface Unit extends UnitPaths {
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

/**
 * Bounds of the search for one model's parts, nearest first; folders of thousands of encoders must end. A set is built
 * from its headers to see whether it fits (tens of milliseconds), an attempt only asks what is still missing.
 */
const MAX_SETS = 32;
const MAX_ATTEMPTS = 500;

/** @throws AppError 'file/unreadable' when the folder cannot be read */
export async function findModels(folder: string): Promise<FoundFiles> {
  const problems: { name: string; reason: string }[] = [];
  const named = (path: string) => relative(folder, path) || basename(path);
  const units: Unit[] = [];
  for (const paths of await unitPaths(folder)) {
    try {
      units.push(await readUnit(paths));
    } catch (error) {
      problems.push({ name: named(paths.main), reason: toPlainError(error).message });
    }
  }
  const models: FoundModel[] = [];
  for (const unit of units.filter((one) => has(one, 'denoiser'))) {
    const name = named(unit.main);
    const found = complete(unit, nearestFirst(unit, units));
    if ('reason' in found) problems.push({ name, reason: found.reason });
    else {
      const completedBy = found.with.map(({ main }) => named(main));
      models.push({ name, paths: found.paths, model: found.model, completedBy });
    }
  }
  const loras = units.flatMap(({ main, files: [file] }) =>
    file?.kind === 'lora' ? [{ path: main, name: named(main), file }] : [],
  );
  return { models, loras, problems };
}

async function unitPaths(folder: string): Promise<UnitPaths[]> {
  const all = await regularFilesBelow(folder);
  const pipelines = all.filter((path) => basename(path) === 'model_index.json').map((path) => dirname(path));
  const inside = (path: string) => pipelines.some((pipeline) => path.startsWith(join(pipeline, '/')));
  const indexes = all.filter((path) => /\.index(\.[\w-]+)?\.json$/i.test(path) && !inside(path));
  const indexed = new Set(indexes.map((path) => dirname(path)));
  const sets = new Map<string, string[]>(indexes.map((path) => [path, [path]]));
  for (const path of all.filter(isNetworkFile)) {
    if (inside(path)) continue;
    const place = shardPlace(basename(path));
    if (place && indexed.has(dirname(path))) continue;
    const key = place ? join(dirname(path), place.set) : path;
    sets.set(key, [...(sets.get(key) ?? []), path]);
  }
  const units = withConfigurations([...sets.values()], new Set(all));
  return [...pipelines.map((path) => ({ main: path, paths: [path] })), ...units];
}

/** Weights alone in a folder with a configuration, such as a transformer of diffusers: the folder is opened as one. */
function withConfigurations(sets: readonly string[][], all: ReadonlySet<string>): UnitPaths[] {
  const perFolder = new Map<string, number>();
  for (const [main = ''] of sets) perFolder.set(dirname(main), (perFolder.get(dirname(main)) ?? 0) + 1);
  return sets.map((paths) => {
    const [main = ''] = paths;
    const folder = dirname(main);
    const alone = perFolder.get(folder) === 1 && all.has(join(folder, 'config.json'));
    return { main, paths: alone ? [folder] : paths };
  });
}

async function readUnit(unit: UnitPaths): Promise<Unit> {
  const { sources, close } = await openModelPaths(unit.paths);
  try {
    const { files, hints } = await openModelFiles(sources);
    return { ...unit, files: files.map((file) => file.detected), hints };
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

/** Units by the steps from one's folder to theirs. */
function nearestFirst(unit: Unit, units: readonly Unit[]): Unit[] {
  const own = dirname(unit.main).split(sep);
  const distance = ({ main }: Unit) => {
    const theirs = dirname(main).split(sep);
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

interface Completed {
  readonly paths: readonly string[];
  readonly model: DetectedModel;
  /** What was added to the denoiser's own files. */
  readonly with: readonly Unit[];
}

/** The first set of parts that fits a denoiser, or why there is none. */
function complete(unit: Unit, others: readonly Unit[]): Completed | { reason: string } {
  let reason = '';
  let judged = false;
  let sets = 0;
  let attempts = 0;
  const encodersThere = ({ missing }: DetectedModel) => missing.every(({ role }) => role !== 'text-encoder');
  /** @param filling  what the last unit was added for */
  const attempt = (added: readonly Unit[], filling?: MissingPart): Completed | undefined => {
    if (sets >= MAX_SETS || attempts >= MAX_ATTEMPTS) return undefined;
    attempts += 1;
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
      if (missing && missing.role === filling?.role && missing.encoder === filling.encoder) return undefined;
      // Encoders are judged before an autoencoder is looked for: most sets fail here.
      if (encodersThere(model)) {
        sets += 1;
        checkModel(model);
      }
      if (!missing) return { paths: units.flatMap(({ paths }) => paths), model, with: added };
      if (reason === '') reason = `needs ${model.missing.map(({ label }) => label).join(' and ')}, which is not here`;
      for (const other of others) {
        if (units.includes(other) || !offers(other, missing)) continue;
        const found = attempt([...added, other], missing);
        if (found) return found;
      }
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      // Of the nearest set.
      if (!judged) reason = error.message;
      judged = true;
    }
    return undefined;
  };
  const found = attempt([]);
  if (found) return found;
  const ended = sets >= MAX_SETS || attempts >= MAX_ATTEMPTS;
  return { reason: ended ? `${reason} (the nearest ${sets} sets of parts were tried)` : reason };
}
