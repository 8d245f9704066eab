/** `codex/operators.md`: the operator catalogue. */
import { LOWERINGS } from '../../../src/lib/backends/onnx/lowering/registry';
import { OP_CASES } from '../../../src/lib/backends/op_cases/table';
import { EVALUATE } from '../../../src/lib/backends/reference/ops/registry';
import { operatorPath } from '../../../src/lib/backends/webgpu/support';
import { OPS } from '../../../src/lib/graph/ops/registry';
import { publishedComponents } from './components';
import { kernelsSection } from './kernels_section';
import { codes, GENERATED, table } from './markdown';

const PATHS = { kernel: 'kernel', free: 'renames data', none: 'none' } as const;

export function operatorsPage(): string {
  const components = publishedComponents();
  const users = (op: string): string => {
    const models = new Set(
      components.filter(({ ops }) => ([...ops] as string[]).includes(op)).map(({ model }) => model),
    );
    return [...models].join(', ');
  };
  const boundText = (bounds: readonly number[]): string =>
    bounds.length === 0 ? '' : Math.max(...bounds).toExponential(0);
  return `# Operators

${GENERATED}
How to add one: [guides/add_an_op.md](guides/add_an_op.md). Shapes, attributes and errors are in
\`src/lib/graph/ops/<operator>.ts\`.

${OPS.length} operators. A \`?\` marks inputs that may be absent. *Cases* are rows of the table that tests every backend;
the bound is the largest normalised mean squared error that any of them allows in f32.

${table(
  ['Operator', 'Formula', 'Inputs', 'WebGPU', 'onnxruntime', 'Reference', 'Cases', 'Bound f32'],
  OPS.map(({ name, summary, inputs }) => {
    const cases = OP_CASES.filter(({ op }) => op === name);
    return [
      `\`${name}\``,
      summary,
      codes(inputs),
      PATHS[operatorPath(name)],
      name in LOWERINGS ? 'yes' : 'no',
      name in EVALUATE ? 'yes' : 'no',
      `${cases.length}`,
      boundText(cases.map(({ bound }) => bound.f32)),
    ];
  }),
)}

${kernelsSection()}
## Who uses what

${table(
  ['Operator', 'Published models'],
  OPS.map(({ name }) => [`\`${name}\``, users(name)]),
)}

Operators without a model here serve adapters, upscalers, passes over graphs, or variants of these models.
`;
}
