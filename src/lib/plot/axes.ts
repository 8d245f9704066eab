/**
 * The list of plot axes. Adding one = one entry here; ids, menus, labels and tests derive from it. Labels are those of
 * the web UIs' X/Y/Z plot where they have the axis, so that their infotexts read the same.
 */
import { AppError } from '../base/errors';
import {
  CONTROL_MODES,
  EMPHASIS_MODES,
  type ControlRequest,
  type GenerateRequest,
  type HiresRequest,
  type InpaintRequest,
} from '../rpc/engine';
import { GUIDANCE_KEY, GUIDANCE_METHODS, resolveGuidance } from '../sampling/guidance/methods';
import { resolveNames, resolveScheduleName } from '../sampling/names';
import { samplers } from '../sampling/registry';
import { schedules } from '../sampling/schedule_registry';
import { numberAxis, sizeAxis, textAxis, yesNoAxis, type AxisValue, type PlotAxis } from './axis';
import { modelOptionAxes, samplerOptionAxes, setOption, softInpaintAxes } from './option_axes';
import { addStyles, orderPrompt, replaceInPrompts, setLora, setLoraWeight } from './prompt_axes';

const SAMPLERS = samplers.map((s) => s.label);
const SCHEDULES = ['Automatic', ...schedules.map((s) => s.label)];

const sigma = (request: GenerateRequest, change: NonNullable<GenerateRequest['sigmas']>): GenerateRequest => ({
  ...request,
  sigmas: { ...request.sigmas, ...change },
});
const guidance = (request: GenerateRequest, change: NonNullable<GenerateRequest['guidance']>): GenerateRequest => ({
  ...request,
  guidance: { ...request.guidance, ...change },
});
const hires = (request: GenerateRequest, change: Partial<HiresRequest>): GenerateRequest =>
  request.hires ? { ...request, hires: { ...request.hires, ...change } } : request;
const inpaint = (request: GenerateRequest, change: Partial<InpaintRequest>): GenerateRequest =>
  request.init?.inpaint
    ? { ...request, init: { ...request.init, inpaint: { ...request.init.inpaint, ...change } } }
    : request;
/** All units alike, as one slider would. */
const control = (request: GenerateRequest, change: Partial<ControlRequest>): GenerateRequest =>
  request.control ? { ...request, control: request.control.map((unit) => ({ ...unit, ...change })) } : request;
const variation = (
  request: GenerateRequest,
  change: Partial<NonNullable<GenerateRequest['variation']>>,
): GenerateRequest => ({ ...request, variation: { seed: 0, strength: 0, ...request.variation, ...change } });

/** A sampler's name may bring its schedule; the form's own stays where it does not. */
function sampler(request: GenerateRequest, name: string): GenerateRequest {
  resolveNames(name, request.schedule);
  return { ...request, sampler: name };
}

/** Checked here, so that a plot stops before its first picture and not at the cell. */
function known(name: string): string {
  if (name !== '') resolveScheduleName(name);
  return name;
}

function denoising(request: GenerateRequest, strength: number): GenerateRequest {
  return request.init ? { ...request, init: { ...request.init, strength } } : hires(request, { strength });
}

function noiseSource(request: GenerateRequest, name: string): GenerateRequest {
  const source = name.toUpperCase() === 'GPU' ? 'NV' : name.toUpperCase();
  if (source === 'NV' || source === 'CPU') return { ...request, noiseSource: source };
  throw new AppError('argument/invalid', `plot axis RNG source: must be NV or CPU, got "${name}".`);
}

/** One of an axis's words, in any case. */
function wordOf<T extends string>(axis: string, words: readonly T[], name: string): T {
  const found = words.find((one) => one.toLowerCase() === name.toLowerCase());
  if (found) return found;
  throw new AppError('argument/invalid', `plot axis ${axis}: must be one of ${words.join(', ')}.`);
}

