/**
 * Blend functions B(cb, cs) on straight colours 0..1: cb is the backdrop, cs the source.
 * Source: W3C "Compositing and Blending Level 1", section 10 (separable and non-separable modes).
 */
interface SeparableMode {
  readonly id: string;
  readonly blend: (cb: number, cs: number) => number;
}

/** Writes the blended colour to `out`. */
interface NonSeparableMode {
  readonly id: string;
  readonly blendRgb: (backdrop: Float64Array, source: Float64Array, out: Float64Array) => void;
}

const hardLight = (cb: number, cs: number): number => (cs <= 0.5 ? cb * 2 * cs : cb + (2 * cs - 1) - cb * (2 * cs - 1));

function softLight(cb: number, cs: number): number {
  if (cs <= 0.5) return cb - (1 - 2 * cs) * cb * (1 - cb);
  const d = cb <= 0.25 ? ((16 * cb - 12) * cb + 4) * cb : Math.sqrt(cb);
  return cb + (2 * cs - 1) * (d - cb);
}

export const BLEND_MODES = [
  { id: 'normal', blend: (_cb: number, cs: number) => cs },
  { id: 'multiply', blend: (cb: number, cs: number) => cb * cs },
  { id: 'screen', blend: (cb: number, cs: number) => cb + cs - cb * cs },
  { id: 'overlay', blend: (cb: number, cs: number) => hardLight(cs, cb) },
  { id: 'darken', blend: (cb: number, cs: number) => Math.min(cb, cs) },
  { id: 'lighten', blend: (cb: number, cs: number) => Math.max(cb, cs) },
  {
    id: 'color-dodge',
    blend: (cb: number, cs: number) => (cb === 0 ? 0 : cs >= 1 ? 1 : Math.min(1, cb / (1 - cs))),
  },
  {
    id: 'color-burn',
    blend: (cb: number, cs: number) => (cb >= 1 ? 1 : cs <= 0 ? 0 : 1 - Math.min(1, (1 - cb) / cs)),
  },
  { id: 'hard-light', blend: hardLight },
  { id: 'soft-light', blend: softLight },
  { id: 'difference', blend: (cb: number, cs: number) => Math.abs(cb - cs) },
  { id: 'exclusion', blend: (cb: number, cs: number) => cb + cs - 2 * cb * cs },
  {
    id: 'hue',
    blendRgb: (cb: Float64Array, cs: Float64Array, out: Float64Array) => {
      setSaturation(cs, saturation(cb), out);
      setLuminosity(out, luminosity(cb), out);
    },
  },
  {
    id: 'saturation',
    blendRgb: (cb: Float64Array, cs: Float64Array, out: Float64Array) => {
      setSaturation(cb, saturation(cs), out);
      setLuminosity(out, luminosity(cb), out);
    },
  },
  {
    id: 'color',
    blendRgb: (cb: Float64Array, cs: Float64Array, out: Float64Array) => setLuminosity(cs, luminosity(cb), out),
  },
  {
    id: 'luminosity',
    blendRgb: (cb: Float64Array, cs: Float64Array, out: Float64Array) => setLuminosity(cb, luminosity(cs), out),
  },
] as const satisfies readonly (SeparableMode | NonSeparableMode)[];

export type BlendModeId = (typeof BLEND_MODES)[number]['id'];
export type BlendMode = (typeof BLEND_MODES)[number];

const byId = new Map<string, BlendMode>(BLEND_MODES.map((mode) => [mode.id, mode]));

export function isBlendModeId(id: unknown): id is BlendModeId {
  return typeof id === 'string' && byId.has(id);
}

export function blendModeById(id: BlendModeId): BlendMode {
  return byId.get(id) ?? BLEND_MODES[0];
}

function luminosity(c: Float64Array): number {
  return 0.3 * (c[0] as number) + 0.59 * (c[1] as number) + 0.11 * (c[2] as number);
}

function saturation(c: Float64Array): number {
  return (
    Math.max(c[0] as number, c[1] as number, c[2] as number) - Math.min(c[0] as number, c[1] as number, c[2] as number)
  );
}

/** SetLum of the specification, with ClipColor. `out` may be `c`. */
function setLuminosity(c: Float64Array, target: number, out: Float64Array): void {
  const shift = target - luminosity(c);
  const r = (c[0] as number) + shift;
  const g = (c[1] as number) + shift;
  const b = (c[2] as number) + shift;
  const low = Math.min(r, g, b);
  const high = Math.max(r, g, b);
  let scale = 1;
  if (low < 0) scale = target / (target - low);
  if (high > 1) scale = Math.min(scale, (1 - target) / (high - target));
  out[0] = target + (r - target) * scale;
  out[1] = target + (g - target) * scale;
  out[2] = target + (b - target) * scale;
}

/** SetSat of the specification: the span between lowest and highest channel becomes `target`. */
function setSaturation(c: Float64Array, target: number, out: Float64Array): void {
  const low = Math.min(c[0] as number, c[1] as number, c[2] as number);
  const span = saturation(c);
  for (let i = 0; i < 3; i++) out[i] = span > 0 ? (((c[i] as number) - low) * target) / span : 0;
}
