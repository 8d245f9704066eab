import { AppError } from '../../base/errors';
import type { OptionSchema } from '../options';
import { sNoise } from '../options';
import { defineSampler } from '../sampler';
import { karrasSigmas } from '../schedules/range_formulas';

const options = {
  sNoise,
  restartList: {
    kind: 'text',
    default: '',
    about: 'JSON {"sigma_min": [steps, times, sigma_max]}; empty: chosen by the number of steps, none below 20.',
  },
} as const satisfies OptionSchema;

type RestartEntry = readonly [steps: number, times: number, sigmaMax: number];

/** Heun steps; near the end the noise level is raised again and the last part repeated. */
export const restart = defineSampler(
  {
    id: 'restart',
    label: 'Restart',
    aliases: ['restart'],
    options,
    order: 2,
    callsPerStep: 2,
    preferredSchedule: 'karras',
    parameterizations: ['ve'],
    secondOrder: true,
    stochastic: true,
    webui: true,
    source: 'Xu et al. 2023, Restart sampling, algorithm 1; automatic list as in the web UIs',
  },
  async (ctx, x, given) => {
    let level = Infinity;
    for (const [i, [sigma, next]] of restartSteps(given, ctx.options.restartList).entries()) {
      if (sigma > level) {
        x = ctx.lincomb([1, x], [ctx.options.sNoise * Math.sqrt(sigma ** 2 - level ** 2), ctx.noise(level, sigma)]);
      }
      const denoised = await ctx.denoise(x, sigma);
      const euler = ctx.lincomb([next / sigma, x], [1 - next / sigma, denoised]);
      if (next === 0) {
        x = euler;
      } else {
        const second = await ctx.denoise(euler, next);
        const half = (next - sigma) / 2;
        x = ctx.lincomb([1 + half / sigma, x], [-half / sigma, denoised], [half / next, euler], [-half / next, second]);
      }
      level = next;
      await ctx.onStep({ i, sigma, denoised, x });
    }
    return x;
  },
);

/** Pairs [sigma, next] with the repeated parts in place. From 20 steps on, the automatic list replaces the schedule. */
function restartSteps(given: readonly number[], text: string): [number, number][] {
  const steps = given.length - 1;
  let sigmas = given;
  let list = text === '' ? [] : parseList(text);
  if (text === '' && steps >= 20) {
    const [inner, times] = steps >= 36 ? [Math.floor(steps / 4), 2] : [9, 1];
    sigmas = karrasSigmas(steps - inner * times, given[steps - 1] ?? 0, given[0] ?? 0, 7);
    list = [[0.1, [inner + 1, times, 2]]];
  }
  const restarts = new Map(list.map(([sigma, entry]) => [nearest(sigmas, sigma), entry]));
  const pairs: [number, number][] = [];
  for (let i = 0; i + 1 < sigmas.length; i++) {
    pairs.push([sigmas[i] as number, sigmas[i + 1] as number]);
    const entry = restarts.get(i + 1);
    if (entry === undefined) continue;
    const from = nearest(sigmas, entry[2]);
    if (from >= i + 1) continue;
    const inner = karrasSigmas(entry[0], sigmas[i + 1] as number, sigmas[from] as number, 7).slice(0, -1);
    for (let time = 0; time < entry[1]; time++) {
      for (let k = 0; k + 1 < inner.length; k++) pairs.push([inner[k] as number, inner[k + 1] as number]);
    }
  }
  return pairs;
}

function nearest(sigmas: readonly number[], value: number): number {
  let best = 0;
  sigmas.forEach((s, i) => {
    if (Math.abs(s - value) < Math.abs((sigmas[best] as number) - value)) best = i;
  });
  return best;
}

function parseList(text: string): [number, RestartEntry][] {
  try {
    const entries = Object.entries(JSON.parse(text) as Record<string, unknown>).map(
      ([sigma, entry]): [number, RestartEntry] => [Number(sigma), entry as RestartEntry],
    );
    const valid = entries.every(
      ([sigma, e]) =>
        sigma >= 0 &&
        Array.isArray(e) &&
        Number.isInteger(e[0]) &&
        e[0] >= 2 &&
        e[0] <= 1000 &&
        Number.isInteger(e[1]) &&
        e[1] >= 0 &&
        e[1] <= 100 &&
        e[2] > 0,
    );
    if (valid) return entries;
  } catch {
    // Reported below together with lists of a wrong form.
  }
  throw new AppError(
    'argument/invalid',
    `sampler restart: the list must be JSON like {"0.1": [10, 1, 2]}, got ${text.slice(0, 100)}.`,
  );
}
