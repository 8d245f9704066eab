/** Reduction to a few colours. */
import { onPaper, valueOf, type Preprocessor } from './preprocessor';

interface Box {
  /** Indices into the colour list. */
  readonly colours: readonly number[];
  readonly channel: number;
  readonly spread: number;
}

/** 5 bits a channel are enough to choose a palette from and bound the work. */
const BINS = 1 << 15;

/**
 * Each pixel becomes the nearest of `colours` palette entries; flat areas for segmentation-like control.
 * Source: Heckbert, "Color Image Quantization for Frame Buffer Display", 1982 (median cut on a 5-bit histogram,
 * weighted by pixel counts); ties are broken by position, so the result is the same everywhere.
 */
export const palette = {
  id: 'palette',
  parameters: [{ name: 'colours', min: 2, max: 64, step: 1, default: 8 }],
  run(image, values) {
    const paper = onPaper(image);
    const { sums, counts } = histogram(paper.data);
    const used: number[] = [];
    for (let bin = 0; bin < BINS; bin++) if (counts[bin]) used.push(bin);
    const boxes = cutBoxes(used, counts, Math.round(valueOf(values, 'colours')));
    const entries = boxes.map((box) => meanColour(box, sums, counts));
    const nearest = new Map<number, number>();
    const { data } = paper;
    for (let o = 0; o < data.length; o += 4) {
      const rgb = ((data[o] as number) << 16) | ((data[o + 1] as number) << 8) | (data[o + 2] as number);
      let entry = nearest.get(rgb);
      if (entry === undefined) {
        entry = nearestEntry(entries, rgb);
        nearest.set(rgb, entry);
      }
      const [r, g, b] = entries[entry] as readonly [number, number, number];
      data[o] = r;
      data[o + 1] = g;
      data[o + 2] = b;
    }
    return paper;
  },
} as const satisfies Preprocessor;

function histogram(data: Uint8ClampedArray): { sums: Float64Array; counts: Uint32Array } {
  const sums = new Float64Array(BINS * 3);
  const counts = new Uint32Array(BINS);
  for (let o = 0; o < data.length; o += 4) {
    const r = data[o] as number;
    const g = data[o + 1] as number;
    const b = data[o + 2] as number;
    const bin = ((r >> 3) << 10) | ((g >> 3) << 5) | (b >> 3);
    counts[bin] = (counts[bin] as number) + 1;
    sums[bin * 3] = (sums[bin * 3] as number) + r;
    sums[bin * 3 + 1] = (sums[bin * 3 + 1] as number) + g;
    sums[bin * 3 + 2] = (sums[bin * 3 + 2] as number) + b;
  }
  return { sums, counts };
}

const level = (bin: number, channel: number): number => (bin >> (10 - 5 * channel)) & 31;

function boxOf(colours: readonly number[]): Box {
  let channel = 0;
  let spread = -1;
  for (let c = 0; c < 3; c++) {
    let low = 31;
    let high = 0;
    for (const bin of colours) {
      low = Math.min(low, level(bin, c));
      high = Math.max(high, level(bin, c));
    }
    if (high - low > spread) [channel, spread] = [c, high - low];
  }
  return { colours, channel, spread };
}

function cutBoxes(used: readonly number[], counts: Uint32Array, wanted: number): Box[] {
  const boxes = [boxOf(used)];
  while (boxes.length < wanted) {
    let widest = 0;
    boxes.forEach((box, i) => {
      if (box.spread > (boxes[widest] as Box).spread) widest = i;
    });
    const box = boxes[widest] as Box;
    if (box.spread <= 0) break;
    const sorted = [...box.colours].sort((a, b) => level(a, box.channel) - level(b, box.channel) || a - b);
    const total = sorted.reduce((sum, bin) => sum + (counts[bin] as number), 0);
    let cut = 0;
    let below = 0;
    while (cut < sorted.length - 1 && (cut === 0 || below * 2 < total))
      below += counts[sorted[cut++] as number] as number;
    boxes.splice(widest, 1, boxOf(sorted.slice(0, cut)), boxOf(sorted.slice(cut)));
  }
  return boxes;
}

function meanColour(box: Box, sums: Float64Array, counts: Uint32Array): readonly [number, number, number] {
  let total = 0;
  const mean: [number, number, number] = [0, 0, 0];
  for (const bin of box.colours) {
    total += counts[bin] as number;
    for (let c = 0; c < 3; c++) mean[c] = (mean[c] as number) + (sums[bin * 3 + c] as number);
  }
  return [Math.round(mean[0] / total), Math.round(mean[1] / total), Math.round(mean[2] / total)];
}

function nearestEntry(entries: readonly (readonly [number, number, number])[], rgb: number): number {
  let best = 0;
  let bestDistance = Infinity;
  entries.forEach(([r, g, b], i) => {
    const distance = (r - (rgb >> 16)) ** 2 + (g - ((rgb >> 8) & 255)) ** 2 + (b - (rgb & 255)) ** 2;
    if (distance < bestDistance) [best, bestDistance] = [i, distance];
  });
  return best;
}
