/** Who had the processors while something was measured: this program with its children, or others. Linux only. */
import { readdirSync, readFileSync } from 'node:fs';

interface Ticks {
  readonly busy: number;
  readonly total: number;
  readonly ours: number;
}

function statOf(path: string): { fields: readonly string[] } | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    // The name, in brackets, may hold spaces.
    return { fields: text.slice(text.lastIndexOf(')') + 2).split(' ') };
  } catch {
    return undefined;
  }
}

/** User and system ticks of this process and everything below it. */
function ownTicks(): number {
  const parents = new Map<number, { parent: number; ticks: number }>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(`/proc/${name}/stat`);
    if (!stat) continue;
    const { fields } = stat;
    parents.set(Number(name), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
  }
  const isOurs = (pid: number): boolean => {
    for (let at = pid; at > 1; at = parents.get(at)?.parent ?? 0) if (at === process.pid) return true;
    return false;
  };
  let sum = 0;
  for (const [pid, { ticks }] of parents) if (isOurs(pid)) sum += ticks;
  return sum;
}

function read(): Ticks | undefined {
  try {
    const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '';
    const values = line.trim().split(/\s+/).slice(1, 9).map(Number);
    const total = values.reduce((sum, value) => sum + value, 0);
    const idle = (values[3] ?? 0) + (values[4] ?? 0);
    return { busy: total - idle, total, ours: ownTicks() };
  } catch {
    return undefined;
  }
}

/** Begins to watch; the function returned gives the share of all processors that other programs had, 0..1. */
export function watchProcessors(): () => number | undefined {
  const before = read();
  return () => {
    const after = read();
    if (!before || !after || after.total === before.total) return undefined;
    const foreign = after.busy - before.busy - (after.ours - before.ours);
    return Math.max(0, foreign / (after.total - before.total));
  };
}
