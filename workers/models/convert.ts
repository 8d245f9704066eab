/** "Make it smaller": a stored model's network quantized into a new stored model; everything else is shared with it. */
import { AppError } from '../../src/lib/base/errors';
import { folderOf, nameOf } from '../../src/lib/base/file_path';
import { CONVERSIONS, convertIndex } from '../../src/lib/formats/convert/convert';
import type { Conversion, ConvertedTensor } from '../../src/lib/formats/convert/conversion';
import { MODEL_FILE, openModelFiles, type OpenedFile } from '../../src/lib/models/open_model_files';
import type { ConvertReport, ConvertType, TransferProgress } from '../../src/lib/rpc/models';
import type { ModelRecord } from '../../src/lib/storage/database';
import type { ImportFile } from '../../src/lib/storage/model_import';
import type { ModelStore } from '../../src/lib/storage/model_store';

const SHOWN_ROWS = 12;

/** The file whose weights weigh most among those with a denoiser, else the first. */
function mainFile(files: readonly OpenedFile[]): OpenedFile | undefined {
  return files.find(({ detected }) => detected.parts.some((part) => part.role === 'denoiser')) ?? files[0];
}

/**
 * @returns the new record; the old one stays
 * @throws AppError 'model/unrecognised' without weights, 'storage/*', 'job/cancelled'
 */
export async function convertModel(
  store: ModelStore,
  record: ModelRecord,
  name: ConvertType,
  signal: AbortSignal,
  onProgress: TransferProgress,
): Promise<Omit<ConvertReport, 'entry'> & { record: ModelRecord }> {
  const { files } = await openModelFiles(await store.openAll(record), signal);
  const main = mainFile(files);
  if (!main) throw new AppError('model/unrecognised', `model ${record.name}: it has no weights to make smaller.`);
  const [container] = CONVERSIONS[name].containers;
  const conversion = convertIndex(main.detected.index, name, container, main.detected.family ?? 'unknown');
  const rows: ConvertedTensor[] = [];
  const path = main.sources[0]?.name ?? 'model';
  const folder = folderOf(path);
  const stem = nameOf(path)
    .replace(MODEL_FILE, '')
    .replace(/(\.safetensors)?\.index(\..*)?\.json$/i, '');
  const file: ImportFile = {
    path: `${folder === '' ? '' : `${folder}/`}${stem}-${name}.${container}`,
    sizeBytes: conversion.sizeBytes,
    open: (offset) => Promise.resolve(conversionStream(conversion, offset, signal, (row) => rows.push(row))),
  };
  const id = `${record.id}-${name}`;
  // Rows tell the errors, so an earlier attempt's bytes are of no use.
  await store.discardImport(id);
  const made = await store.import([file], { id, name: `${record.name} ${name.toUpperCase()}`, signal, onProgress });
  const replaced = new Set(main.sources.map((source) => source.name));
  const kept = record.files.filter((one) => !replaced.has(one.path));
  const types = [...new Set(rows.map((row) => row.to))];
  const sizeBytes = [...made.files, ...kept].reduce((sum, one) => sum + one.sizeBytes, 0);
  const joined: ModelRecord = {
    ...record,
    ...made,
    files: [...made.files, ...kept],
    sizeBytes,
    origin: `${record.name}, ${name}`,
    metadata: { ...record.metadata, weightTypes: types },
  };
  await store.add(joined);
  return { record: joined, beforeBytes: record.sizeBytes, afterBytes: sizeBytes, worst: worstRows(rows) };
}

function worstRows(rows: readonly ConvertedTensor[]): ConvertReport['worst'] {
  const sorted = [...rows].sort((a, b) => b.nmse - a.nmse).slice(0, SHOWN_ROWS);
  return sorted.map(({ name, to, nmse, maxAbs }) => ({ name, to, nmse, maxAbs }));
}

function conversionStream(
  conversion: Conversion,
  offset: number,
  signal: AbortSignal,
  onTensor: (row: ConvertedTensor) => void,
): ReadableStream<Uint8Array> {
  const bytes = conversion.write(signal, onTensor);
  let skip = offset;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          const next = await bytes.next();
          if (next.done === true) return controller.close();
          const { value } = next;
          const skipped = Math.min(skip, value.length);
          skip -= skipped;
          if (skipped < value.length) return controller.enqueue(value.subarray(skipped));
        }
      },
      cancel: async () => void (await bytes.return(undefined)),
    },
    { highWaterMark: 0 },
  );
}