export const PLOT_AXES: readonly PlotAxis[] = [
  numberAxis({ id: 'seed', label: 'Seed', whole: true, random: true, set: (r, seed) => ({ ...r, seed }) }),
  numberAxis({
    id: 'variationSeed',
    label: 'Var. seed',
    entry: 'Variation seed',
    whole: true,
    random: true,
    set: (r, seed) => variation(r, { seed }),
  }),
  numberAxis({
    id: 'variationStrength',
    label: 'Var. strength',
    entry: 'Variation seed strength',
    set: (r, strength) => variation(r, { strength }),
  }),
  numberAxis({ id: 'steps', label: 'Steps', whole: true, set: (r, steps) => ({ ...r, steps }) }),
  numberAxis({ id: 'cfgScale', label: 'CFG Scale', set: (r, cfgScale) => ({ ...r, cfgScale }) }),
  numberAxis({
    id: 'distilledCfg',
    label: 'Distilled CFG Scale',
    set: (r, distilledGuidance) => ({ ...r, distilledGuidance }),
  }),
  numberAxis({
    id: 'imageCfgScale',
    label: 'Image CFG Scale',
    needs: 'init',
    set: (r, imageScale) => guidance(r, { imageScale }),
  }),
  textAxis({
    id: 'guidanceMethod',
    label: GUIDANCE_KEY,
    choices: GUIDANCE_METHODS.map(({ label }) => label),
    set: (r, name) => ({ ...r, guidanceMethod: resolveGuidance(name, {}).id }),
  }),
  numberAxis({ id: 'cfgRescale', label: 'CFG rescale', set: (r, cfgRescale) => ({ ...r, cfgRescale }) }),
  textAxis({ id: 'promptReplace', label: 'Prompt S/R', set: replaceInPrompts }),
  {
    id: 'promptOrder',
    label: 'Prompt order',
    kind: 'order',
    cost: 0,
    apply: (request: GenerateRequest, value: AxisValue) => orderPrompt(request, Array.isArray(value) ? value : []),
  },
  {
    id: 'styles',
    label: 'Styles',
    kind: 'choice',
    choices: 'styles',
    cost: 0,
    apply: (request, value, _all, styles = []) => addStyles(request, String(value), styles),
  },
  textAxis({ id: 'sampler', label: 'Sampler', choices: SAMPLERS, set: sampler }),
  textAxis({
    id: 'schedule',
    label: 'Schedule type',
    choices: SCHEDULES,
    set: (r, name) => ({ ...r, schedule: known(name) }),
  }),
  textAxis({
    id: 'model',
    label: 'Checkpoint name',
    entry: 'Model',
    choices: 'models',
    cost: 1,
    set: (r, modelId) => ({ ...r, modelId }),
  }),
  textAxis({ id: 'vae', label: 'VAE', choices: 'vaes', cost: 0.7, set: (r, vaeId) => ({ ...r, vaeId }) }),
  // Programs are compiled again for another size.
  sizeAxis({ id: 'size', label: 'Size', cost: 0.4, set: (r, side) => ({ ...r, ...side }) }),
  sizeAxis({
    id: 'seedResize',
    label: 'Seed resize',
    entry: 'Seed resize from',
    set: (r, seedResize) => ({ ...r, seedResize }),
  }),
  numberAxis({ id: 'clipSkip', label: 'Clip skip', whole: true, set: (r, clipSkip) => ({ ...r, clipSkip }) }),
  numberAxis({ id: 'loraWeight', label: 'Lora weight', set: setLoraWeight }),
  textAxis({ id: 'lora', label: 'Lora', choices: 'loras', cost: 0.3, set: setLora }),
  numberAxis({ id: 'denoising', label: 'Denoising', entry: 'Denoising strength', needs: 'strength', set: denoising }),
  numberAxis({
    id: 'hiresSteps',
    label: 'Hires steps',
    whole: true,
    needs: 'hires',
    set: (r, steps) => hires(r, { steps }),
  }),
  numberAxis({
    id: 'hiresScale',
    label: 'Hires upscale',
    needs: 'hires',
    cost: 0.4,
    set: (r, scale) => hires(r, { scale, widthPx: 0, heightPx: 0 }),
  }),
  textAxis({
    id: 'hiresUpscaler',
    label: 'Hires upscaler',
    choices: 'upscalers',
    needs: 'hires',
    cost: 0.2,
    set: (r, upscaler) => hires(r, { upscaler }),
  }),
  textAxis({
    id: 'hiresSampler',
    label: 'Hires sampler',
    choices: SAMPLERS,
    needs: 'hires',
    set: (r, name) => hires(sampler(r, name) && r, { sampler: name }),
  }),
  textAxis({
    id: 'hiresSchedule',
    label: 'Hires schedule type',
    choices: SCHEDULES,
    needs: 'hires',
    set: (r, name) => hires(r, { schedule: known(name) }),
  }),
  numberAxis({
    id: 'hiresCfgScale',
    label: 'Hires CFG Scale',
    needs: 'hires',
    set: (r, cfgScale) => hires(r, { cfgScale }),
  }),
  textAxis({
    id: 'refiner',
    label: 'Refiner checkpoint',
    entry: 'Refiner',
    choices: 'models',
    cost: 1,
    set: (r, modelId) => ({ ...r, refiner: { switchAt: 0.8, ...r.refiner, modelId } }),
  }),
  numberAxis({
    id: 'refinerSwitch',
    label: 'Refiner switch at',
    needs: 'refiner',
    set: (r, switchAt) => (r.refiner ? { ...r, refiner: { ...r.refiner, switchAt } } : r),
  }),
  numberAxis({ id: 'eta', label: 'Eta', set: (r, eta) => setOption(r, 'eta', eta) }),
  numberAxis({ id: 'sigmaChurn', label: 'Sigma Churn', set: (r, value) => setOption(r, 'sChurn', value) }),
  numberAxis({
    id: 'sigmaTmin',
    label: 'Sigma min',
    entry: 'Sigma tmin',
    set: (r, value) => setOption(r, 'sTmin', value),
  }),
  numberAxis({
    id: 'sigmaTmax',
    label: 'Sigma max',
    entry: 'Sigma tmax',
    set: (r, value) => setOption(r, 'sTmax', value),
  }),
  numberAxis({ id: 'sigmaNoise', label: 'Sigma noise', set: (r, value) => setOption(r, 'sNoise', value) }),
  numberAxis({ id: 'uniPcOrder', label: 'UniPC Order', whole: true, set: (r, value) => setOption(r, 'order', value) }),
  numberAxis({ id: 'scheduleMin', label: 'Schedule min sigma', set: (r, min) => sigma(r, { min }) }),
  numberAxis({ id: 'scheduleMax', label: 'Schedule max sigma', set: (r, max) => sigma(r, { max }) }),
  numberAxis({ id: 'scheduleRho', label: 'Schedule rho', set: (r, rho) => sigma(r, { rho }) }),
  numberAxis({ id: 'betaAlpha', label: 'Beta schedule alpha', set: (r, betaAlpha) => sigma(r, { betaAlpha }) }),
  numberAxis({ id: 'betaBeta', label: 'Beta schedule beta', set: (r, betaBeta) => sigma(r, { betaBeta }) }),
  yesNoAxis({
    id: 'discardPenultimate',
    label: 'Always discard next-to-last sigma',
    entry: 'Discard penultimate sigma',
    set: (r, discardPenultimate) => sigma(r, { discardPenultimate }),
  }),
  yesNoAxis({
    id: 'sgmNoise',
    label: 'SGM noise multiplier',
    set: (r, sgmNoiseMultiplier) => ({ ...r, sgmNoiseMultiplier }),
  }),
  numberAxis({
    id: 'ngms',
    label: 'Negative Guidance minimum sigma',
    entry: 'NGMS',
    set: (r, minUncondSigma) => guidance(r, { minUncondSigma }),
  }),
  yesNoAxis({
    id: 'ngmsAll',
    label: 'NGMS all steps',
    set: (r, minUncondAll) => guidance(r, { minUncondAll }),
  }),
  numberAxis({ id: 'skipEarly', label: 'Skip Early CFG', set: (r, skipEarly) => guidance(r, { skipEarly }) }),
  numberAxis({
    id: 'noiseMultiplier',
    label: 'Initial noise multiplier',
    entry: 'Noise multiplier',
    needs: 'init',
    set: (r, noiseMultiplier) => (r.init ? { ...r, init: { ...r.init, noiseMultiplier } } : r),
  }),
  numberAxis({
    id: 'extraNoise',
    label: 'Extra noise',
    needs: 'strength',
    set: (r, extraNoise) => ({ ...r, extraNoise }),
  }),
  numberAxis({
    id: 'maskWeight',
    label: 'Cond. Image Mask Weight',
    entry: 'Conditional mask weight',
    needs: 'inpaint',
    set: (r, conditioningWeight) => inpaint(r, { conditioningWeight }),
  }),
  numberAxis({ id: 'maskBlur', label: 'Mask blur', needs: 'inpaint', set: (r, blurPx) => inpaint(r, { blurPx }) }),
  numberAxis({ id: 'ensd', label: 'ENSD', whole: true, set: (r, ensd) => ({ ...r, ensd }) }),
  textAxis({ id: 'rng', label: 'RNG source', entry: 'RNG', choices: ['NV', 'CPU'], set: noiseSource }),
  textAxis({
    id: 'emphasis',
    label: 'Emphasis',
    choices: EMPHASIS_MODES,
    set: (r, name) => ({ ...r, emphasis: wordOf('Emphasis', EMPHASIS_MODES, name) }),
  }),
  numberAxis({
    id: 'controlWeight',
    label: 'ControlNet weight',
    needs: 'control',
    set: (r, weight) => control(r, { weight }),
  }),
  numberAxis({
    id: 'controlStart',
    label: 'ControlNet start',
    needs: 'control',
    set: (r, start) => control(r, { start }),
  }),
  numberAxis({ id: 'controlEnd', label: 'ControlNet end', needs: 'control', set: (r, end) => control(r, { end }) }),
  textAxis({
    id: 'controlMode',
    label: 'ControlNet mode',
    choices: CONTROL_MODES,
    needs: 'control',
    set: (r, name) => control(r, { mode: wordOf('Control mode', CONTROL_MODES, name) }),
  }),
  yesNoAxis({ id: 'tiling', label: 'Tiling', set: (r, tiling) => ({ ...r, tiling }) }),
  ...samplerOptionAxes(['eta', 'sChurn', 'sTmin', 'sTmax', 'sNoise', 'order']),
  ...modelOptionAxes(),
  ...softInpaintAxes(),
];

/** @throws AppError 'argument/invalid' for an id or label that no axis has */
export function plotAxis(name: string): PlotAxis {
  const wanted = name.trim().toLowerCase();
  const found = PLOT_AXES.find(({ id, label }) => id === name || label.toLowerCase() === wanted);
  if (found) return found;
  throw new AppError(
    'argument/invalid',
    `plot axis: must be one of ${PLOT_AXES.map((axis) => axis.id).join(', ')}; got "${name.slice(0, 60)}".`,
    { details: { axis: name.slice(0, 60) } },
  );
}
