/** Text encoder graphs of a detected model, as its family uses them. */
import { AppError } from '../base/errors';
import { buildClip } from './clip/build';
import type { ClipConfig } from './clip/config';
import type { DetectedModel, TextEncoderSlot, TextEncoderSpec } from './family';
import { buildQwen3, type Qwen3Config } from './qwen3/qwen3';
import { buildT5, type T5Config } from './t5/t5';
import type { BuiltGraph, ModelPart, TextEncoderId } from './part';

/** The encoder part and its slot in the family. @throws AppError 'model/missing-part' */
function encoderOf(model: DetectedModel, id: TextEncoderId): { part: ModelPart; slot: TextEncoderSlot } {
  const part = model.textEncoders.get(id);
  const slot = model.family.encoders.find((s) => s.id === id);
  if (part && slot) return { part, slot };
  throw new AppError(
    'model/missing-part',
    `${model.label}: text encoder ${id} is needed and none of the files has it; add a file that does.`,
    { details: { model: model.label, encoder: id } },
  );
}

/**
 * Graph of one text encoder.
 * Inputs: `tokens` i32 [N, T]; where the slot's `pooled` is true also `endIndex` i32 [N], the first position of the
 * end token; with `injections` also `keep` and `injected`. Outputs: `hidden` [N, T, D]; `pooled` [N, P] where used.
 */
export function buildTextEncoder(model: DetectedModel, id: TextEncoderId, spec: TextEncoderSpec): BuiltGraph {
  const { part, slot } = encoderOf(model, id);
  switch (part.architecture) {
    case 'clip': {
      const clip = slot.clip ?? { finalNorm: true, baseSkip: 0, project: false };
      const { config, layout } = part as ModelPart<ClipConfig>;
      // SD2's original files hold one layer more than the model uses.
      const unused = id === 'openclip-h' && layout === 'open_clip' ? 1 : 0;
      const used = clip.project ? config : { ...config, projection: 0 };
      return buildClip(
        { ...part, config: used },
        {
          batch: spec.batch,
          tokens: spec.tokens,
          clipSkip: (spec.clipSkip ?? 1) + clip.baseSkip + unused,
          finalNorm: clip.finalNorm,
          pooled: slot.pooled,
          injections: spec.injections ?? false,
        },
      );
    }
    case 't5':
      return buildT5(part as ModelPart<T5Config>, spec);
    case 'qwen3': {
      const states = slot.qwen?.states ?? 'last-but-one';
      const chosen = model.hints.qwen3?.hiddenLayers ?? (states === 'last-but-one' ? [-2] : states);
      return buildQwen3(part as ModelPart<Qwen3Config>, { ...spec, states: chosen });
    }
    default:
      throw new AppError(
        'model/unsupported',
        `${model.label}: text encoder ${id} has the architecture ${part.architecture}, which is no text encoder; choose another file.`,
        { details: { encoder: id, architecture: part.architecture } },
      );
  }
}
