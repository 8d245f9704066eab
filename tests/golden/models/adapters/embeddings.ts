/** Textual inversion: vectors take the place of tokens; later tokens move right. */
import type { HostTensor } from '../../../../src/lib/backends/backend';
import { buildClip } from '../../../../src/lib/models/clip/build';
import type { ClipConfig } from '../../../../src/lib/models/clip/config';
import { joinLast } from '../../../../src/lib/models/host_array';
import type { TextEncoderId } from '../../../../src/lib/models/part';
import { injectionInputs, readTextualInversion } from '../../../../src/lib/models/textual_inversion';
import { loadWeight } from '../../../../src/lib/graph/load_weight';
import { endIndex, f32, findPart, i32, type Adapter, type CaseRun } from '../adapter';

async function inject(
  run: CaseRun,
  id: TextEncoderId,
  before: HostTensor,
  call: { skip: number; norm: boolean; pooled: boolean },
) {
  const index = await run.family.store.index(`${run.family.name}/${String(run.goldenCase.params['file'])}`);
  const vectors = (await readTextualInversion(index)).vectors[id];
  if (!vectors) throw new Error(`no vectors for ${id}`);
  const part = run.part<ClipConfig>('text-encoder', 'clip', id);
  const [batch = 0, tokens = 0] = before.shape;
  const position = run.input('insert_at').data[0] ?? 0;
  const count = vectors.shape[0] ?? 0;
  const row = Array.from(before.data);
  row.splice(position, 0, ...new Array<number>(count).fill(0));
  const ids = i32([batch, tokens], row.slice(0, tokens));
  const width = part.config.width;
  const inputs = injectionInputs({ batch, tokens, width }, [{ row: 0, position, vectors }]);
  const built = buildClip(part, {
    batch,
    tokens,
    clipSkip: call.skip,
    finalNorm: call.norm,
    pooled: call.pooled,
    injections: true,
  });
  const outputs = await run.run(built, {
    tokens: ids,
    keep: f32(inputs.keep.shape, inputs.keep.data),
    injected: f32(inputs.injected.shape, inputs.injected.data),
    ...(call.pooled ? { endIndex: endIndex(ids) } : {}),
  });
  const table = part.weights.get('text_model.embeddings.token_embedding.weight');
  const rowsOf = table ? await loadWeight(table, [part.config.vocabulary, width]) : new Float32Array(0);
  const embedded = Array.from(ids.data).flatMap((token, t) => {
    const kept = inputs.keep.data[t] ?? 1;
    return Array.from(
      { length: width },
      (_, k) => (rowsOf[token * width + k] ?? 0) * kept + (inputs.injected.data[t * width + k] ?? 0),
    );
  });
  return {
    hidden: outputs['hidden'] as HostTensor,
    pooled: outputs['pooled'],
    embedded: f32([batch, tokens, width], embedded),
  };
}

export const embeddingAdapter: Adapter = {
  id: 'textual inversion',
  matches: (_family, _case, inputs) => inputs.has('insert_at'),
  serves: (files, _family, _case, inputs) =>
    findPart(files, 'text-encoder', 'clip', 'clip-l') !== undefined &&
    (!inputs.has('token_ids_g_before') || findPart(files, 'text-encoder', 'clip', 'openclip-bigg') !== undefined),
  async run(run): Promise<Record<string, HostTensor>> {
    const g = run.inputs.get('token_ids_g_before');
    if (!g) {
      const { hidden, embedded } = await inject(run, 'clip-l', run.input('token_ids_before'), {
        skip: 1,
        norm: true,
        pooled: false,
      });
      return { context: hidden, token_embeddings: embedded };
    }
    const l = await inject(run, 'clip-l', run.input('token_ids_l_before'), { skip: 2, norm: false, pooled: false });
    const bigG = await inject(run, 'openclip-bigg', g, { skip: 2, norm: false, pooled: true });
    return { context: joinLast([l.hidden as never, bigG.hidden as never]), pooled: bigG.pooled as HostTensor };
  },
};
