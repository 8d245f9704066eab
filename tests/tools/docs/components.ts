/** Graphs of every published model's components, for tables of what they need. */
import { graphCost, type GraphCost } from '../../../src/lib/graph/cost';
import type { OpName } from '../../../src/lib/graph/ops/registry';
import { syntheticModel } from '../../../src/lib/models/synthetic';
import { TRUE_SIZES } from '../../../src/lib/models/true_sizes';
import { decoderGraph, denoiserGraph, encoderGraphs } from '../../../src/lib/pipeline/fit_stages';

export interface Component {
  readonly model: string;
  readonly label: string;
  /** Encoder id, `denoiser` or `decoder`. */
  readonly part: string;
  readonly parameters: number;
  readonly cost: GraphCost;
  readonly ops: ReadonlySet<OpName>;
}

/** One entry per component at the size that the model was made for, f16 weights, 256 prompt tokens where free. */
export function publishedComponents(): Component[] {
  return TRUE_SIZES.flatMap((size) => {
    const model = syntheticModel(size);
    const spec = { widthPx: size.nativePx, heightPx: size.nativePx, batch: 1, promptTokens: 256 };
    const graphs = [
      ...encoderGraphs(model, spec.promptTokens),
      { id: 'denoiser', build: () => denoiserGraph(model, spec, 1) },
      { id: 'decoder', build: () => decoderGraph(model, spec) },
    ];
    return graphs.map(({ id, build }): Component => {
      const { graph } = build();
      const shapes = graph.values.filter(({ source }) => source.kind === 'weight').map(({ shape }) => shape);
      return {
        model: size.id,
        label: size.label,
        part: id,
        parameters: shapes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0),
        cost: graphCost(graph),
        ops: new Set(graph.nodes.map(({ op }) => op)),
      };
    });
  });
}
