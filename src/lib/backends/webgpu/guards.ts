/** Sentinels around everything that kernels write, for tests: a store beyond a tensor is found, not just wrong results. */
import type { Engine } from './executor';
import { readBuffer } from './read_buffer';

/** No float of a test has these bits. */
const SENTINEL = 0xa5a5a5a5;

/** A range of a buffer that a kernel may write; all else in the buffer must keep its sentinels. */
export interface WritableRange {
  readonly offset: number;
  readonly bytes: number;
}

export function fillWithSentinels({ gpu }: Engine, buffer: GPUBuffer): void {
  gpu.device.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(SENTINEL));
}

/** A text when a word outside the ranges was overwritten. */
export async function findOverwritten(
  engine: Engine,
  label: string,
  buffer: GPUBuffer,
  ranges: readonly WritableRange[],
): Promise<string | undefined> {
  const words = new Uint32Array(await readBuffer(engine, buffer, 0, buffer.size));
  for (const { offset, bytes } of ranges) words.fill(SENTINEL, offset / 4, Math.ceil((offset + bytes) / 4));
  const at = words.findIndex((word) => word !== SENTINEL);
  return at < 0 ? undefined : `${label}: the guard word at byte ${4 * at} was overwritten`;
}
