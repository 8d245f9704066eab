/** The exact denoiser of the golden data: a mixture of two Gaussians, see the README of the golden folder. */
export interface DenoiserParams {
  readonly m: readonly number[];
  readonly s2: number;
  readonly p: number;
}

export type LatentArray = Float32Array | Float64Array;

/** E[x0 | x = a*x0 + s*noise]; x is [N, C, pixels] flattened with `pixels` per channel. Result in float64. */
export function analyticDenoiser(
  params: DenoiserParams,
  pixels: number,
): (x: LatentArray, a: number, s: number) => Float64Array {
  const { m, s2, p } = params;
  const channels = m.length;
  const b = 0.5 * Math.log(p / (1 - p));
  return (x, a, s) => {
    const v = a * a * s2 + s * s;
    const g = (a * s2) / v;
    const out = new Float64Array(x.length);
    const image = channels * pixels;
    for (let n = 0; n * image < x.length; n++) {
      for (let i = 0; i < pixels; i++) {
        let dot = 0;
        for (let c = 0; c < channels; c++) dot += (m[c] as number) * (x[n * image + c * pixels + i] as number);
        const t = Math.tanh((a * dot) / v + b);
        for (let c = 0; c < channels; c++) {
          const at = n * image + c * pixels + i;
          out[at] = g * (x[at] as number) + (1 - a * g) * (m[c] as number) * t;
        }
      }
    }
    return out;
  };
}
