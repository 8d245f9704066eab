/** Options of `npm run generate` for formats, plots, loops and what img2img and masks add. */
import { PLOT_AXES } from '../../lib/plot/axes';
import {
  LOOPBACK_CURVES,
  PICTURE_FORMATS,
  SOFT_INPAINT_DEFAULTS,
  type GenerateRequest,
  type PictureFormat,
  type PlotAxisRequest,
} from '../../lib/rpc/engine';
import { UsageError, type Flags, type Parsed } from '../command_line';

const axis = (side: string) =>
  ({
    kind: 'text',
    value: 'AXIS=VALUES',
    about: `plot: what varies along ${side}, "cfgScale=3-9 (+3)"${side === 'x' ? `; axes: ${PLOT_AXES.map(({ id }) => id).join(', ')}` : ''}`,
  }) as const;

export const seriesFlags = {
  format: {
    kind: 'text',
    value: PICTURE_FORMATS.join(' | '),
    about: "how pictures are written [by the file's name]",
  },
  quality: { kind: 'number', default: 90, min: 1, max: 100, about: 'of JPEG and WebP; WebP at 100 is lossless' },
  stealth: { kind: 'switch', about: 'parameters once more in the lowest bits of alpha (PNG, lossless WebP)' },
  grid: { kind: 'switch', about: 'all pictures on one more sheet' },
  'plot-x': axis('x'),
  'plot-y': axis('y'),
  'plot-z': axis('z'),
  'plot-margin': { kind: 'number', default: 0, min: 0, max: 500, integer: true, about: 'pixels between cells' },
  'plot-pictures': { kind: 'switch', about: 'keeps the single pictures, not only the sheet' },
  'plot-random-seeds': { kind: 'switch', about: 'seed -1 draws a new one for every cell' },
  loops: { kind: 'number', default: 0, min: 0, max: 32, integer: true, about: 'loopback: so many passes of img2img' },
  'loop-strength': { kind: 'number', min: 0, max: 1, about: 'strength of the last pass [as the first]' },
  'loop-curve': { kind: 'choice', default: 'Linear', choices: LOOPBACK_CURVES, about: 'how the strength moves' },
  'color-correction': { kind: 'switch', about: 'the result keeps the colours of the start picture' },
  'mask-soft': { kind: 'switch', about: 'soft inpainting: transitions follow how far the picture moved' },
  'mask-weight': {
    kind: 'number',
    min: 0,
    max: 1,
    about: 'inpainting models: how much of the masked picture they are not shown [1]',
  },
} as const satisfies Flags;

type Options = Parsed<typeof seriesFlags>;

/** @throws UsageError for a format that is none */
export function saveOf(options: Options & { readonly out: string }): Pick<GenerateRequest, 'save'> {
  const [, extension = ''] = /\.([^./\\]+)$/.exec(options.out) ?? [];
  const named = (options.format ?? extension).toLowerCase().replace(/^jpg$/, 'jpeg');
  const format = PICTURE_FORMATS.find((one) => one === named);
  if (!format && options.format !== undefined) {
    throw new UsageError(`--format: must be one of ${PICTURE_FORMATS.join(', ')}, got "${options.format}"`);
  }
  const chosen: PictureFormat = format ?? 'png';
  return { save: { format: chosen, quality: options.quality, stealth: options.stealth } };
}

/** @throws UsageError for an axis without values */
export function seriesOf(
  options: Options & { readonly strength: number },
): Pick<GenerateRequest, 'plot' | 'loopback' | 'grid'> {
  const axes = { x: options['plot-x'], y: options['plot-y'], z: options['plot-z'] };
  const plotted = Object.entries(axes).flatMap(([side, text]) => (text === undefined ? [] : [[side, readAxis(text)]]));
  return {
    grid: options.grid,
    ...(plotted.length > 0
      ? {
          plot: {
            ...(Object.fromEntries(plotted) as Partial<Record<'x' | 'y' | 'z', PlotAxisRequest>>),
            legend: true,
            keepPictures: options['plot-pictures'],
            marginPx: options['plot-margin'],
            keepRandomSeeds: options['plot-random-seeds'],
          },
        }
      : {}),
    ...(options.loops > 0
      ? {
          loopback: {
            loops: options.loops,
            finalStrength: options['loop-strength'] ?? options.strength,
            curve: LOOPBACK_CURVES.find((curve) => curve === options['loop-curve']) ?? 'Linear',
          },
        }
      : {}),
  };
}

function readAxis(text: string): PlotAxisRequest {
  const [, name, values] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || values === undefined) throw new UsageError(`plot axis: must be AXIS=VALUES, got "${text}"`);
  return { axis: name.trim(), values };
}

/** What a mask adds to its request. */
export function maskOf(options: Options) {
  return {
    ...(options['mask-soft'] ? { soft: SOFT_INPAINT_DEFAULTS } : {}),
    ...(options['mask-weight'] === undefined ? {} : { conditioningWeight: options['mask-weight'] }),
  };
}
