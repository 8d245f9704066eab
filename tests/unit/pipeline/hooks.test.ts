/** The order of hooks, against the event traces of the golden data where present, and against the rules themselves. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXTENSION_API_VERSION, HookRunner, type Extension } from '../../../src/lib/extensions/api';
import { BUILTIN_EXTENSIONS } from '../../../src/lib/extensions/builtin_list';
import { HOOKS, OTHER_CALLBACKS, type HookName } from '../../../src/lib/extensions/hooks';
import { orderNames, type OrderWish } from '../../../src/lib/extensions/order';
import type { GenerateRequest, InpaintRequest } from '../../../src/lib/rpc/engine';
import { goldenGroup } from '../../golden/golden_dir';
import { BASE } from './base_request';
import { boxMask, openDefault, pattern, run, type Opened } from './harness';

interface Settings {
  readonly n_iter: number;
  readonly batch: number;
  readonly calls: number;
  readonly hires: boolean;
  readonly hr_calls: number;
  readonly networks: boolean;
  readonly mask: boolean;
  readonly save: boolean;
  readonly grid: boolean;
  readonly extra_noise: boolean;
  /** With `cfg_denoised`, without the hook that only Forge has. */
  readonly a1111: boolean;
}

interface Trace {
  readonly id: string;
  readonly kind: 'txt2img' | 'img2img';
  readonly settings: Settings;
  readonly events: readonly (readonly [string, Readonly<Record<string, unknown>>?])[];
}

interface OrderCase {
  readonly id: string;
  readonly category: string;
  readonly registered: readonly string[];
  readonly instructions: readonly OrderWish[];
  readonly prioritized: readonly string[];
  readonly expected: readonly string[];
  readonly called: readonly string[];
}

interface Listed {
  readonly name: string;
  readonly args: readonly string[];
}

interface HookLists {
  readonly script_hooks: readonly Listed[];
  readonly script_ui_hooks: readonly Listed[];
  readonly global_callbacks: readonly Listed[];
  readonly rules: { readonly reversed: readonly string[] };
}

const root = goldenGroup('text');
function golden<T>(name: string): T | undefined {
  const file = root && join(root, 'hooks', name);
  return file && existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T) : undefined;
}
const traces = golden<{ traces: Trace[] }>('traces.json')?.traces ?? [];
const orders = golden<{ cases: OrderCase[] }>('ordering.json')?.cases ?? [];
const lists = golden<HookLists>('hooks.json');

/** `pp{crop_region,image_mask}` names two arguments; `p` and `*args` (own controls) belong to no single hook. */
function argumentsOf({ args }: Listed): string[] {
  return args
    .flatMap((arg) => /\{(.*)\}/.exec(arg)?.[1]?.split(',') ?? [arg])
    .filter((arg) => arg !== '' && arg !== 'p' && !arg.startsWith('*'));
}

/** Every hook recorded by the name that the web UIs give it, with the payload fields that traces show. */
function recorder(events: unknown[]): Extension {
  const hooks = Object.fromEntries(
    HOOKS.map(({ name, upstream }) => [
      name,
      (payload: Record<string, unknown>) => {
        const shown: Record<string, unknown> = {};
        if (['before_process_batch', 'after_extra_networks_activate', 'process_batch'].includes(upstream))
          shown['batch_number'] = payload['batch'];
        if (upstream.startsWith('postprocess_batch')) shown['batch_number'] = payload['batch'];
        if (/^postprocess_(image|maskoverlay)/.test(upstream)) shown['index'] = payload['index'];
        if (upstream.startsWith('cfg_')) shown['sampling_step'] = payload['step'];
        if (upstream === 'on_mask_blend') shown['is_final_blend'] = payload['final'];
        events.push(Object.keys(shown).length > 0 ? [upstream, shown] : [upstream]);
      },
    ]),
  );
  return { id: 'recorder', label: 'Recorder', apiVersion: EXTENSION_API_VERSION, hooks };
}

function requestOf({ kind, settings: s }: Trace): Partial<GenerateRequest> {
  const image = pattern(64, 64);
  // t_enc + 1 calls: a strength between two steps gives exactly as many as the trace has.
  const steps = 2 * s.calls;
  const inpaint = {
    mask: boxMask(64, 64, [8, 8, 40, 40]),
    invert: false,
    blurPx: 0,
    fill: 'original' as const,
    area: 'whole' as const,
    paddingPx: 0,
  };
  return {
    batchCount: s.n_iter,
    batchSize: s.batch,
    grid: s.grid,
    steps: s.calls,
    ...(s.extra_noise ? { extraNoise: 0.1 } : {}),
    ...(s.hires
      ? {
          hires: {
            upscaler: 'Latent',
            scale: 1.5,
            widthPx: 0,
            heightPx: 0,
            steps: s.hr_calls,
            strength: 0.6,
            sampler: '',
            schedule: '',
            prompt: '',
            negativePrompt: '',
          },
        }
      : {}),
    ...(kind === 'img2img'
      ? {
          steps,
          init: {
            image,
            strength: (s.calls - 0.5) / steps,
            resizeMode: 'just' as const,
            ...(s.mask ? { inpaint } : {}),
          },
        }
      : {}),
  };
}

