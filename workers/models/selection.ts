/** What files or addresses that were chosen together are: models to add, read from headers and the notes beside them. */
import { blobSource, type ByteSource } from '../../src/lib/base/byte_source';
import { toPlainError } from '../../src/lib/base/errors';
import { cleanPath, distinctPaths, folderOf, nameOf } from '../../src/lib/base/file_path';
import { assembleModel } from '../../src/lib/models/assemble';
import type { DetectedModel } from '../../src/lib/models/family';
import { familyById } from '../../src/lib/models/registry';
import { groupFiles } from '../../src/lib/models/group_files';
import {
  joinNotes,
  notesFromHeader,
  notesFromJson,
  notesFromModelCard,
  type ModelNotes,
} from '../../src/lib/models/notes_beside';
import { MODEL_FILE, openModelFiles, type ModelFiles, type OpenedFile } from '../../src/lib/models/open_model_files';
import type { FileReport, ModelProposal, PickedFile } from '../../src/lib/rpc/models';
import type { ModelFacts } from '../../src/lib/storage/database';
import { readSmallJson } from '../../src/lib/models/diffusers_config';

/** A model that could be added, with everything that adding needs. */
export interface Proposal {
  readonly report: Omit<ModelProposal, 'known'>;
  readonly facts: ModelFacts;
  readonly family?: string;
  readonly licence?: string;
  readonly notes?: string;
  readonly tags?: readonly string[];
  /** Files to keep, the main one first, and where the tensors of a LoRA begin. */
  readonly sources: readonly ByteSource[];
  readonly tensorStart?: number;
  readonly opened: readonly OpenedFile[];
  readonly hints: ModelFiles['hints'];
}

export interface Selection {
  readonly proposals: readonly Proposal[];
  readonly ignored: readonly string[];
}

/** Small files of a pipeline's folder that belong to the model: configurations and vocabularies. */
const COMPANION = /\.(json|txt|model)$/i;
const MAX_COMPANION_BYTES = 64 * 2 ** 20;
const MAX_PREVIEW_BYTES = 8 * 2 ** 20;
const PICTURE = /\.(png|jpe?g|webp|avif)$/i;

export function pickedSources(files: readonly PickedFile[]): ByteSource[] {
  const paths = distinctPaths(files.map(({ path }) => cleanPath(path)));
  return files.map(({ file }, i) => blobSource(paths[i] ?? file.name, file));
}

/**
 * Reads a selection.
 * @param identity tells one content of a source from another: its size and date, or its address
 * @throws AppError 'file/*' when a model file cannot be read
 */
export async function readSelection(
  sources: readonly ByteSource[],
  identity: (source: ByteSource) => string,
  signal?: AbortSignal,
): Promise<Selection> {
  const files = await openModelFiles(sources, signal);
  const proposals: Proposal[] = [];
  for (const group of groupFiles(files.files)) proposals.push(await propose(group, files, identity));
  const used = new Set(proposals.flatMap((proposal) => proposal.sources));
  const read = new Set(proposals.flatMap(({ opened }) => opened.flatMap((one) => sidecarsOf(one, files))));
  const ignored = files.others.filter((source) => !used.has(source) && !read.has(source));
  return { proposals, ignored: ignored.map((source) => source.name) };
}

async function propose(
  group: readonly OpenedFile[],
  files: ModelFiles,
  identity: (source: ByteSource) => string,
): Promise<Proposal> {
  const [main] = group;
  const sources = [...new Set([...group.flatMap((file) => file.sources), ...companionsOf(group, files)])];
  const beside = main ? await notesBeside(main, files) : {};
  const notes = joinNotes(beside, main ? notesFromHeader(main.detected.index) : {});
  const preview = main && (await previewOf(main, files));
  const model = modelOf(group, files);
  const own = main?.detected.kind ?? 'unknown';
  const kind = model.detected && group.length > 1 ? 'checkpoint' : own;
  const weightTypes = [...new Set(group.flatMap(({ detected }) => typesOf(detected.index.tensors.values())))];
  const family = model.detected?.family.id ?? main?.detected.family;
  const familyLabel =
    model.detected?.family.label ?? (main?.detected.family && familyById(main.detected.family)?.label);
  const missing =
    model.detected?.missing.map(({ label, role, encoder }) => ({ label, role, ...(encoder ? { encoder } : {}) })) ?? [];
  const tensorStart = kind === 'lora' ? main?.detected.index.container?.dataStart : undefined;
  const report: Proposal['report'] = {
    id: await idOf(sources.map(identity)),
    name: nameOfModel(main, files, notes),
    kind,
    sizeBytes: sources.reduce((sum, source) => sum + source.sizeBytes, 0),
    files: group.map(fileReport),
    missing,
    ...(family ? { family } : {}),
    ...(familyLabel === undefined ? {} : { familyLabel }),
    ...(model.problem === undefined ? {} : { problem: model.problem }),
    ...(notes.licence === undefined ? {} : { licence: notes.licence }),
    ...(notes.baseModel === undefined ? {} : { baseModel: notes.baseModel }),
    ...(notes.triggerWords === undefined ? {} : { triggerWords: notes.triggerWords }),
  };
  return {
    report,
    sources,
    opened: group,
    hints: files.hints,
    facts: factsOf(group, report, notes, weightTypes, preview),
    ...(family ? { family } : {}),
    ...(notes.licence === undefined ? {} : { licence: notes.licence }),
    ...(notes.notes === undefined ? {} : { notes: notes.notes }),
    ...(notes.tags === undefined ? {} : { tags: notes.tags }),
    ...(tensorStart === undefined ? {} : { tensorStart }),
  };
}

