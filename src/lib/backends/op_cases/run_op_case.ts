/** Runs one case on a backend and compares with the CPU reference. */
import { AppError, toPlainError } from '../../base/errors';
import { formatShape, sameShape } from '../../base/shape';
import type { OpName } from '../../graph/ops/registry';
import type { Backend, DeviceTensor, HostTensor, Program } from '../backend';
import { createReferenceBackend } from '../reference/backend';
import type { OpCase, OpCaseData, Precision } from './op_case';

export interface OpCaseResult {
  readonly op: OpName;
  readonly name: string;
  readonly backend: string;
  readonly precision: Precision;
  /** `unsupported`: the backend refused with 'backend/unsupported-op'. `skipped`: the case leaves the precision's range. */
  readonly status: 'passed' | 'failed' | 'unsupported' | 'skipped';
  readonly ok: boolean;
  /** NMSE; NaN when nothing could be compared. */
  readonly error: number;
  readonly bound: number;
  /** One line with all parameters. */
  readonly message: string;
}

export interface RunOpCaseOptions {
  /** How the backend stores activations; default f32. */
  readonly precision?: Precision;
  /** Called after the run, before anything is disposed: a text when bytes around an output were overwritten. */
  readonly checkGuards?: (program: Program, outputs: Record<string, DeviceTensor>) => Promise<string | undefined>;
}

/** Output `y` of a case. Frees all that it made on the backend. */
export async function evaluateOpCase(
  backend: Backend,
  data: OpCaseData,
  checkGuards?: RunOpCaseOptions['checkGuards'],
): Promise<HostTensor> {
  const program = await backend.compile(data.graph, data.weights);
  const owned: DeviceTensor[] = [];
  try {
    const inputs: Record<string, DeviceTensor> = {};
    for (const [name, tensor] of Object.entries(data.inputs)) {
      const uploaded = backend.upload(tensor);
      owned.push(uploaded);
      inputs[name] = uploaded;
    }
    const outputs = await program.run(inputs);
    owned.push(...Object.values(outputs));
    const y = outputs['y'];
    if (!y) throw new AppError('internal/unexpected', `${backend.id}: the program gave no output "y".`);
    const guard = await checkGuards?.(program, outputs);
    if (guard !== undefined) throw new AppError('backend/run', `${backend.id}: ${guard}`);
    return await backend.download(y);
  } finally {
    for (const tensor of owned) tensor.dispose();
    await program.dispose();
  }
}

/** The truth for a case. */
export async function expectedOutput(data: OpCaseData): Promise<HostTensor> {
  const reference = createReferenceBackend();
  try {
    return await evaluateOpCase(reference, data);
  } finally {
    await reference.dispose();
  }
}

/** Σ(a-b)² / Σb², or Σ(a-b)² where b is all zeros. Infinite where a is not finite and b is. */
export function nmse(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let energy = 0;
  for (let i = 0; i < expected.length; i++) {
    const a = found[i] ?? NaN;
    const b = expected[i] ?? NaN;
    if (!Number.isFinite(b)) {
      if (!Object.is(a, b)) return Infinity;
      continue;
    }
    if (!Number.isFinite(a)) return Infinity;
    difference += (a - b) * (a - b);
    energy += b * b;
  }
  return energy === 0 ? difference : difference / energy;
}

function compare(found: HostTensor, expected: HostTensor, bound: number): { error: number; problem?: string } {
  const broken = found.data.findIndex((value, i) => !Number.isFinite(value) && Number.isFinite(expected.data[i]));
  if (broken >= 0) {
    return { error: NaN, problem: `element ${broken} is ${found.data[broken]}, must be ${expected.data[broken]}` };
  }
  if (!sameShape(found.shape, expected.shape) || found.data.length !== expected.data.length) {
    const shapes = `${formatShape(found.shape)}, must be ${formatShape(expected.shape)}`;
    return { error: NaN, problem: `shape ${shapes}` };
  }
  const error = nmse(found.data, expected.data);
  if (error <= bound) return { error };
  let worst = 0;
  for (let i = 1; i < expected.data.length; i++) {
    if (distance(found, expected, i) > distance(found, expected, worst)) worst = i;
  }
  const at = `worst element ${worst}: ${found.data[worst]}, must be ${expected.data[worst]}`;
  return { error, problem: `NMSE ${error.toExponential(2)} > ${bound}; ${at}` };
}

const distance = (a: HostTensor, b: HostTensor, i: number) => Math.abs((a.data[i] ?? 0) - (b.data[i] ?? 0));

/** Runs a case: NaN and infinity first, then shape, then the error bound. Never throws for a failing backend. */
export async function runOpCase(
  backend: Backend,
  opCase: OpCase,
  options: RunOpCaseOptions = {},
): Promise<OpCaseResult> {
  const { precision = 'f32', checkGuards } = options;
  const bound = opCase.bound[precision];
  const base = { op: opCase.op, name: opCase.name, backend: backend.id, precision, bound };
  const say = (text: string) => `${backend.id} ${precision}: ${opCase.name}: ${text}`;
  if (!opCase.precisions.includes(precision)) {
    return { ...base, status: 'skipped', ok: true, error: NaN, message: say(`values leave the range of ${precision}`) };
  }
  const data = opCase.build();
  const expected = await expectedOutput(data);
  let found: HostTensor;
  try {
    found = await evaluateOpCase(backend, data, checkGuards);
  } catch (error) {
    const { code, message } = toPlainError(error);
    const status = code === 'backend/unsupported-op' ? 'unsupported' : 'failed';
    return { ...base, status, ok: false, error: NaN, message: say(`${code}: ${message}`) };
  }
  const { error, problem } = compare(found, expected, bound);
  const status = problem === undefined ? 'passed' : 'failed';
  return {
    ...base,
    status,
    ok: problem === undefined,
    error,
    message: say(problem ?? `NMSE ${error.toExponential(2)}`),
  };
}
