/**
 * Group norms with statistics from outside: a picture computed in tiles needs those of the whole picture, or every tile
 * has a brightness of its own. `withNormMoments` gives the statistics of a run, `fixedNorms` takes them.
 */
import type { Graph, Node, TensorType, ValueId } from '../ir';
import { valueOf } from '../ir';
import { GraphWriter } from './graph_writer';

const isNorm = (node: { op: string }): node is Node<'groupNorm'> => node.op === 'groupNorm';

export interface NormSite {
  readonly groups: number;
  readonly eps: number;
  readonly channels: number;
  /** Names of the weights. */
  readonly gamma: string;
  readonly beta: string;
}

/** Names of a norm's moments among the outputs, and of its coefficients among the inputs. */
export const momentNames = (site: number) => ({ mean: `norm ${site} mean`, square: `norm ${site} square` });
export const coefficientNames = (site: number) => ({ scale: `norm ${site} scale`, shift: `norm ${site} shift` });

/** Group norms in the order of the nodes. Norms whose gain is no weight are left out, with all others of that graph. */
export function normSites(graph: Graph): NormSite[] {
  return graph.nodes.filter(isNorm).flatMap(({ inputs: [x, weight, bias], attrs: { groups, eps } }) => {
    const gamma = weight === undefined ? undefined : valueOf(graph, weight).source;
    const beta = bias === undefined ? undefined : valueOf(graph, bias).source;
    const channels = x === undefined ? 0 : (valueOf(graph, x).shape[1] ?? 0);
    if (gamma?.kind !== 'weight' || beta?.kind !== 'weight') return [];
    return [{ groups, eps, channels, gamma: gamma.name, beta: beta.name }];
  });
}

/** Fine enough to leave the edges of a tile out, coarse enough to be read back. */
const MOMENT_WINDOWS = 16;

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** Side of square windows that divide both sides of an image, not many more than asked for along the shorter. */
function windowSize(height: number, width: number, windows: number): number {
  const most = gcd(height, width);
  let size = Math.max(1, Math.min(most, Math.floor(Math.min(height, width) / windows)));
  while (most % size !== 0) size--;
  return size;
}

/** Means of x and of x² over windows, as outputs by name. */
class Moments {
  readonly outputs = new Map<string, ValueId>();
  readonly #writer: GraphWriter;
  readonly #windows: number;

  /** @param windows along the shorter side, at most; more where the sides do not divide by them */
  constructor(writer: GraphWriter, windows: number) {
    this.#writer = writer;
    this.#windows = windows;
  }

  /** @param x a value of the new graph */
  add(site: number, x: ValueId, scope: string): void {
    const writer = this.#writer;
    const [, , height = 1, width = 1] = writer.type(x).shape;
    const size = windowSize(height, width, this.#windows);
    const names = momentNames(site);
    this.outputs.set(names.mean, writer.emit('averagePool', [x], { size }, scope));
    const square = writer.emit('unary', [x], { kind: 'square' }, scope);
    this.outputs.set(names.square, writer.emit('averagePool', [square], { size }, scope));
  }
}

/** The graph with the moments of every group norm's input as its outputs: means of x and of x² over windows, `[N, C, …]`. */
export function withNormMoments(graph: Graph): Graph {
  const writer = new GraphWriter(graph);
  const moments = new Moments(writer, 1);
  let site = 0;
  for (const node of graph.nodes) {
    writer.copy(node);
    const [x] = node.inputs;
    if (isNorm(node) && x !== undefined) moments.add(site++, writer.map(x), node.scope);
  }
  return { ...writer.finish(), outputs: moments.outputs };
}

/**
 * The graph with every group norm as x · scale + shift, both inputs `[1, C, 1, 1]`; activations follow.
 * @param moments the norms' moments take the place of the outputs
 */
export function fixedNorms(graph: Graph, { moments = false }: { readonly moments?: boolean } = {}): Graph {
  const writer = new GraphWriter(graph);
  const found = new Moments(writer, MOMENT_WINDOWS);
  let site = 0;
  for (const node of graph.nodes) {
    const [x] = node.inputs;
    if (!isNorm(node) || x === undefined) {
      writer.copy(node);
      continue;
    }
    const value = valueOf(graph, x);
    const type: TensorType = { shape: [1, value.shape[1] ?? 1, 1, 1], elementType: 'f32', layout: 'image' };
    if (moments) found.add(site, writer.map(x), node.scope);
    const names = coefficientNames(site++);
    const scaled = writer.emit('binary', [writer.map(x), writer.input(names.scale, type)], { kind: 'mul' }, node.scope);
    let y = writer.emit('binary', [scaled, writer.input(names.shift, type)], { kind: 'add' }, node.scope);
    const { activation } = node.attrs;
    if (activation) y = writer.emit('unary', [y], { kind: activation }, node.scope);
    writer.replace(node.output, y);
  }
  return moments ? { ...writer.finish(), outputs: found.outputs } : writer.finish();
}
