/** The part of the operator catalogue about WebGPU: stored types, fast kernels, what is fused. */
import { keepsBlocks, MATRIX_OPS, supportTable } from '../../../src/lib/backends/webgpu/support';
import { scratchFor, type GemmShape } from '../../../src/lib/backends/webgpu/tuning';
import { KERNEL_VARIANTS, type KernelVariant } from '../../../src/lib/backends/webgpu/variants';
import { table } from './markdown';

const LARGEST_ROWS = 1 << 20;

/** Fewest rows of x from which a weight is decoded beforehand, by the default rule. */
function scratchRows(shape: Omit<GemmShape, 'm'>): string {
  for (let m = 16; m <= LARGEST_ROWS; m += 16) if (scratchFor({ ...shape, m }, 'f16')) return `${m}`;
  return 'never';
}

const PATHS = {
  direct: 'as stored',
  decoded: 'decoded at load',
  refused: 'refused',
} as const;

const VARIANT_RULES = {
  always: 'where it passes the self-test',
  measured: 'where it is measured to be at least a tenth faster',
  allowed: 'where the user allows it',
} as const;

export function kernelsSection(): string {
  const types = supportTable();
  return `## Stored weight types on WebGPU

_As stored_: kernels read the quantized bits, repacked once. _Decoded at load_: f16 for types of up to 4 bits, else f32.
Tensors that are transposed, strided, or cut inside a block are decoded. With many rows of x a quantized weight is decoded
to a scratch once per product instead of once per tile; the columns give the rows from which the default rule does so (by
operations and bytes per weight), for linear layers and for convolutions whose blocks run across taps. Measurements on the
device replace the rule.

${table(
  ['Type', 'What', ...MATRIX_OPS.map((op) => `\`${op}\``), 'Decoder', 'Scratch, linear', 'Scratch, conv'],
  types.map(({ type, label, paths, fragment }) => {
    const shape = { n: 1280, k: 1280, fragment: fragment ?? 'f32' };
    const quantized = fragment !== undefined && fragment !== 'f32' && fragment !== 'f16';
    return [
      type,
      label,
      ...MATRIX_OPS.map((op) => PATHS[paths[op]]),
      fragment ? `\`wgsl/quant/${fragment}.wgsl\`` : '',
      quantized ? scratchRows(shape) : '',
      quantized ? scratchRows({ ...shape, channelMajor: keepsBlocks(type) }) : '',
    ];
  }),
)}

## Fast kernels

The plain kernels serve where none of these does.

${table(
  ['Variant', 'What', 'Needs', 'Used'],
  KERNEL_VARIANTS.map((variant: KernelVariant) => [
    `\`${variant.id}\``,
    variant.label,
    [...variant.needs, ...(variant.subgroupSize ? [`subgroups of ${variant.subgroupSize}`] : [])].join(', '),
    VARIANT_RULES[variant.rounds ?? 'always'],
  ]),
)}

## What is fused on WebGPU

| Nodes | Become |
| --- | --- |
| linear or convolution, bias, activation, residual | the epilogue of one product |
| nearest enlargement, convolution | the coordinate of one product |
| group norm without activation, or with SiLU before at most 64 columns; product | a multiply-add (and SiLU) while the product loads |
| layer or RMS norm, modulate | one pass over the rows |
| low-rank side path, layer | more columns of K in the layer's own sums |
| query, key, value of one stored weight | three products with ranges of its rows; attention reads tokens as they lie |
`;
}