function factsOf(
  group: readonly OpenedFile[],
  report: Proposal['report'],
  { triggerWords, description, baseModel, pageUrl }: ModelNotes,
  weightTypes: readonly string[],
  preview: Blob | undefined,
): ModelFacts {
  const parts = group.flatMap(({ detected }) =>
    detected.parts.map(({ role, encoder, architecture, file }) => ({
      role,
      architecture,
      file,
      ...(encoder ? { encoder } : {}),
    })),
  );
  const alias = group[0]?.detected.index.metadata.get('ss_output_name');
  return {
    kind: report.kind,
    weightTypes,
    parts,
    missing: report.missing.map(({ label }) => label),
    ...(report.familyLabel ? { familyLabel: report.familyLabel } : {}),
    ...(triggerWords ? { triggerWords } : {}),
    ...(description ? { description } : {}),
    ...(baseModel ? { baseModel } : {}),
    ...(pageUrl ? { pageUrl } : {}),
    ...(preview ? { preview } : {}),
    ...(typeof alias === 'string' && alias !== '' ? { alias: alias.slice(0, 200) } : {}),
  };
}

/** The files as a model, or why they are none; parts and adapters are no problem. */
function modelOf(
  group: readonly OpenedFile[],
  { hints }: Pick<ModelFiles, 'hints'>,
): { detected?: DetectedModel; problem?: string } {
  try {
    return {
      detected: assembleModel(
        group.map((file) => file.detected),
        hints,
      ),
    };
  } catch (error) {
    const { code, message } = toPlainError(error);
    const understood = group.every(({ detected }) => detected.kind !== 'unknown' && detected.kind !== 'partial');
    return code === 'model/unrecognised' && understood ? {} : { problem: message };
  }
}

/** Everything small in the folders of the components and above them, for a diffusers pipeline. */
function companionsOf(group: readonly OpenedFile[], { others, pipeline }: ModelFiles): ByteSource[] {
  if (!group.some((file) => file.component !== undefined)) return [];
  const inside = (name: string) => pipeline === '' || name.startsWith(`${pipeline}/`);
  return others.filter(
    ({ name, sizeBytes }) =>
      inside(name) && COMPANION.test(name) && !MODEL_FILE.test(name) && sizeBytes <= MAX_COMPANION_BYTES,
  );
}

const stem = (path: string) => path.replace(MODEL_FILE, '');

/** Notes that belong to one file: named as it is, or the model card of its folder. */
function sidecarsOf(file: OpenedFile, { others }: Pick<ModelFiles, 'others'>): ByteSource[] {
  const name = file.sources[0]?.name ?? '';
  return others.filter(
    (source) =>
      source.name.startsWith(`${stem(name)}.`) ||
      (folderOf(source.name) === folderOf(name) && nameOf(source.name) === 'README.md'),
  );
}

async function notesBeside(file: OpenedFile, files: ModelFiles): Promise<ModelNotes> {
  const found: ModelNotes[] = [];
  for (const source of sidecarsOf(file, files)) {
    if (/\.(json|info)$/i.test(source.name)) found.push(notesFromJson(await readSmallJson(source)));
    else if (/\.md$/i.test(source.name) && source.sizeBytes < 2 ** 20) {
      found.push(notesFromModelCard(new TextDecoder().decode(await source.read(0, source.sizeBytes))));
    }
  }
  return joinNotes(...found);
}

async function previewOf(file: OpenedFile, files: ModelFiles): Promise<Blob | undefined> {
  const picture = sidecarsOf(file, files).find(
    ({ name, sizeBytes }) => PICTURE.test(name) && sizeBytes <= MAX_PREVIEW_BYTES,
  );
  if (!picture) return undefined;
  const ending = picture.name.split('.').pop()?.toLowerCase().replace('jpg', 'jpeg') ?? 'png';
  return new Blob([await picture.read(0, picture.sizeBytes)], { type: `image/${ending}` });
}

function nameOfModel(main: OpenedFile | undefined, files: ModelFiles, notes: ModelNotes): string {
  const path = main?.sources[0]?.name ?? 'model';
  if (main?.component === undefined) return nameOf(stem(path).replace(/(\.safetensors)?\.index.*$/i, ''));
  return nameOf(files.pipeline ?? '') || notes.name || main.detected.declared.title || 'model';
}

function typesOf(tensors: Iterable<{ readonly type: string }>): string[] {
  return [...new Set([...tensors].map((tensor) => tensor.type))];
}

function fileReport(file: OpenedFile): FileReport {
  const { detected, sources } = file;
  return {
    name: sources[0]?.name ?? detected.file,
    sizeBytes: sources.reduce((sum, source) => sum + source.sizeBytes, 0),
    kind: detected.kind,
    weightTypes: typesOf(detected.index.tensors.values()),
    tensors: detected.index.tensors.size,
    parts: detected.parts.map((part) => part.encoder ?? part.role),
    ...(detected.family ? { family: detected.family } : {}),
  };
}

/** 20 hex digits that stand for the contents; not for security. */
async function idOf(identities: readonly string[]): Promise<string> {
  const text = new TextEncoder().encode(identities.join('\n'));
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', text));
  return `model-${Array.from(bytes.subarray(0, 10), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
