/** `codex/models.md`: families, published sizes, and which backend runs what. */
import { LOWERINGS } from '../../../src/lib/backends/onnx/lowering/registry';
import { isPackable } from '../../../src/lib/backends/onnx/packed_blocks';
import { EVALUATE } from '../../../src/lib/backends/reference/ops/registry';
import { operatorPath, supportTable } from '../../../src/lib/backends/webgpu/support';
import type { OpName } from '../../../src/lib/graph/ops/registry';
import type { FlowShift, ModelFamily, Prediction } from '../../../src/lib/models/family';
import { FOREIGN_FAMILIES } from '../../../src/lib/models/foreign';
import { FAMILIES, familyById } from '../../../src/lib/models/registry';
import { syntheticModel } from '../../../src/lib/models/synthetic';
import { TRUE_SIZES } from '../../../src/lib/models/true_sizes';
import { QUANT_TYPES, quantType, type QuantTypeId } from '../../../src/lib/quant/registry';
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

/** Types that published files of these families come in. */
const SHOWN_TYPES = [
  'F32',
  'F16',
  'F8_E4M3',
  'Q8_0',
  'Q6_K',
  'Q5_1',
  'Q4_K',
  'Q4_0',
  'Q2_K',
  'NF4',
] as const satisfies readonly QuantTypeId[];

/** How WebGPU, onnxruntime and the reference read a matrix of a type. */
function pathsOf(type: QuantTypeId): string {
  const webgpu = supportTable().find((row) => row.type === type)?.paths.linear;
  const letters = [webgpu === 'direct' ? 'D' : 'f', isPackable(type) ? 'P' : 'f', 'f'];
  return letters.join('/');
}

/** One row per part of each published model, one cell per stored type. */
function typedRows(): string[][] {
  return TRUE_SIZES.flatMap((size) => {
    const family = familyById(size.family)?.label ?? size.family;
    const models = SHOWN_TYPES.map((type) => syntheticModel(size, type));
    const parts = (at: number) => {
      const model = models[at];
      return model
        ? [...model.textEncoders, ['denoiser', model.denoiser] as const, ['autoencoder', model.vae] as const]
        : [];
    };
    return parts(0).map(([name], row) => {
      const cells = SHOWN_TYPES.map((type, at) => {
        const part = parts(at)[row]?.[1];
        const halves = part?.role === 'vae' && type !== 'F16';
        if (!part || halves) return '';
        const bytes = [...part.weights.values()].reduce((sum, { tensor }) => sum + tensor.byteLength, 0);
        return `${(bytes / GIB).toFixed(2)} ${pathsOf(type)}`;
      });
      return [family, size.label, name, ...cells];
    });
  });
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

## Families, parts, stored types and backends

Size of a part's weights in GiB as published quantized files store them (matrices in the type, convolutions and short rows
in F16, vectors in F32; autoencoders stay in F16). Behind it, how WebGPU / onnxruntime / the reference read the type's
matrices: *D* in the stored bits, *P* packed in blocks, *f* turned into floats while loading.

${table(['Family', 'Model', 'Part', ...SHOWN_TYPES.map((type) => `\`${type}\``)], typedRows())}

## Inputs beside words

U-Nets and FLUX.1 trained to inpaint take mask and masked picture; instruct-pix2pix, FLUX.1 Canny and Depth take a picture
beside the latent. Not run, because no published description and no reference numbers were at hand to check them against:
FLUX.1 Kontext, editing by reference pictures with FLUX.2 (klein draws from words and start pictures).

Recognised, so that their files are refused by name, and not run: ${FOREIGN_FAMILIES.join(', ')}.

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
