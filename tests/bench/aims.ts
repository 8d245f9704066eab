/** What the kernels aim at, as ratios within one run, and what a run says about each. */
import type { BenchRow } from './report';

interface Aim {
  readonly label: string;
  /** Every row of the aim has to reach this ratio. */
  readonly atLeast: number;
}

const ort = (what: string, atLeast: number): Aim => ({ label: `${what} against onnxruntime-web's WebGPU EP`, atLeast });

const AIMS = {
  gemm: ort('GEMM', 1.5),
  gemm4: ort('4-bit GEMM (MatMulNBits)', 1.5),
  conv: ort('3x3 convolution', 2),
  'small-conv': ort('convolution of a small map', 3),
  attention: ort('attention', 1.2),
  unet: ort('a whole U-Net step', 1.7),
  // At most a tenth longer.
  quantized: { label: 'quantized GEMM of 1024 rows and more against our own in floats', atLeast: 1 / 1.1 },
  encode: { label: 'recording, 15 us a dispatch over what it takes', atLeast: 1 },
  plan: { label: '1.15 of the lower bound over the planned peak', atLeast: 1 },
  resident: { label: 'U-Net of SD1.5 in Q4_0, convolutions too: 0.50 GB over what is resident', atLeast: 1 },
} as const satisfies Readonly<Record<string, Aim>>;

export type AimId = keyof typeof AIMS;

/** A row that counts for an aim. */
export interface AimedRow extends BenchRow {
  readonly aim?: AimId;
}

interface AimVerdict {
  readonly aim: string;
  readonly atLeast: number;
  /** Ratio of the worst row; absent where none has one. */
  readonly reached?: number;
  readonly met: boolean;
  /** The worst row and why it is what it is, where that is known. */
  readonly note: string;
}

/** @param limits what holds this device back, for aims that are not met */
export function aimVerdicts(rows: readonly AimedRow[], limits: string): AimVerdict[] {
  return Object.entries(AIMS).map(([id, { label, atLeast }]) => {
    const counted = rows.filter((row) => row.aim === id && row.ratio !== undefined);
    const [worst] = counted.sort((a, b) => (a.ratio ?? 0) - (b.ratio ?? 0));
    if (worst?.ratio === undefined) return { aim: label, atLeast, met: false, note: 'not measured in this run' };
    const met = worst.ratio >= atLeast;
    const which = counted.length > 1 ? `worst of ${counted.length}: ${worst.name}` : worst.name;
    const measured = ['plan', 'resident'].includes(id);
    return {
      aim: label,
      atLeast,
      reached: worst.ratio,
      met,
      note: met || measured || limits === '' ? which : `${which}; ${limits}`,
    };
  });
}

/** Markdown. */
export function aimsTable(verdicts: readonly AimVerdict[]): string {
  const lines = verdicts.map(({ aim, atLeast, reached, met, note }) => {
    const found = reached === undefined ? '' : `${reached.toFixed(2)}x`;
    return `| ${aim} | ${atLeast.toFixed(2)}x | ${found} | ${met ? 'met' : 'not met'} | ${note} |`;
  });
  return ['| aim | at least | reached here | | what decides |', '|---|---:|---:|---|---|', ...lines].join('\n');
}
