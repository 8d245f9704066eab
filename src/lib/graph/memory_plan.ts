/**
 * Where every intermediate lies in one arena: live ranges, sharing of memory, offsets. Exact before anything is
 * allocated. Knows nothing of devices; what a device cannot share it says by options.
 */
import { sameShape } from '../base/shape';
import type { AnyNode, Graph, ValueId } from './ir';
import { valueOf } from './ir';
import { liveRanges, mostAtOnce, valueBytes } from './liveness';

export interface MemoryPlanOptions {
  /** Offsets and sizes are multiples of this; 256 in WebGPU. Default 256. */
  readonly alignBytes?: number;
  /** Bytes of an f32 value as the device stores it: 4, or 2 for f16. i32 takes 4. Default 4. */
  readonly bytesPerElement?: 2 | 4;
  /** Exact bytes of one value, for devices that pad; takes precedence over `bytesPerElement`. */
  readonly bytes?: (id: ValueId) => number;
  /** True where the output is its first input's memory, at no cost. Default: reshape. */
  readonly isView?: (node: AnyNode) => boolean;
  /**
   * Position of an input whose memory the node may overwrite with its output, element by element. Default: see
   * `inPlaceInputs`. In WebGPU only kernels that bind input and output as one buffer may say so.
   */
  readonly inPlace?: (node: AnyNode, graph: Graph) => readonly number[];
  /** False for values that live outside the arena, such as inputs and outputs with buffers of their own. Default: all. */
  readonly inArena?: (id: ValueId) => boolean;
}

export interface Placement {
  readonly offset: number;
  readonly bytes: number;
}

export interface ArenaPlan {
  /** By value id: inputs of the graph and every node's output that lies in the arena. Views share their source's. */
  readonly placements: ReadonlyMap<ValueId, Placement>;
  readonly peakBytes: number;
  /** Without any sharing. */
  readonly naiveBytes: number;
  /** Most bytes alive at one node, sharing included: no placement can go below. */
  readonly lowerBoundBytes: number;
}

/** Values in one piece of memory, alive from the first's birth to the last's death. */
interface Block {
  first: number;
  last: number;
  bytes: number;
  readonly ids: ValueId[];
}

interface Placed extends Placement {
  readonly block: Block;
}

/** Inputs that a node can overwrite: the same elements in the same order, read before they are written. */
export function inPlaceInputs(node: AnyNode, graph: Graph): readonly number[] {
  const candidates = ((): number[] => {
    switch (node.op) {
      case 'unary':
        return [0];
      case 'binary':
        return [0, 1];
      case 'lincomb':
        return node.inputs.map((_, position) => position);
      case 'conv2d':
      case 'linear':
        return [3];
      default:
        return [];
    }
  })();
  const shape = valueOf(graph, node.output).shape;
  return candidates.filter((position) => {
    const id = node.inputs[position];
    if (id === undefined || !sameShape(valueOf(graph, id).shape, shape)) return false;
    // A residual that is also x or weight is read again after the first element is written.
    const others = node.inputs.filter((other, at) => at !== position && other === id);
    return others.length === 0 || node.op === 'binary' || node.op === 'lincomb';
  });
}

const isReshape = (node: AnyNode) => node.op === 'reshape';

