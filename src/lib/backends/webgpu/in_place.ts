/**
 * Results that take the place of a tensor that nobody reads afterwards: residual sums, norms, point-wise operators. Their
 * kernels read such an element from the result itself, since WebGPU lets no two bindings of a dispatch overlap.
 */
import { bufferUses } from './buffer_uses';
import type { BufferId, DispatchPlan, Operand, ProgramPlan } from './plan_types';

/**
 * The same program with every result in place that may be. Legal where the result's first dispatch comes when the other
 * tensor is read for the last time, and everything between reads that tensor only where it writes (`inPlace`).
 */
export function shareInPlace(plan: ProgramPlan): ProgramPlan {
  const dispatches = [...plan.dispatches];
  const uses = bufferUses(dispatches);
  for (let position = 0; position < dispatches.length; position++) {
    const dispatch = dispatches[position];
    const y = dispatch?.bindings['y'];
    if (!dispatch?.inPlace || !y || uses.get(y.buffer)?.first !== position) continue;
    for (const name of Object.keys(dispatch.inPlace)) {
      const source = dispatch.bindings[name];
      if (!source || !isAlike(plan, source, y)) continue;
      const end = uses.get(source.buffer)?.last ?? position;
      if (!isOverwritable(dispatches, [position, end], source.buffer, y.buffer)) continue;
      takePlace(dispatches, [position, end], source.buffer, y.buffer);
      const last = uses.get(y.buffer)?.last ?? end;
      for (let i = end + 1; i <= last; i++) rebind(dispatches, i, y.buffer, source.buffer);
      uses.set(source.buffer, { first: uses.get(source.buffer)?.first ?? position, last });
      uses.delete(y.buffer);
      break;
    }
  }
  return { ...plan, dispatches };
}

/** Whole temporaries of one size: only the arena's places are free to give. */
function isAlike({ buffers }: ProgramPlan, source: Operand, y: Operand): boolean {
  const [from, to] = [buffers[source.buffer], buffers[y.buffer]];
  const whole = source.offset === 0 && y.offset === 0 && source.bytes === y.bytes;
  return whole && from?.kind === 'temp' && to?.kind === 'temp' && from.bytes === to.bytes;
}

/** Whether every dispatch of a range that touches one of the two reads the one, once, where it writes the other. */
function isOverwritable(
  dispatches: readonly DispatchPlan[],
  [begin, end]: readonly [number, number],
  source: BufferId,
  y: BufferId,
): boolean {
  return dispatches.slice(begin, end + 1).every(({ bindings, inPlace = {} }) => {
    const touching = Object.entries(bindings).flatMap(([name, operand]) =>
      operand && (operand.buffer === source || operand.buffer === y) ? [{ name, ...operand }] : [],
    );
    const written = touching.find(({ name }) => name === 'y');
    const read = touching.find(({ name }) => name in inPlace);
    if (touching.length === 0) return true;
    if (touching.length !== 2 || !written || !read || written.buffer !== y || read.buffer !== source) return false;
    return read.offset === written.offset && read.bytes === written.bytes;
  });
}

/** Dispatches of a range that bind both bind the one place as `y`, and are told what lies there. */
function takePlace(
  dispatches: DispatchPlan[],
  [begin, end]: readonly [number, number],
  source: BufferId,
  y: BufferId,
): void {
  for (let i = begin; i <= end; i++) {
    const dispatch = dispatches[i];
    const name = dispatch && Object.keys(dispatch.bindings).find((key) => dispatch.bindings[key]?.buffer === source);
    if (!dispatch || name === undefined) continue;
    const params = { ...dispatch.params, ...dispatch.inPlace?.[name] };
    dispatches[i] = { ...dispatch, params, bindings: { ...dispatch.bindings, [name]: undefined } };
    rebind(dispatches, i, y, source);
  }
}

/** Binds another buffer in place of one. */
function rebind(dispatches: DispatchPlan[], position: number, from: BufferId, to: BufferId): void {
  const dispatch = dispatches[position];
  if (!dispatch || !Object.values(dispatch.bindings).some((operand) => operand?.buffer === from)) return;
  const bindings = Object.entries(dispatch.bindings).map(
    ([name, operand]) => [name, operand?.buffer === from ? { ...operand, buffer: to } : operand] as const,
  );
  dispatches[position] = { ...dispatch, bindings: Object.fromEntries(bindings) };
}
