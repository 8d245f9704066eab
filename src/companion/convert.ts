/** `npm run convert`: quantizes or re-packs a model file, tensor by tensor, and prints the error of each. */
import { open, rename, rm, stat } from 'node:fs/promises';
import { AppError } from '../lib/base/errors';
import { CONVERSIONS, convertIndex, type ConversionName } from '../lib/formats/convert/convert';
import type { ConvertedTensor } from '../lib/formats/convert/conversion';
import { openTensorIndex } from '../lib/formats/open_tensor_index';
import { detectFile } from '../lib/models/detect';
import { runCommand, UsageError, type Command, type Flags } from './command_line';
import { tableLines } from './convert/table';
import { openFileSet } from './node_file_set';

const NAMES = Object.keys(CONVERSIONS) as ConversionName[];

const flags = {
  type: { kind: 'choice', choices: NAMES, default: 'q8_0', about: 'type of the large weights' },
  out: {
    kind: 'text',
    required: true,
    value: 'FILE.gguf | FILE.safetensors',
    about: 'where the result goes; nf4 needs .safetensors, q types need .gguf',
  },
  arch: { kind: 'text', value: 'NAME', about: 'general.architecture of a GGUF [read or recognised from the input]' },
} as const satisfies Flags;

const command: Command<typeof flags> = {
  usage: 'npm run convert -- IN --type TYPE --out OUT',
  about:
    'Reads safetensors, GGUF, PyTorch checkpoints or a shard index; small, norm, input and output layers stay precise.',
  flags,
  words: ['IN'],
};

/** The container that the output's name asks for, when the type can be stored in it. */
function containerOf(out: string, name: ConversionName): 'gguf' | 'safetensors' {
  const container = out.endsWith('.gguf') ? 'gguf' : out.endsWith('.safetensors') ? 'safetensors' : undefined;
  if (!container) throw new UsageError('--out must end in .gguf or .safetensors');
  const { containers } = CONVERSIONS[name];
  const [only] = containers;
  if (containers.some((one) => one === container)) return container;
  throw new UsageError(`${container} has no ${name}: use --out FILE.${only}`);
}

await runCommand(command, async (options, [input = ''], signal) => {
  const name = options.type;
  const container = containerOf(options.out, name);
  const { files, close } = await openFileSet(input);
  const unfinished = `${options.out}.part`;
  try {
    const index = await openTensorIndex(files, { signal });
    const conversion = convertIndex(index, name, container, options.arch ?? detectFile(index).family ?? 'unknown');
    const rows: ConvertedTensor[] = [];
    const out = await open(unfinished, 'w').catch((cause: unknown) => {
      throw new AppError('file/unreadable', `${unfinished}: cannot be written; check the path and its permissions.`, {
        cause,
      });
    });
    try {
      for await (const bytes of conversion.write(signal, (row) => rows.push(row))) await out.write(bytes);
    } finally {
      await out.close();
    }
    await rename(unfinished, options.out);
    for (const line of tableLines(rows)) console.log(line);
    console.log(`${options.out}: ${(await stat(options.out)).size} bytes from ${files.main.sizeBytes}`);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  } finally {
    await close();
  }
});
