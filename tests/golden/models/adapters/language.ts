/** T5 and Qwen3 text encoders. */
import type { HostTensor } from '../../../../src/lib/backends/backend';
import { buildQwen3, type Qwen3Config } from '../../../../src/lib/models/qwen3/qwen3';
import { buildT5, type T5Config } from '../../../../src/lib/models/t5/t5';
import { f32, findPart, type Adapter, type CaseRun } from '../adapter';

/** Tokens start..end of [N, T, D]. */
function tokens(t: HostTensor, start: number, end: number): HostTensor {
  const [n = 0, length = 0, d = 0] = t.shape;
  const parts = Array.from({ length: n }, (_, row) =>
    Array.from(t.data.subarray((row * length + start) * d, (row * length + end) * d)),
  );
  return f32([n, end - start, d], parts.flat());
}

const realCount = (mask: HostTensor | undefined, length: number) =>
  mask ? Array.from(mask.data).filter((m) => m > 0).length : length;

const maskInput = (run: CaseRun): Record<string, HostTensor> => {
  const mask = run.inputs.get('attention_mask');
  return mask ? { mask: f32(mask.shape, mask.data) } : {};
};

export const t5Adapter: Adapter = {
  id: 't5',
  matches: (_family, goldenCase, inputs) =>
    inputs.has('token_ids') && Object.keys(goldenCase.expected).every((name) => name.startsWith('states')),
  serves: (files) => {
    const part = findPart(files, 'text-encoder', 't5');
    // A file with some blocks only shows names; it cannot compute.
    return part?.weights.has('encoder.final_layer_norm.weight') ?? false;
  },
  async run(run) {
    const ids = run.input('token_ids');
    const [batch = 0, length = 0] = ids.shape;
    const mask = maskInput(run);
    const built = buildT5(run.part<T5Config>('text-encoder', 't5'), { batch, tokens: length, mask: 'mask' in mask });
    const states = (await run.run(built, { tokens: ids, ...mask }))['hidden'] as HostTensor;
    const real = realCount(run.inputs.get('attention_mask'), length);
    return {
      states,
      states_real: tokens(states, 0, real),
      states_first_16: tokens(states, 0, Math.min(16, length)),
      states_last_16: tokens(states, Math.max(0, length - 16), length),
    };
  },
};

export const qwenAdapter: Adapter = {
  id: 'qwen3',
  matches: (family, _case, inputs) =>
    inputs.has('token_ids') && !inputs.has('sigmas') && JSON.stringify(family.config).includes('"qwen3"'),
  serves: (files) => findPart(files, 'text-encoder', 'qwen3') !== undefined,
  async run(run) {
    const ids = run.input('token_ids');
    const [batch = 0, length = 0] = ids.shape;
    const mask = maskInput(run);
    const part = run.part<Qwen3Config>('text-encoder', 'qwen3');
    const states = async (wanted: readonly number[]) => {
      const built = buildQwen3(part, { batch, tokens: length, states: wanted, mask: 'mask' in mask });
      return (await run.run(built, { tokens: ids, ...mask }))['hidden'] as HostTensor;
    };
    const real = realCount(run.inputs.get('attention_mask'), length);
    const { expected, params } = run.goldenCase;
    const last = await states([-1]);
    const inner = await states([-2]);
    const layers = (params['klein_layers'] ?? params['layers']) as readonly number[] | undefined;
    const klein = layers && (await states(layers));
    return {
      z_image: tokens(inner, 0, real),
      cap_feats: tokens(inner, 0, real),
      'hidden_-2': inner,
      last,
      last_with_norm: tokens(last, 0, real),
      ...(klein
        ? { context: klein, klein_real: tokens(klein, 0, real), klein_padding: tokens(klein, real, length) }
        : {}),
      ...('context' in expected && !klein ? { context: inner } : {}),
    };
  },
};
