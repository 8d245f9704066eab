/** Quantized weights decoded once per product: rows as f16 or f32 in the arena, taps before channels. */
import type { Operand } from '../plan_types';
import type { MatrixOperand, OpContext } from '../op_context';
import type { Scratch } from '../tuning';
import { alignUp, type WeightPlan } from '../weights/weight_plan';

/** A scratch beyond this gains nothing: its rows keep any device busy. */
const MAX_SCRATCH_BYTES = 64 * 1024 * 1024;

const BYTES: Readonly<Record<Scratch, number>> = { f16: 2, f32: 4 };

/** Elements of a decoded row: channels filled up to a multiple of 4, per tap. */
function decodedRow({ channels, taps }: WeightPlan): number {
  return alignUp(channels, 4) * taps;
}

/** Rows of W that one scratch holds. */
export function scratchRows(plan: WeightPlan, precision: Scratch, maxBindingBytes: number): number {
  const rowBytes = decodedRow(plan) * BYTES[precision];
  return Math.max(1, Math.floor(Math.min(MAX_SCRATCH_BYTES, maxBindingBytes) / rowBytes));
}

/** Decodes `rows` rows of a part from its row `first` on. */
export function recordScratch(
  ctx: OpContext,
  { weight }: MatrixOperand,
  part: MatrixOperand['parts'][number],
  { first, rows, precision }: { readonly first: number; readonly rows: number; readonly precision: Scratch },
): { readonly operand: Operand; readonly rowElems: number } {
  const { plan } = weight;
  const { storage, channelMajor } = plan;
  const rowElems = decodedRow(plan);
  const operand = ctx.temp(rows * rowElems * BYTES[precision]);
  const count = (rows * rowElems) / 4;
  ctx.call({
    kernel: [
      'lib/index',
      'lib/half',
      `quant/${storage.fragment}`,
      `dequantize_${precision === 'f16' ? 'half' : 'float'}`,
      'dequantize_rows',
    ],
    bindings: { quants: part.quants, scales: part.scales, y: operand },
    params: {
      count,
      firstRow: first,
      rowElems: plan.rowElems,
      targetRow: rowElems,
      // Rows that already lie taps before channels are decoded as they are.
      taps: channelMajor ? plan.taps : 1,
      channels: channelMajor ? plan.channels : plan.rowElems,
      blockSize: storage.kind === 'codes' ? storage.blockSize : 1,
    },
    share: 0,
    workgroups: Math.ceil(count / 256),
  });
  return { operand, rowElems };
}
