/** Where the noise comes from and how much of it each step takes out. */
import { samplers } from '../../../sampling/registry';
import type { ParameterContext, ParameterDef } from '../parameter';
import { hiresOn, literal, MAX_SIDE_PX, sizeStep } from './shared';

const scheduleIs = ({ parameters }: ParameterContext, ...ids: readonly string[]) => ids.includes(parameters.schedule);
const stochastic = ({ parameters }: ParameterContext) =>
  samplers.some((sampler) => sampler.id === parameters.sampler && 'usesEnsd' in sampler);

const variationOn = ({ parameters }: ParameterContext) => parameters.variation !== undefined;
const resizeOn = ({ parameters }: ParameterContext) => parameters.seedResize !== undefined;
export const SEEDS: readonly ParameterDef[] = [
  {
    path: 'variation.seed',
    group: 'variation',
    kind: 'seed',
    label: 'params.variationSeed',
    infotext: 'Variation seed',
    default: -1,
    shown: variationOn,
  },
  {
    path: 'variation.strength',
    group: 'variation',
    kind: 'number',
    label: 'params.variationStrength',
    infotext: 'Variation seed strength',
    min: 0,
    max: 1,
    sliderMax: 1,
    step: 0.01,
    default: 0.2,
    shown: variationOn,
  },
  ...(['widthPx', 'heightPx'] as const).map((side): ParameterDef => ({
    path: `seedResize.${side}`,
    half: true,
    group: 'seedResize',
    kind: 'number',
    label: side === 'widthPx' ? 'params.width' : 'params.height',
    infotext: 'Seed resize from',
    min: 64,
    max: MAX_SIDE_PX,
    step: sizeStep,
    unit: 'px',
    default: ({ model }) => (side === 'widthPx' ? model?.nativeWidthPx : model?.nativeHeightPx) ?? 512,
    shown: resizeOn,
  })),
];

export const NOISE: readonly ParameterDef[] = [
  {
    path: 'noiseSource',
    group: 'sampler',
    kind: 'choice',
    label: 'params.noise',
    hint: 'params.noise.hint',
    infotext: 'RNG',
    choices: ['NV', 'CPU'].map(literal),
    default: 'NV',
  },
  {
    path: 'ensd',
    optional: true,
    group: 'sampler',
    kind: 'number',
    label: 'params.ensd',
    infotext: 'ENSD',
    min: -Number.MAX_SAFE_INTEGER,
    max: Number.MAX_SAFE_INTEGER,
    step: 1,
    default: 0,
    shown: stochastic,
  },
  {
    path: 'sgmNoiseMultiplier',
    optional: true,
    group: 'sampler',
    kind: 'flag',
    label: 'params.sgmNoise',
    hint: 'params.sgmNoise.hint',
    infotext: 'SGM noise multiplier',
    default: false,
  },
  {
    path: 'timestepRule',
    optional: true,
    group: 'sampler',
    kind: 'choice',
    label: 'params.timestepRule',
    infotext: 'Timestep rule',
    choices: (['nearest', 'interpolate'] as const).map((id) => ({ id, key: `params.timestepRule.${id}` as const })),
    default: 'nearest',
  },
  {
    path: 'extraNoise',
    optional: true,
    group: 'sampler',
    kind: 'number',
    label: 'params.extraNoise',
    infotext: 'Extra noise',
    min: 0,
    max: 1,
    sliderMax: 1,
    step: 0.01,
    default: 0,
    shown: (context) => hiresOn(context) || context.parameters.init !== undefined || context.sketching,
  },
];

const sigma = (
  name: 'min' | 'max' | 'rho' | 'betaAlpha' | 'betaBeta',
  infotext: string,
  shown?: ParameterDef['shown'],
): ParameterDef => ({
  path: `sigmas.${name}`,
  optional: true,
  group: 'sigmas',
  kind: 'number',
  label: `params.sigma.${name}`,
  hint: 'params.zeroAsModel',
  infotext,
  min: 0,
  max: name === 'rho' ? 100 : 1e6,
  step: 0.01,
  default: 0,
  ...(shown ? { shown } : {}),
});

export const SIGMAS: readonly ParameterDef[] = [
  sigma('min', 'Schedule min sigma'),
  sigma('max', 'Schedule max sigma'),
  sigma('rho', 'Schedule rho', (context) => scheduleIs(context, 'automatic', 'karras', 'polyexponential')),
  sigma('betaAlpha', 'Beta schedule alpha', (context) => scheduleIs(context, 'beta')),
  sigma('betaBeta', 'Beta schedule beta', (context) => scheduleIs(context, 'beta')),
  {
    path: 'sigmas.discardPenultimate',
    optional: true,
    group: 'sigmas',
    kind: 'flag',
    label: 'params.discardPenultimate',
    infotext: 'Discard penultimate sigma',
    default: false,
  },
];