let opened: Opened;
beforeAll(async () => {
  opened = await openDefault();
}, 60_000);
afterAll(() => opened.close());
const SLOW = 60_000;

describe('every callback of the web UIs', () => {
  if (!lists) it.skip('skipped: the golden folder has no hook lists', () => undefined);
  const rows = new Map<string, Readonly<Record<string, unknown>>>(HOOKS.map(({ upstream, args }) => [upstream, args]));
  const known = lists ? [...lists.script_hooks, ...lists.global_callbacks] : [];
  it.each(known.map((one) => [one.name, one] as const))(
    '%s is a hook with all its arguments, or explained',
    (_, one) => {
      const args = rows.get(one.name);
      if (!args) expect(OTHER_CALLBACKS[one.name]?.instead).toBeTruthy();
      else expect(Object.keys(args).sort()).toEqual(argumentsOf(one).sort());
    },
  );
  if (!lists) return;
  it('is one of them, the panels too, and undoing runs backwards', () => {
    for (const { name } of lists.script_ui_hooks) expect(OTHER_CALLBACKS[name]?.instead).toBeTruthy();
    const all = new Set([...known, ...lists.script_ui_hooks].map(({ name }) => name));
    for (const name of [...rows.keys(), ...Object.keys(OTHER_CALLBACKS)]) expect([...all]).toContain(name);
    const reversed = Object.keys(OTHER_CALLBACKS).filter((name) => OTHER_CALLBACKS[name]?.reversed);
    expect(reversed.sort()).toEqual([...lists.rules.reversed].sort());
  });
});

describe('order of callbacks', () => {
  if (orders.length === 0) it.skip('skipped: the golden folder has no orders', () => undefined);
  it.each(orders.map((one) => [`${one.id} ${one.category}`, one] as const))('%s', (_, one) => {
    const sorted = orderNames(one.registered, one.instructions, one.prioritized);
    expect(sorted).toEqual(one.expected);
    const category = one.category.replace(/^script_(?!unloaded)/, '');
    expect(OTHER_CALLBACKS[category]?.reversed ? sorted.reverse() : sorted).toEqual(one.called);
  });
});

