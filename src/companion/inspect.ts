/** `npm run inspect`: what a file is, what running it takes, whether it fits. Reads headers only. */
import { writeFile } from 'node:fs/promises';
import { openTensorIndex } from '../lib/formats/open_tensor_index';
import { detectFile, type DetectedFile } from '../lib/models/detect';
import { openModelFiles } from '../lib/models/open_model_files';
import type { HintTable } from '../lib/models/part';
import { FIT_MEASURES } from '../lib/pipeline/fit';
import { runCommand, type Command, type Flags } from './command_line';
import { inspectDetected } from './inspect/report';
import { reportLines } from './inspect/table';
import { openFileSet } from './node_file_set';
import { openModelPaths } from './node_model_files';

const GIB = 2 ** 30;

const flags = {
  'limit-gb': { kind: 'number', min: 0.1, max: 1024, default: 4, about: 'device memory that the page may use, GiB' },
  'buffer-mb': { kind: 'number', min: 16, max: 65_536, default: 2047, about: 'largest buffer and binding, MiB' },
  tflops: { kind: 'number', min: 0.001, max: 10_000, about: 'speed that the device reaches; adds an estimated time' },
  assume: {
    kind: 'choice',
    choices: ['engine', 'all'],
    default: 'engine',
    about: 'fit with what the engine does today, or with tiled decoding and sequential loading as well',
  },
  json: { kind: 'text', value: 'FILE', about: 'also write the report as JSON' },
} as const satisfies Flags;

const command: Command<typeof flags> = {
  usage: 'npm run inspect -- FILE|FOLDER|URL ... [--limit-gb N] [--json FILE]',
  about:
    'Folders, zips and shard sets are read as a whole. Files of one model are named together: checkpoint, autoencoder, text encoders. Servers must serve ranges.',
  flags,
  words: ['FILE ...'],
};

const isAddress = (word: string) => /^https?:\/\//i.test(word);

interface Opened {
  readonly detected: readonly DetectedFile[];
  readonly hints: HintTable;
  readonly close: () => Promise<void>;
}

/** @throws AppError 'file/*' of the first file that cannot be read */
async function openWords(words: readonly string[], signal: AbortSignal): Promise<Opened> {
  const opened: { close(): Promise<unknown> }[] = [];
  const close = async () => void (await Promise.all(opened.map((one) => one.close())));
  try {
    const paths = words.filter((word) => !isAddress(word));
    const detected: DetectedFile[] = [];
    let hints: HintTable = {};
    if (paths.length > 0) {
      const set = await openModelPaths(paths);
      opened.push(set);
      const { files, hints: found } = await openModelFiles(set.sources, signal);
      detected.push(...files.map((file) => file.detected));
      hints = found;
    }
    for (const address of words.filter(isAddress)) {
      const set = await openFileSet(address, signal);
      opened.push(set);
      detected.push(detectFile(await openTensorIndex(set.files, { signal })));
    }
    return { detected, hints, close };
  } catch (error) {
    await close();
    throw error;
  }
}

await runCommand(command, async (options, words, signal) => {
  const { detected, hints, close } = await openWords(words, signal);
  try {
    const bufferBytes = options['buffer-mb'] * 2 ** 20;
    const report = inspectDetected(detected, hints, {
      limits: { maxBufferBytes: bufferBytes, maxBindingBytes: bufferBytes, budgetBytes: options['limit-gb'] * GIB },
      ...(options.assume === 'all' ? { measures: FIT_MEASURES } : {}),
      ...(options.tflops === undefined ? {} : { measuredFlopsPerSecond: options.tflops * 1e12 }),
    });
    for (const line of reportLines(report)) console.log(line);
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  } finally {
    await close();
  }
});
