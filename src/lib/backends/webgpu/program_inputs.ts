/** Tensors that a caller gives to a program, checked, each in a buffer of its own. */
import { AppError } from '../../base/errors';
import { elementCount, type Shape } from '../../base/shape';
import { valueOf } from '../../graph/ir';
import type { DeviceTensor } from '../backend';
import { matchInputs } from '../check_inputs';
import type { Engine } from './executor';
import type { ProgramPlan } from './plan_types';
import type { Range } from './residents';
import { GpuTensor, ownTensor } from './tensor';

/** A new tensor that kernels may write; with sentinels around it where guards are on. */
export function makeTensor(engine: Engine, label: string, shape: Shape, elementType: 'f32' | 'i32'): GpuTensor {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const { guardBytes, pool } = engine;
  const pooled = pool.allocate(label, 4 * elementCount(shape) + 2 * guardBytes, 'tensors', usage);
  return new GpuTensor(pool, pooled, { shape, elementType, byteOffset: guardBytes });
}

export function rangeOf({ buffer, byteOffset }: GpuTensor): Range {
  return { buffer, offset: byteOffset };
}

/**
 * Ranges by input name. A tensor given twice is copied, since one buffer cannot be bound writable twice.
 * @param copies where copies are put, for the caller to dispose of after the run or a failure
 * @throws AppError 'graph/shape', 'argument/invalid'
 */
export function placeInputs(
  engine: Engine,
  recorded: ProgramPlan,
  given: Readonly<Record<string, DeviceTensor>>,
  copies: GpuTensor[],
): Map<string, Range> {
  const { graph } = recorded;
  const ranges = new Map<string, Range>();
  const seen = new Set<GPUBuffer>();
  for (const [name, tensor] of matchInputs(graph, given)) {
    let own = ownTensor(engine.pool, tensor);
    checkType(recorded, name, own);
    checkIds(recorded, name, own);
    if (seen.has(own.buffer)) {
      own = copyOf(engine, name, own);
      copies.push(own);
    }
    seen.add(own.buffer);
    ranges.set(name, rangeOf(own));
  }
  return ranges;
}

function copyOf(engine: Engine, name: string, own: GpuTensor): GpuTensor {
  const copy = makeTensor(engine, `input ${name}`, own.shape, own.elementType);
  const { device } = engine.gpu;
  const encoder = device.createCommandEncoder({ label: `copy of ${name}` });
  encoder.copyBufferToBuffer(own.buffer, own.byteOffset, copy.buffer, copy.byteOffset, 4 * elementCount(own.shape));
  device.queue.submit([encoder.finish()]);
  return copy;
}

function checkType({ graph }: ProgramPlan, name: string, { elementType }: GpuTensor): void {
  const wanted = valueOf(graph, graph.inputs.get(name) ?? -1).elementType;
  if (elementType === wanted) return;
  throw new AppError('graph/shape', `${graph.name}: input "${name}" must hold ${wanted}, got ${elementType}.`, {
    details: { input: name, wanted, found: elementType },
  });
}

function checkIds({ graph, idChecks }: ProgramPlan, name: string, { hostInts }: GpuTensor): void {
  for (const { input, below, scope } of idChecks) {
    if (input !== name || !hostInts) continue;
    const wrong = hostInts.find((value) => value < 0 || value >= below);
    if (wrong === undefined) continue;
    throw new AppError(
      'argument/invalid',
      `${graph.name}, layer ${scope}: ids of input "${name}" must lie in 0..${below - 1}, got ${wrong}; the tokenizer does not belong to this model.`,
      { details: { input: name, below, found: wrong } },
    );
  }
}