describe('order of hooks', () => {
  if (traces.length === 0) it.skip('skipped: the golden folder has no hook traces', () => undefined);
  for (const trace of traces) {
    it(`${trace.id} ${trace.kind}`, { timeout: SLOW }, async () => {
      const events: [string][] = [];
      await run(opened.model, requestOf(trace), {
        extensions: [recorder(events)],
        ...(trace.settings.networks ? { resolveLora: () => Promise.resolve(undefined) } : {}),
      });
      const wanted = new Set(trace.settings.save ? [] : ['before_image_saved', 'image_saved']);
      // Traces without A1111's event leave it out; it is really fired here.
      if (!trace.settings.a1111) wanted.add('cfg_denoised');
      else wanted.add('before_process_init_images');
      expect(events.filter(([name]) => !wanted.has(name))).toEqual(trace.events);
    });
  }

  it('hands every stage to the refiner once more', { timeout: SLOW }, async () => {
    const events: [string, unknown?][] = [];
    await run(
      opened.model,
      { refiner: { modelId: 'again', switchAt: 0.5 } },
      {
        extensions: [recorder(events)],
        resolveLora: () => Promise.resolve(undefined),
        loadModel: () => Promise.resolve(opened.model),
      },
    );
    const names = events.map(([name]) => name);
    const activations = names.flatMap((name, i) => (name === 'after_extra_networks_activate' ? [i] : []));
    expect(activations.length).toBe(2);
    expect(names.slice(activations[1]! - 1, activations[1]! + 2)).toEqual([
      'cfg_after_cfg',
      'after_extra_networks_activate',
      'cfg_denoiser',
    ]);
  });

  it('ends an interrupted job like any other, a failed one at once', { timeout: SLOW }, async () => {
    const events: [string][] = [];
    const stop = new AbortController();
    const result = await run(
      opened.model,
      { steps: 6, batchCount: 2 },
      {
        extensions: [recorder(events)],
        signal: stop.signal,
        onEvent: (event) => {
          if (event.kind === 'step' && event.step === 2) stop.abort();
        },
      },
    );
    expect(result.result.interrupted).toBe(true);
    const names = events.map(([name]) => name);
    expect(names.filter((name) => name === 'cfg_denoiser').length).toBe(2);
    expect(names.slice(-3)).toEqual(['before_image_saved', 'image_saved', 'postprocess']);

    const failed: [string][] = [];
    await expect(
      run(opened.model, { sampler: 'no such sampler' }, { extensions: [recorder(failed)] }),
    ).rejects.toMatchObject({ code: 'sampler/unknown' });
    expect(failed).toEqual([['setup'], ['before_process']]);
  });

  it('hands over every argument that the table promises', { timeout: SLOW }, async () => {
    const seen = new Map<HookName, Set<string>>();
    const read: Promise<{ shape: readonly number[] }>[] = [];
    const hooks = Object.fromEntries(
      HOOKS.map(({ name }) => [
        name,
        (payload: Record<string, unknown>, job: unknown) => {
          const fields = Object.entries(payload).flatMap(([field, value]) => (value === undefined ? [] : [field]));
          seen.set(name, new Set([...(seen.get(name) ?? []), ...fields, ...(job ? ['job'] : [])]));
          if (typeof payload['read'] === 'function') read.push((payload['read'] as () => (typeof read)[number])());
        },
      ]),
    );
    const host = {
      extensions: [{ id: 'all', label: '', apiVersion: 1, hooks } satisfies Extension],
      resolveLora: () => Promise.resolve(undefined),
    };
    const inpaint: InpaintRequest = {
      mask: boxMask(64, 64, [8, 8, 40, 40]),
      invert: false,
      blurPx: 0,
      fill: 'original',
      area: 'whole',
      paddingPx: 0,
    };
    const init = { image: pattern(64, 64), strength: 0.6, resizeMode: 'just' as const, inpaint };
    await run(opened.model, { init, extraNoise: 0.1, batchCount: 2, grid: true }, host);
    const hires = { upscaler: 'Latent', scale: 1.5, widthPx: 0, heightPx: 0, steps: 1, strength: 0.6 };
    await run(
      opened.model,
      { steps: 1, hires: { ...hires, sampler: '', schedule: '', prompt: '', negativePrompt: '' } },
      host,
    );
    for (const { name, args } of HOOKS) {
      const places = Object.values(args as Record<string, unknown>).filter((place) => typeof place === 'string');
      for (const place of [...places, 'job']) expect([...(seen.get(name) ?? [])], name).toContain(place);
    }
    for (const { shape } of await Promise.all(read)) expect(shape.slice(0, 2)).toEqual([1, 4]);
  });
});

it('reports a failing hook with its owner while the rest continues', { timeout: SLOW }, async () => {
  const reached: string[] = [];
  const extension = (id: string, hooks: Extension['hooks']): Extension => ({ id, label: id, apiVersion: 1, hooks });
  const { notices, result } = await run(
    opened.model,
    {},
    {
      extensions: [
        extension('broken', {
          batch: () => {
            throw new Error('no luck');
          },
        }),
        extension('fine', { batch: () => void reached.push('batch'), done: () => void reached.push('done') }),
      ],
    },
  );
  expect(notices).toEqual(['broken: its hook batch failed: no luck']);
  expect(reached).toEqual(['batch', 'done']);
  expect(result.images.length).toBe(1);
});

it('lets hooks change the prompt, the latent, the picture and the infotext', { timeout: SLOW }, async () => {
  const plain = await run(opened.model, { prompt: 'seed 7' });
  const { pictures, latents, infotexts } = await run(
    opened.model,
    { prompt: 'seed {seed}' },
    {
      extensions: [
        ...BUILTIN_EXTENSIONS,
        {
          id: 'changes',
          label: '',
          apiVersion: 1,
          hooks: {
            image: (payload) => {
              payload.image = pattern(32, 32);
            },
            beforeSave: (payload) => {
              payload.infotext = 'mine';
            },
          },
        },
      ],
    },
  );
  expect(latents[0]!.data).toEqual(plain.latents[0]!.data);
  expect(pictures[0]!.widthPx).toBe(32);
  expect(infotexts).toEqual(['mine']);
});

it('orders extensions by their wishes and the user, and refuses what is no extension', async () => {
  const called: string[] = [];
  const named = (id: string, over: Partial<Extension> = {}): Extension => ({
    id,
    label: id,
    apiVersion: 1,
    hooks: { setup: (_, job) => void called.push(`${id}${job.request.seed}`) },
    ...over,
  });
  const onFailure = () => undefined;
  const list = [named('a', { after: ['c'] }), named('b'), named('c'), named('d')];
  await new HookRunner(list, { request: BASE }, { first: ['d'], onFailure }).emit('setup', { request: BASE });
  expect(called).toEqual(['d7', 'c7', 'a7', 'b7']);
  for (const bad of [[named('a'), named('a')], [named('a b')]]) {
    expect(() => new HookRunner(bad, { request: BASE }, { onFailure })).toThrow(/unique id/);
  }
  const names: HookName[] = HOOKS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
