/**
 * Lets one run of a denoiser serve several conditions: a graph built for `rows * batch` pictures takes its shared
 * inputs once, and gives each condition's prediction as an output of its own. So guidance needs no copies on the host.
 */
import { AppError } from '../../base/errors';
import type { AnyNode, Graph, Value, ValueId } from '../ir';
import { valueOf } from '../ir';

/**
 * @param graph  built with batch `rows * batch`, condition by condition: rows 0..batch-1 are the first condition
 * @param rows  conditions, at least 1
 * @param shared  inputs that are the same for every condition; they shrink to `[batch, …]`
 * @param output  output to split; replaced by `${output}_0`, `${output}_1`, … each `[batch, …]`; absent: outputs stay whole
 * @throws AppError 'graph/shape' when a batch does not divide by `rows`
 */
export function guidanceRows(graph: Graph, rows: number, shared: readonly string[], output?: string): Graph {
  const values: Value[] = [...graph.values];
  const inputs = new Map(graph.inputs);
  const joins: AnyNode[] = [];
  const add = (value: Omit<Value, 'id'>): ValueId => {
    values.push({ ...value, id: values.length });
    return values.length - 1;
  };
  for (const name of shared) {
    const id = graph.inputs.get(name);
    if (id === undefined || rows === 1) continue;
    const value = valueOf(graph, id);
    const single = add({ ...value, shape: [batchOf(graph, value, rows), ...value.shape.slice(1)] });
    // The joined value keeps its id, so no consumer changes.
    values[id] = { ...value, source: { kind: 'node', node: joins.length } };
    const inputIds = Array.from({ length: rows }, () => single);
    joins.push({ op: 'concat', inputs: inputIds, attrs: { axis: 0 }, output: id, scope: `guidance.${name}` });
    inputs.set(name, single);
  }
  const nodes: AnyNode[] = [...joins, ...graph.nodes];
  for (const node of graph.nodes) {
    const value = valueOf(graph, node.output);
    if (value.source.kind === 'node') {
      values[node.output] = { ...value, source: { kind: 'node', node: value.source.node + joins.length } };
    }
  }
  if (output === undefined) return { ...graph, values, nodes, inputs };
  const outputs = new Map(graph.outputs);
  const outputId = graph.outputs.get(output);
  if (outputId === undefined) throw new AppError('graph/shape', `${graph.name}: has no output "${output}".`);
  const whole = valueOf(graph, outputId);
  const length = batchOf(graph, whole, rows);
  outputs.delete(output);
  for (let row = 0; row < rows; row++) {
    if (rows === 1) {
      outputs.set(`${output}_0`, outputId);
      break;
    }
    const id = add({
      ...whole,
      shape: [length, ...whole.shape.slice(1)],
      source: { kind: 'node', node: nodes.length },
    });
    const attrs = { axis: 0, start: row * length, length };
    nodes.push({ op: 'slice', inputs: [outputId], attrs, output: id, scope: `guidance.${output}` });
    outputs.set(`${output}_${row}`, id);
  }
  return { ...graph, values, nodes, inputs, outputs };
}

function batchOf(graph: Graph, value: Value, rows: number): number {
  const batch = (value.shape[0] ?? 0) / rows;
  if (!Number.isInteger(batch) || batch < 1) {
    throw new AppError(
      'graph/shape',
      `${graph.name}: a batch of ${value.shape[0]} does not divide by ${rows} conditions.`,
    );
  }
  return batch;
}
