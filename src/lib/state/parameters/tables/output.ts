/** What becomes of the pictures: tiling, grids, files. */
import { PICTURE_FORMATS, type PictureFormat } from '../../../rpc/engine';
import type { ParameterContext, ParameterDef } from '../parameter';

const FORMAT_LABELS: Readonly<Record<PictureFormat, string>> = { png: 'PNG', jpeg: 'JPEG', webp: 'WebP' };

export const OUTPUT: readonly ParameterDef[] = [
  {
    path: 'tiling',
    optional: true,
    group: 'output',
    kind: 'flag',
    label: 'params.tiling',
    hint: 'params.tiling.hint',
    infotext: 'Tiling',
    default: false,
    shown: ({ model }) => model?.controls.tiling ?? true,
  },
  {
    path: 'grid',
    optional: true,
    group: 'output',
    kind: 'flag',
    label: 'params.grid',
    hint: 'params.grid.hint',
    default: false,
    shown: ({ parameters }) => parameters.batchCount * parameters.batchSize > 1,
  },
  {
    path: 'save.format',
    optional: true,
    group: 'output',
    kind: 'choice',
    label: 'params.format',
    choices: PICTURE_FORMATS.map((id) => ({ id, label: FORMAT_LABELS[id] })),
    default: 'png',
  },
  {
    path: 'save.quality',
    optional: true,
    group: 'output',
    kind: 'number',
    label: 'params.quality',
    min: 1,
    max: 100,
    sliderMax: 100,
    step: 1,
    unit: '%',
    default: 90,
    shown: ({ parameters }) => (parameters.save?.format ?? 'png') !== 'png',
  },
  {
    path: 'save.stealth',
    optional: true,
    group: 'output',
    kind: 'flag',
    label: 'params.stealth',
    hint: 'params.stealth.hint',
    default: false,
    shown: ({ parameters }) => (parameters.save?.format ?? 'png') !== 'jpeg',
  },
];

const plotting = ({ parameters }: ParameterContext) => parameters.plot !== undefined;
export const PLOT: readonly ParameterDef[] = [
  { path: 'plot.legend', group: 'plot', kind: 'flag', label: 'plot.legend', default: true, shown: plotting },
  {
    path: 'plot.keepPictures',
    group: 'plot',
    kind: 'flag',
    label: 'plot.keepPictures',
    default: false,
    shown: plotting,
  },
  {
    path: 'plot.keepRandomSeeds',
    optional: true,
    group: 'plot',
    kind: 'flag',
    label: 'plot.keepRandomSeeds',
    default: false,
    shown: plotting,
  },
  {
    path: 'plot.marginPx',
    group: 'plot',
    kind: 'number',
    label: 'plot.margin',
    min: 0,
    max: 500,
    sliderMax: 100,
    step: 1,
    unit: 'px',
    default: 0,
    shown: plotting,
  },
];
