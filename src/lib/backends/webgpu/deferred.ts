/**
 * Nodes that leave their work to the only node that reads them: a group norm's scale and shift in the product that reads
 * it, a norm in the modulation behind it, a low-rank side path in the sums of its layer. Each saves a whole tensor's write
 * and read, and its place in the arena. The recorder of the earlier node decides, that of the reader carries it out.
 */
import { valueOf, type AnyNode, type Graph, type Node, type ValueId } from '../../graph/ir';
import type { Operand } from './plan_types';

export type Deferred =
  | {
      readonly kind: 'affine';
      readonly x: ValueId;
      /** [N, C / 4, (scale, shift)] */
      readonly affine: Operand;
      readonly silu: boolean;
    }
  | { readonly kind: 'norm'; readonly node: Node<'layerNorm'> | Node<'rmsNorm'> }
  | {
      readonly kind: 'low-rank';
      readonly low: ValueId;
      readonly up: Operand;
      readonly rank: number;
      /** What is added after the layer's activation. */
      readonly base: ValueId | undefined;
    };

/** Operators that only rename data. */
export const ALIASES: ReadonlySet<string> = new Set(['reshape', 'imageToTokens', 'tokensToImage', 'vectorToImage']);

/** Who reads what, renamings looked through. */
export class Readers {
  readonly #graph: Graph;
  readonly #readers = new Map<ValueId, AnyNode[]>();
  readonly #outputs: ReadonlySet<ValueId>;

  /** @param needed positions of the nodes that are recorded */
  constructor(graph: Graph, needed: ReadonlySet<number>) {
    this.#graph = graph;
    this.#outputs = new Set([...graph.outputs.values()].map((id) => this.root(id)));
    for (const [position, node] of graph.nodes.entries()) {
      if (!needed.has(position) || ALIASES.has(node.op)) continue;
      for (const input of node.inputs) {
        if (input === undefined) continue;
        const root = this.root(input);
        const list = this.#readers.get(root);
        if (list) list.push(node);
        else this.#readers.set(root, [node]);
      }
    }
  }

  /** The value that holds the data of `id`. */
  root(id: ValueId): ValueId {
    const value = valueOf(this.#graph, id);
    if (value.source.kind !== 'node') return id;
    const node = this.#graph.nodes[value.source.node];
    const from = node && ALIASES.has(node.op) ? node.inputs[0] : undefined;
    return from === undefined ? id : this.root(from);
  }

  /** The one node that reads a value, once; undefined when there are several or the value is a result of the graph. */
  only(id: ValueId): AnyNode | undefined {
    const root = this.root(id);
    const readers = this.#readers.get(root) ?? [];
    return readers.length === 1 && !this.#outputs.has(root) ? readers[0] : undefined;
  }
}
