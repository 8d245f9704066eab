import { activateInPlace } from './activation';
import { axes4, need, type Evaluate } from './evaluate';

interface Taps {
  /** Input position of each output position, per kernel tap. */
  readonly from: Int32Array;
  /** Output range of each tap that reads inside the picture. */
  readonly low: Int32Array;
  readonly high: Int32Array;
}

/** Where each tap of one axis reads: padding, stride, wrap-around and enlargement in one table. */
function taps(kernel: number, out: number, size: number, stride: number, pad: number, up: number, wrap: boolean): Taps {
  const from = new Int32Array(kernel * out);
  const low = new Int32Array(kernel).fill(out);
  const high = new Int32Array(kernel);
  const large = size * up;
  for (let k = 0; k < kernel; k++) {
    for (let o = 0; o < out; o++) {
      let at = o * stride + k - pad;
      if (wrap) at = ((at % large) + large) % large;
      if (at < 0 || at >= large) continue;
      from[k * out + o] = Math.floor(at / up);
      low[k] = Math.min(low[k] ?? 0, o);
      high[k] = o + 1;
    }
  }
  return { from, low, high };
}

export const conv2d: Evaluate<'conv2d'> = (inputs, attrs, output) => {
  const { shape, data: x } = need('conv2d', inputs, 0);
  const { shape: weightShape, data: weight } = need('conv2d', inputs, 1);
  const bias = inputs[2]?.data;
  const residual = inputs[3]?.data;
  const [n, ic, h, w] = axes4(shape);
  const [oc, , kh, kw] = axes4(weightShape);
  const [, , oh, ow] = axes4(output.shape);
  const wrap = attrs.padMode === 'circular';
  const rows = taps(kh, oh, h, attrs.stride, attrs.pad[0], attrs.upsample, wrap);
  const columns = taps(kw, ow, w, attrs.stride, attrs.pad[3], attrs.upsample, wrap);
  const y = new Float64Array(n * oc * oh * ow);
  const plane = new Float64Array(oh * ow);
  for (let image = 0; image < n; image++) {
    for (let o = 0; o < oc; o++) {
      plane.fill(bias?.[o] ?? 0);
      for (let c = 0; c < ic; c++) {
        const source = (image * ic + c) * h * w;
        for (let ky = 0; ky < kh; ky++) {
          const yHigh = rows.high[ky] ?? 0;
          for (let kx = 0; kx < kw; kx++) {
            const factor = weight[((o * ic + c) * kh + ky) * kw + kx] ?? 0;
            const xLow = columns.low[kx] ?? 0;
            const xHigh = columns.high[kx] ?? 0;
            const table = kx * ow;
            for (let oy = rows.low[ky] ?? 0; oy < yHigh; oy++) {
              const row = source + (rows.from[ky * oh + oy] ?? 0) * w;
              const to = oy * ow;
              for (let ox = xLow; ox < xHigh; ox++) {
                plane[to + ox] = (plane[to + ox] ?? 0) + factor * (x[row + (columns.from[table + ox] ?? 0)] ?? 0);
              }
            }
          }
        }
      }
      activateInPlace(plane, attrs.activation);
      const to = (image * oc + o) * oh * ow;
      for (let i = 0; i < plane.length; i++) y[to + i] = (plane[i] ?? 0) + (residual?.[to + i] ?? 0);
    }
  }
  return y;
};
