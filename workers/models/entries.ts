/** Catalogue rows as the page sees them. */
import type { ModelEntry } from '../../src/lib/rpc/models';
import type { BuiltinModel } from '../../src/lib/storage/builtin_models';
import type { ModelRecord } from '../../src/lib/storage/database';

const SHORT_HASH_DIGITS = 10;

export function entryOf(record: ModelRecord): ModelEntry {
  const { files, metadata, family, origin, licence, notes, tags, ...row } = record;
  const { kind, familyLabel, weightTypes, parts, missing, triggerWords, description, baseModel, pageUrl, preview } =
    metadata ?? {};
  return {
    ...row,
    builtin: false,
    stored: true,
    inPlace: files.some((file) => file.handle !== undefined),
    hash: files[0]?.sha256.slice(0, SHORT_HASH_DIGITS) ?? '',
    files: files.map(({ path, sizeBytes, sha256 }) => ({ path, sizeBytes, sha256 })),
    ...defined({ family, origin, licence, notes, tags, kind, familyLabel, weightTypes, parts, missing }),
    ...defined({ triggerWords, description, baseModel, pageUrl, preview }),
  };
}

/** A model of the app that nobody has fetched yet. */
export function builtinEntry({ id, name, licence, files }: BuiltinModel): ModelEntry {
  return {
    id,
    name,
    licence,
    files,
    sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    hash: files[0]?.sha256.slice(0, SHORT_HASH_DIGITS) ?? '',
    builtin: true,
    stored: false,
    inPlace: false,
    addedAt: 0,
    usedAt: 0,
  };
}

/** Leaves out what is undefined. */
function defined<Fields extends object>(fields: Fields): { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
