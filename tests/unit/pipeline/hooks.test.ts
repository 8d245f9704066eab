/** The order of hooks, against the event traces of the golden data where present, and against the rules themselves. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXTENSION_API_VERSION, HookRunner, orderExtensions, type Extension } from '../../../src/lib/extensions/api';
import { BUILTIN_EXTENSIONS } from '../../../src/lib/extensions/builtin_list';
import { HOOKS, type HookName } from '../../../src/lib/extensions/hooks';
import type { GenerateRequest } from '../../../src/lib/rpc/engine';
import { goldenGroup } from '../../golden/golden_dir';
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

const root = goldenGroup('text');
const file = root && join(root, 'hooks/traces.json');
const traces = file && existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { traces: Trace[] }).traces : [];

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

it('orders extensions by their wishes and refuses what is no extension', () => {
  const named = (id: string, over: Partial<Extension> = {}): Extension => ({
    id,
    label: id,
    apiVersion: 1,
    hooks: {},
    ...over,
  });
  const ids = (list: readonly Extension[]): string =>
    orderExtensions(list)
      .map((e) => e.id)
      .join('');
  expect(ids([named('a', { after: ['c'] }), named('b'), named('c')])).toBe('cab');
  expect(ids([named('a'), named('b', { before: ['a'] }), named('c', { after: ['gone'] })])).toBe('bac');
  expect(ids([named('a', { after: ['b'] }), named('b', { after: ['a'] })])).toHaveLength(2);
  const bad: [Extension, Extension?][] = [[named('a'), named('a')], [named('a b')]];
  for (const list of bad) {
    expect(
      () =>
        new HookRunner(
          list.filter((e) => e !== undefined),
          () => undefined,
        ),
    ).toThrow(/unique id/);
  }
  const names: HookName[] = HOOKS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
