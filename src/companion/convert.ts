/** `npm run convert`: quantizes or re-packs a model file, tensor by tensor, and prints the error of each. */
import { open, rename, rm, stat } from 'node:fs/promises';
import { AppError } from '../lib/base/errors';
import { openTensorIndex } from '../lib/formats/open_tensor_index';
import type { TensorIndex } from '../lib/formats/tensor_index';
import { detectFile } from '../lib/models/detect';
import type { QuantTypeId } from '../lib/quant/registry';
import { runCommand, UsageError, type Command, type Flags } from './command_line';
import { planTensor } from './convert/plan';
import { tableLines } from './convert/table';
import { writeGguf } from './convert/write_gguf';
import { writeSafetensorsFile } from './convert/write_safetensors';
import { openFileSet } from './node_file_set';

const TYPES: Readonly<Record<string, QuantTypeId>> = {
  q8_0: 'Q8_0',
  q4_0: 'Q4_0',
  q4_k: 'Q4_K',
  nf4: 'NF4',
  f16: 'F16',
};

const flags = {
  type: { kind: 'choice', choices: Object.keys(TYPES), default: 'q8_0', about: 'type of the large weights' },
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

function architectureOf(index: TensorIndex, given: string | undefined): string {
  const known = index.metadata.get('general.architecture');
  return given ?? (typeof known === 'string' ? known : (detectFile(index).family ?? 'unknown'));
}

await runCommand(command, async (options, [input = ''], signal) => {
  const type = TYPES[options.type] ?? 'Q8_0';
  const gguf = options.out.endsWith('.gguf');
  if (!gguf && !options.out.endsWith('.safetensors')) throw new UsageError('--out must end in .gguf or .safetensors');
  if (gguf && type === 'NF4') throw new UsageError('GGUF has no NF4: use --out FILE.safetensors');
  if (!gguf && type.startsWith('Q')) throw new UsageError(`safetensors has no ${type}: use --out FILE.gguf`);

  const { files, close } = await openFileSet(input);
  const unfinished = `${options.out}.part`;
  try {
    const index = await openTensorIndex(files, { signal });
    const plans = [...index.tensors.values()].map((tensor) => planTensor(tensor, type));
    const out = await open(unfinished, 'w').catch((cause: unknown) => {
      throw new AppError('file/unreadable', `${unfinished}: cannot be written; check the path and its permissions.`, {
        cause,
      });
    });
    const write = gguf
      ? writeGguf(out, index, plans, architectureOf(index, options.arch), signal)
      : writeSafetensorsFile(out, index, plans, signal);
    const rows = await write.finally(() => out.close());
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
