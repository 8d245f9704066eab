/** `npm run inspect`: what a file is, what running it takes, whether it fits. Reads headers only. */
import { writeFile } from 'node:fs/promises';
import { openTensorIndex } from '../lib/formats/open_tensor_index';
import type { TensorIndex } from '../lib/formats/tensor_index';
import { FIT_MEASURES } from '../lib/pipeline/fit';
import { runCommand, type Command, type Flags } from './command_line';
import { inspectFiles } from './inspect/report';
import { reportLines } from './inspect/table';
import { openFileSet } from './node_file_set';

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
  usage: 'npm run inspect -- FILE|URL ... [--limit-gb N] [--json FILE]',
  about: 'Files of one model are named together: checkpoint, autoencoder, text encoders. Servers must serve ranges.',
  flags,
  words: ['FILE ...'],
};

await runCommand(command, async (options, words, signal) => {
  const sets = [];
  try {
    const indexes: TensorIndex[] = [];
    for (const word of words) {
      const set = await openFileSet(word, signal);
      sets.push(set);
      indexes.push(await openTensorIndex(set.files, { signal }));
    }
    const bufferBytes = options['buffer-mb'] * 2 ** 20;
    const report = inspectFiles(indexes, {
      limits: { maxBufferBytes: bufferBytes, maxBindingBytes: bufferBytes, budgetBytes: options['limit-gb'] * GIB },
      ...(options.assume === 'all' ? { measures: FIT_MEASURES } : {}),
      ...(options.tflops === undefined ? {} : { measuredFlopsPerSecond: options.tflops * 1e12 }),
    });
    for (const line of reportLines(report)) console.log(line);
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, undefined, 2)}\n`);
  } finally {
    await Promise.all(sets.map((set) => set.close()));
  }
});
