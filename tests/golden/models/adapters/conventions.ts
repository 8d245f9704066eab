/** Norms on low-variance inputs and activations on a ramp, as single operators with the constants our networks use. */
import type { HostTensor } from '../../../../src/lib/backends/backend';
import { GraphBuilder } from '../../../../src/lib/graph/builder';
import type { Value } from '../../../../src/lib/graph/ir';
import { NORM_EPS } from '../../../../src/lib/models/norm_eps';
import type { Adapter, CaseRun } from '../adapter';

/** A graph over the case's own inputs: weight and bias are graph inputs here. */
function graphOf(run: CaseRun): { g: GraphBuilder; values: Record<string, Value> } {
  const g = GraphBuilder.create(run.goldenCase.name, () => undefined);
  const image = run.goldenCase.params['kind'] === 'group';
  const values = Object.fromEntries(
    [...run.inputs].map(([name, t]) => [
      name,
      g.input(name, t.shape, { layout: image && t.shape.length === 4 ? 'image' : 'plain' }),
    ]),
  );
  return { g, values };
}

const ACTIVATIONS: Readonly<Record<string, (g: GraphBuilder, x: Value) => Value>> = {
  act_silu: (g, x) => g.activation(x, 'silu'),
  act_gelu_erf: (g, x) => g.activation(x, 'gelu'),
  act_gelu_tanh: (g, x) => g.activation(x, 'geluTanh'),
  act_quick_gelu: (g, x) => g.activation(x, 'quickGelu'),
  gate_geglu: (g, x) => g.gatedActivation(x, { activation: 'gelu', gate: 'second' }),
  gate_flux2: (g, x) => g.gatedActivation(x, { activation: 'silu', gate: 'first' }),
};

/** The epsilon that our networks use at the place the case names; a place that the table lacks fails. */
function ourEps(name: string): number {
  const key = name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  const table: Readonly<Record<string, number>> = NORM_EPS;
  const eps = table[key];
  if (eps === undefined) throw new Error(`the table of norm epsilons has no ${key}`);
  return eps;
}

function compute(run: CaseRun, g: GraphBuilder, values: Record<string, Value>): Value {
  const { name, params } = run.goldenCase;
  const x = values['x'] as Value;
  const { weight, bias } = values;
  const eps = params['eps'] === undefined ? NaN : ourEps(name);
  switch (params['kind']) {
    case 'group':
      return g.op('groupNorm', [x, weight, bias], { groups: Number(params['groups']), eps });
    case 'layer':
      return g.op('layerNorm', [x, weight, bias], { eps });
    case 'rms':
      return g.op('rmsNorm', [x, weight], { eps, size: weight?.shape.at(-1) ?? x.shape.at(-1) ?? 1 });
    default: {
      const leaky = /^act_leaky_relu_([\d.]+)$/.exec(name);
      if (leaky) return g.unary(x, { kind: 'leakyRelu', slope: Number(leaky[1]) });
      const known = ACTIVATIONS[name];
      if (!known) throw new Error(`no convention ${name}`);
      return known(g, x);
    }
  }
}

export const conventionsAdapter: Adapter = {
  id: 'convention',
  matches: (_family, goldenCase, inputs) => inputs.has('x') && Object.keys(goldenCase.expected).join() === 'y',
  serves: () => true,
  async run(run) {
    const { g, values } = graphOf(run);
    g.output('y', compute(run, g, values));
    const inputs = Object.fromEntries(run.inputs);
    return { y: (await run.run({ graph: g.finish(), weights: new Map() }, inputs))['y'] as HostTensor };
  },
};
