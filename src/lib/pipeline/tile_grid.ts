/** Tiles of a picture or feature map: where they lie, what each is read from and what it gives. Pure arithmetic. */

export interface TileRules {
  /** Cells of a tile along one axis, at most. */
  readonly side: number;
  /** Cells at an inner edge that are wrong, since convolutions saw no neighbours there. */
  readonly halo: number;
  /** Cells behind the halo over which a tile is faded in, so that rounding shows no edge. */
  readonly ramp: number;
  /** The map wraps around. */
  readonly circular: boolean;
}

/** One tile along one axis. */
export interface Span {
  /** First cell; negative where a circular map wraps. */
  readonly start: number;
  readonly length: number;
  /** Whether neighbours follow before and behind: those edges are faded. */
  readonly open: readonly [boolean, boolean];
}

/** Tiles along an axis, all of one length, evenly spread. @param length cells of the axis */
export function tileSpans(length: number, { side, halo, ramp, circular }: TileRules): Span[] {
  if (length <= side) return [{ start: 0, length, open: [false, false] }];
  const overlap = 2 * halo + ramp;
  const step = Math.max(1, side - overlap);
  const count = Math.ceil((circular ? length : length - overlap) / step);
  return Array.from({ length: count }, (_, i) => {
    if (circular)
      return { start: Math.floor((i * length) / count) - halo - Math.ceil(ramp / 2), length: side, open: [true, true] };
    const start = count === 1 ? 0 : Math.round((i * (length - side)) / (count - 1));
    return { start, length: side, open: [i > 0, i < count - 1] };
  });
}

/** Weight of every result cell of a tile along one axis: 0 in the halo, rising over the ramp. @param scale result cells per cell */
export function fade({ length, open }: Span, { halo, ramp }: TileRules, scale: number): Float32Array {
  const cells = length * scale;
  const weights = new Float32Array(cells).fill(1);
  const width = Math.max(1, ramp * scale);
  for (let i = 0; i < cells; i++) {
    // Centre of the cell, measured from either edge.
    const fromStart = open[0] ? (i + 0.5 - halo * scale) / width : 1;
    const fromEnd = open[1] ? (cells - i - 0.5 - halo * scale) / width : 1;
    weights[i] = Math.max(0, Math.min(1, fromStart, fromEnd));
  }
  return weights;
}

/** `[1, C, H, W]` planes, row-major. */
export interface Planes {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly data: Float32Array;
}

const wrap = (at: number, length: number) => ((at % length) + length) % length;

/** The cells of a tile. */
export function cutTile({ channels, height, width, data }: Planes, row: Span, column: Span): Planes {
  const out = new Float32Array(channels * row.length * column.length);
  let to = 0;
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < row.length; y++) {
      const line = (c * height + wrap(row.start + y, height)) * width;
      for (let x = 0; x < column.length; x++) out[to++] = data[line + wrap(column.start + x, width)] ?? 0;
    }
  }
  return { channels, height: row.length, width: column.length, data: out };
}

/** Nearest cells of a smaller map: keeps the distribution of values, which averages would not. */
export function sampleNearest({ channels, height, width, data }: Planes, toHeight: number, toWidth: number): Planes {
  const out = new Float32Array(channels * toHeight * toWidth);
  let to = 0;
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < toHeight; y++) {
      const line = (c * height + Math.floor(((y + 0.5) * height) / toHeight)) * width;
      for (let x = 0; x < toWidth; x++) out[to++] = data[line + Math.floor(((x + 0.5) * width) / toWidth)] ?? 0;
    }
  }
  return { channels, height: toHeight, width: toWidth, data: out };
}

/** Joins tiles: weighted sums and their weights, divided at the end. */
export class TileJoin {
  readonly #sum: Planes;
  readonly #weights: Float32Array;

  constructor(channels: number, height: number, width: number) {
    this.#sum = { channels, height, width, data: new Float32Array(channels * height * width) };
    this.#weights = new Float32Array(height * width);
  }

  /** @param at first cell of the tile in the result, negative where it wraps */
  add(tile: Planes, at: { readonly y: number; readonly x: number }, rows: Float32Array, columns: Float32Array): void {
    const { height, width, data } = this.#sum;
    for (let y = 0; y < tile.height; y++) {
      const wy = rows[y] ?? 0;
      if (wy === 0) continue;
      const line = wrap(at.y + y, height) * width;
      for (let x = 0; x < tile.width; x++) {
        const w = wy * (columns[x] ?? 0);
        if (w === 0) continue;
        const cell = line + wrap(at.x + x, width);
        this.#weights[cell] = (this.#weights[cell] ?? 0) + w;
        for (let c = 0; c < tile.channels; c++) {
          const to = c * height * width + cell;
          data[to] = (data[to] ?? 0) + w * (tile.data[(c * tile.height + y) * tile.width + x] ?? 0);
        }
      }
    }
  }

  finish(): Planes {
    const { channels, height, width, data } = this.#sum;
    const plane = height * width;
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < plane; i++) data[c * plane + i] = (data[c * plane + i] ?? 0) / (this.#weights[i] ?? 1);
    }
    return this.#sum;
  }
}
