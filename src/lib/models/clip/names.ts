/** Layer names of CLIP text encoders: canonical (transformers, with `text_model.`) ↔ bare ↔ OpenCLIP. */
import type { LayerNames, LayerPlace } from '../names';
import type { ClipConfig } from './config';

function layer(canonical: string, open: LayerPlace): LayerNames {
  const bare = { layer: canonical.replace(/^text_model\./, '') };
  return { canonical, places: { 'transformers-bare': bare, open_clip: open } };
}

/** Every layer of the encoder. OpenCLIP fuses q, k, v and stores the text projection transposed. */
export function* clipLayers({ width, layers }: Pick<ClipConfig, 'width' | 'layers'>): Generator<LayerNames> {
  yield layer('text_model.embeddings.token_embedding', { layer: 'token_embedding' });
  yield layer('text_model.embeddings.position_embedding', {
    layer: 'positional_embedding',
    weight: 'positional_embedding',
  });
  for (let i = 0; i < layers; i += 1) {
    const at = `text_model.encoder.layers.${i}`;
    const open = `transformer.resblocks.${i}`;
    yield layer(`${at}.layer_norm1`, { layer: `${open}.ln_1` });
    for (const [part, name] of ['q', 'k', 'v'].entries()) {
      yield layer(`${at}.self_attn.${name}_proj`, {
        layer: `${open}.attn.in_proj`,
        weight: `${open}.attn.in_proj_weight`,
        bias: `${open}.attn.in_proj_bias`,
        rows: { start: part * width, count: width },
      });
    }
    yield layer(`${at}.self_attn.out_proj`, { layer: `${open}.attn.out_proj` });
    yield layer(`${at}.layer_norm2`, { layer: `${open}.ln_2` });
    yield layer(`${at}.mlp.fc1`, { layer: `${open}.mlp.c_fc` });
    yield layer(`${at}.mlp.fc2`, { layer: `${open}.mlp.c_proj` });
  }
  yield layer('text_model.final_layer_norm', { layer: 'ln_final' });
  yield {
    canonical: 'text_projection',
    places: { open_clip: { layer: 'text_projection', weight: 'text_projection', transposed: true } },
  };
}
