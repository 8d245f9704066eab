/** `codex/models.md`: families, published sizes, and which backend runs what. */
import { LOWERINGS } from '../../../src/lib/backends/onnx/lowering/registry';
import { EVALUATE } from '../../../src/lib/backends/reference/ops/registry';
import { operatorPath, supportTable } from '../../../src/lib/backends/webgpu/support';
import type { OpName } from '../../../src/lib/graph/ops/registry';
import type { FlowShift, ModelFamily, Prediction } from '../../../src/lib/models/family';
import { FAMILIES } from '../../../src/lib/models/registry';
import { QUANT_TYPES, quantType } from '../../../src/lib/quant/registry';
import { publishedComponents, type Component } from './components';
import { codes, GENERATED, table } from './markdown';

function shiftText(shift: FlowShift): string {
  switch (shift.kind) {
    case 'none':
      return '';
    case 'linear':
      return `, shift ${shift.shift}`;
    case 'exponential':
      return `, μ ${shift.baseMu} at ${shift.baseTokens} tokens to ${shift.maxMu} at ${shift.maxTokens}`;
    case 'flux2':
      return ', μ by tokens and steps';
  }
}

function predictionText(prediction: Prediction): string {
  if (prediction.kind === 'flow') return `flow${shiftText(prediction.shift)}`;
  const { kind, betaStart, betaEnd } = prediction;
  return `${kind}, β ${betaStart} to ${betaEnd}`;
}

function familyRow(family: ModelFamily): string[] {
  const { id, label, latent, prediction, defaults, encoders, licence } = family;
  const names = encoders.map((slot) => `${slot.label}${slot.optional ? ' (optional)' : ''}`);
  const guidance = defaults.distilledGuidance === undefined ? '' : `, distilled ${defaults.distilledGuidance}`;
  return [
    label,
    `\`${id}\``,
    `${latent.channels} channels, 1/${latent.stride}, sides × ${latent.multiple}`,
    predictionText(prediction),
    names.join(', '),
    `${defaults.widthPx}×${defaults.heightPx}, ${defaults.steps} steps, CFG ${defaults.cfgScale}${guidance}`,
    `${defaults.sampler} / ${defaults.schedule}`,
    licence,
  ];
}

const GIB = 2 ** 30;

function sizeRow({ label, part, parameters, cost }: Component): string[] {
  return [
    label,
    part,
    `${(parameters / 1e6).toFixed(1)} M`,
    (cost.flops / 1e12).toFixed(3),
    (cost.weightsBytes / GIB).toFixed(2),
  ];
}

/** Backends by the operators that they have. */
const BACKENDS: readonly (readonly [string, (op: OpName) => boolean])[] = [
  ['WebGPU', (op) => operatorPath(op) !== 'none'],
  ['WebAssembly and Node (onnxruntime)', (op) => op in LOWERINGS],
  ['Reference', (op) => op in EVALUATE],
];

function backendRow({ label, part, ops }: Component): string[] {
  const cells = BACKENDS.map(([, has]) => {
    const lacking = [...ops].filter((op) => !has(op));
    return lacking.length === 0 ? 'all' : `lacks ${lacking.join(', ')}`;
  });
  return [label, part, `${ops.size}`, ...cells];
}

export function modelsPage(): string {
  const components = publishedComponents();
  const webgpu = new Map(supportTable().map((row) => [row.type as string, row]));
  return `# Models

${GENERATED}
How to add a family: one file below \`src/lib/models/families\` and one line in \`registry.ts\`.

## Families

${table(
  ['Family', 'Id', 'Latent', 'Prediction', 'Text encoders', 'Defaults', 'Sampler / schedule', 'Licence'],
  FAMILIES.map(familyRow),
)}

## Published models by part

Without weights, from the configuration alone: parameters that a picture uses, operations of one evaluation at the
model's own size (a multiply-add is two; one condition, 256 text tokens where the family leaves it open), weights in f16.

${table(['Model', 'Part', 'Parameters', 'TFLOP', 'f16 GiB'], components.map(sizeRow))}

## Which backend has every operator of a part

${table(['Model', 'Part', 'Kinds of operators', ...BACKENDS.map(([name]) => name)], components.map(backendRow))}

## Stored types

*direct*: kernels read the stored bits. *decoded*: turned into floats while loading. *refused*: named in the error. The
other backends decode every type that has a decoder; onnxruntime multiplies Q4_0 and Q8_0 matrices packed.

${table(
  ['Type', 'What', 'Bits per weight', 'GGUF', 'safetensors', 'Decoder', 'WebGPU', 'WGSL'],
  QUANT_TYPES.map(({ id }) => {
    const type = quantType(id);
    const row = webgpu.get(id);
    const bits = (8 * type.blockBytes) / type.blockElems;
    return [
      `\`${id}\``,
      type.label,
      Number.isInteger(bits) ? `${bits}` : bits.toFixed(2),
      type.ggmlType === undefined ? '' : `${type.ggmlType}`,
      type.safetensorsDtype ?? '',
      'dequantize' in type ? 'yes' : 'no',
      row?.paths.linear ?? '',
      row?.fragment ? codes([`${row.fragment}.wgsl`]) : '',
    ];
  }),
)}
`;
}
