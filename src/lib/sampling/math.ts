/** Small numerical tools the samplers share; float64 scalars only. */
import { AppError } from '../base/errors';

/**
 * Integral over a..b of the Lagrange basis polynomial that is 1 at nodes[j] and 0 at the other nodes. Exact: the
 * polynomial is expanded around a, so that close nodes and small intervals lose no digits.
 */
function lagrangeIntegral(nodes: readonly number[], j: number, a: number, b: number): number {
  let coefficients = [1];
  const own = (nodes[j] as number) - a;
  nodes.forEach((node, k) => {
    if (k === j) return;
    const other = node - a;
    const next = new Array<number>(coefficients.length + 1).fill(0);
    coefficients.forEach((c, power) => {
      next[power] = (next[power] as number) - (c * other) / (own - other);
      next[power + 1] = (next[power + 1] as number) + c / (own - other);
    });
    coefficients = next;
  });
  return coefficients.reduce((sum, c, power) => sum + (c * (b - a) ** (power + 1)) / (power + 1), 0);
}

/** Weights of the last `nodes.length` slopes (newest first) for a step a to b: variable-step Adams-Bashforth. */
export function adamsBashforth(nodes: readonly number[], a: number, b: number): number[] {
  return nodes.map((_, j) => lagrangeIntegral(nodes, j, a, b));
}

/** Solves M v = r by elimination with row exchange; M is small and square. @throws AppError 'job/non-finite' when singular */
export function solveLinear(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i] as number]);
  const n = rows.length;
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let r = column + 1; r < n; r++)
      if (Math.abs(cell(rows, r, column)) > Math.abs(cell(rows, pivot, column))) pivot = r;
    const pivotRow = rows[pivot] as number[];
    rows[pivot] = rows[column] as number[];
    rows[column] = pivotRow;
    const head = pivotRow[column] as number;
    if (head === 0 || !Number.isFinite(head)) {
      throw new AppError(
        'job/non-finite',
        'sampler: the multistep equations have no solution; use more distinct sigmas.',
      );
    }
    for (let r = 0; r < n; r++) {
      if (r === column) continue;
      const factor = cell(rows, r, column) / head;
      if (factor !== 0) (rows[r] as number[]).forEach((v, k, row) => (row[k] = v - factor * (pivotRow[k] as number)));
    }
  }
  return rows.map((row, i) => (row[n] as number) / (row[i] as number));
}

function cell(rows: readonly number[][], r: number, c: number): number {
  return (rows[r] as number[])[c] as number;
}

/** The newest first, at most `limit` entries; what a multistep sampler remembers. */
export function remember<T>(history: readonly T[], newest: T, limit: number): T[] {
  return [newest, ...history].slice(0, limit);
}

/** Rounds as Python, numpy and torch do: halves go to the even neighbour. */
export function roundEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
