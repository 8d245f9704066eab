/** Gaussian blur of one plane; for mask feathering and for control pictures. */

/** Above this the kernel is replaced by box filters, whose cost does not grow with sigma. */
const EXACT_MAX_SIGMA = 12;

/**
 * Separable gaussian, edges repeated.
 * Up to sigma 12: sampled kernel cut at 3σ and normalised. Above: four box filters of equal variance
 * (Kovesi, "Fast Almost-Gaussian Filtering", 2010), whose peak is about 4 % lower along each axis.
 * @param plane width * height values, any finite range; not changed
 */
export function gaussianBlur(
  plane: ArrayLike<number>,
  width: number,
  height: number,
  sigma: number,
): Float32Array<ArrayBuffer> {
  const out = Float32Array.from(plane);
  if (!(sigma > 0)) return out;
  const filter = sigma <= EXACT_MAX_SIGMA ? kernelFilter(sigma) : boxFilter(sigma);
  const longest = Math.max(width, height);
  const line = new Float32Array(longest);
  const result = new Float32Array(longest);
  for (let y = 0; y < height; y++) {
    const row = out.subarray(y * width, (y + 1) * width);
    line.set(row);
    filter(line, result, width);
    row.set(result.subarray(0, width));
  }
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) line[y] = out[y * width + x] as number;
    filter(line, result, height);
    for (let y = 0; y < height; y++) out[y * width + x] = result[y] as number;
  }
  return out;
}

type LineFilter = (line: Float32Array, out: Float32Array, count: number) => void;

function kernelFilter(sigma: number): LineFilter {
  const radius = Math.ceil(3 * sigma);
  const kernel = Float64Array.from({ length: radius + 1 }, (_, i) => Math.exp(-(i * i) / (2 * sigma * sigma)));
  const total = kernel.reduce((sum, k, i) => sum + (i === 0 ? k : 2 * k), 0);
  return (line, out, count) => {
    for (let i = 0; i < count; i++) {
      let sum = (line[i] as number) * (kernel[0] as number);
      for (let k = 1; k <= radius; k++) {
        const left = line[i - k < 0 ? 0 : i - k] as number;
        const right = line[i + k >= count ? count - 1 : i + k] as number;
        sum += (left + right) * (kernel[k] as number);
      }
      out[i] = sum / total;
    }
  };
}

function boxFilter(sigma: number): LineFilter {
  // Kovesi eq. 4: odd widths wl and wl + 2, m passes of the smaller one.
  const passes = 4;
  let lower = Math.floor(Math.sqrt((12 * sigma * sigma) / passes + 1));
  if (lower % 2 === 0) lower--;
  const small = Math.round(
    (12 * sigma * sigma - passes * lower * lower - 4 * passes * lower - 3 * passes) / (-4 * lower - 4),
  );
  return (line, out, count) => {
    for (let pass = 0; pass < passes; pass++) {
      boxLine(line, out, count, ((pass < small ? lower : lower + 2) - 1) / 2);
      if (pass < passes - 1) line.set(out.subarray(0, count));
    }
  };
}

function boxLine(line: Float32Array, out: Float32Array, count: number, radius: number): void {
  const at = (i: number): number => line[i < 0 ? 0 : i >= count ? count - 1 : i] as number;
  let sum = 0;
  for (let i = -radius; i <= radius; i++) sum += at(i);
  for (let i = 0; i < count; i++) {
    out[i] = sum / (2 * radius + 1);
    sum += at(i + radius + 1) - at(i - radius);
  }
}