/** Views and in-place results joined with what they share memory with. */
function makeBlocks(graph: Graph, options: MemoryPlanOptions, bytes: (id: ValueId) => number): Block[] {
  const { isView = isReshape, inPlace = inPlaceInputs, inArena = () => true } = options;
  const ranges = liveRanges(graph);
  const blockOf = new Map<ValueId, Block>();
  const blocks: Block[] = [];
  const open = (id: ValueId): void => {
    const range = ranges.get(id);
    if (!range || !inArena(id)) return;
    const block: Block = { first: range.first, last: range.last, bytes: bytes(id), ids: [id] };
    blocks.push(block);
    blockOf.set(id, block);
  };
  const join = (id: ValueId, block: Block): void => {
    block.ids.push(id);
    block.last = Math.max(block.last, ranges.get(id)?.last ?? 0);
    block.bytes = Math.max(block.bytes, bytes(id));
    blockOf.set(id, block);
  };
  for (const id of graph.inputs.values()) open(id);
  for (const [position, node] of graph.nodes.entries()) {
    const source = node.inputs[0] === undefined ? undefined : blockOf.get(node.inputs[0]);
    if (isView(node) && source && inArena(node.output)) {
      join(node.output, source);
      continue;
    }
    const target = inArena(node.output) ? overwritten(node, position) : undefined;
    if (target) join(node.output, target);
    else open(node.output);
  }
  return blocks;

  /** The block that dies here and may hold the output. */
  function overwritten(node: AnyNode, position: number): Block | undefined {
    for (const at of inPlace(node, graph)) {
      const id = node.inputs[at];
      const block = id === undefined ? undefined : blockOf.get(id);
      const dies = block !== undefined && block.last === position && block.bytes === bytes(node.output);
      // Another input may see the same memory through a view.
      const shared = node.inputs.some((other) => other !== undefined && other !== id && blockOf.get(other) === block);
      // Inputs of the graph belong to the caller until the run ends.
      if (dies && !shared && block.first >= 0) return block;
    }
    return undefined;
  }
}

const byOffset = (a: Placed, b: Placed) => a.offset - b.offset;

/** Places blocks in the given order, each in the smallest gap among those alive at the same time. */
function place(order: readonly Block[], limit: number): { placed: Placed[]; peak: number } | undefined {
  const placed: Placed[] = [];
  let peak = 0;
  for (const block of order) {
    const alive = placed.filter((other) => other.block.first <= block.last && block.first <= other.block.last);
    alive.sort(byOffset);
    let end = 0;
    let best: number | undefined;
    let bestGap = Infinity;
    for (const other of alive) {
      const gap = other.offset - end;
      if (gap >= block.bytes && gap < bestGap) [best, bestGap] = [end, gap];
      end = Math.max(end, other.offset + other.bytes);
    }
    const offset = best ?? end;
    peak = Math.max(peak, offset + block.bytes);
    if (peak >= limit) return undefined;
    placed.push({ block, offset, bytes: block.bytes });
  }
  return { placed, peak };
}

/**
 * Offsets for all values, by four greedy orders of which the best is kept.
 * Source: greedy by size, Pisarchyk & Lee 2020 ("Efficient Memory Management for Deep Neural Net Inference"), with
 * best-fit gaps; and the same by birth, by lifetime and by size times lifetime.
 */
export function planMemory(graph: Graph, options: MemoryPlanOptions = {}): ArenaPlan {
  const { alignBytes = 256, bytesPerElement = 4 } = options;
  const exact =
    options.bytes ??
    ((id: ValueId) => {
      const value = valueOf(graph, id);
      return (valueBytes(value) / 4) * (value.elementType === 'i32' ? 4 : bytesPerElement);
    });
  const bytes = (id: ValueId) => Math.ceil(exact(id) / alignBytes) * alignBytes;
  const blocks = makeBlocks(graph, options, bytes);
  const lowerBoundBytes = mostAtOnce(blocks, graph.nodes.length);
  const span = (block: Block) => block.last - block.first + 1;
  const orders: ((a: Block, b: Block) => number)[] = [
    (a, b) => b.bytes - a.bytes || a.first - b.first,
    (a, b) => a.first - b.first || b.bytes - a.bytes,
    (a, b) => span(b) - span(a) || b.bytes - a.bytes,
    (a, b) => span(b) * b.bytes - span(a) * a.bytes || a.first - b.first,
  ];
  let best: { placed: Placed[]; peak: number } = { placed: [], peak: Infinity };
  for (const order of orders) {
    if (best.peak <= lowerBoundBytes) break;
    best = place([...blocks].sort(order), best.peak) ?? best;
  }
  const placements = new Map<ValueId, Placement>();
  let naiveBytes = 0;
  for (const { block, offset } of best.placed) {
    for (const id of block.ids) {
      placements.set(id, { offset, bytes: bytes(id) });
      naiveBytes += bytes(id);
    }
  }
  return { placements, peakBytes: best.placed.length === 0 ? 0 : best.peak, naiveBytes, lowerBoundBytes };
}
