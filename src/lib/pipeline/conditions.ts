/** Which conditions hold at which model call: prompt plans encoded once, looked up step by step. */
import type { Conditioning } from '../models/family';
import { encodePlan, textIndexAt, type EncodePlan } from '../prompt/plan';
import { encodePrompts, type EncodeOptions } from './encode_prompt';
import type { StepConditions } from './condition_inputs';
import type { LoadedModel } from './loaded_model';

export interface ConditionTexts {
  readonly prompt: string;
  readonly negative: string;
  /** Steps of the run, for `[a:b:0.5]`. */
  readonly steps: number;
  /** Model calls of the second pass, when these are its texts. */
  readonly hiresSteps?: number;
  /** Size of the pictures, for denoisers that take it. */
  readonly widthPx: number;
  readonly heightPx: number;
}

/** SDXL refiner's scores of the two prompts, as in its reference pipeline. */
const AESTHETIC = { prompt: 6, negative: 2.5 };

/** Conditions of a run; `at` gives the same object for as long as nothing changes, so that uploads are kept. */
export class ConditionPlan {
  readonly #positive: EncodePlan;
  readonly #negative: EncodePlan;
  /** By part (the negative prompt last) and text. */
  readonly #encoded: readonly ReadonlyMap<number, Conditioning>[];
  readonly #cache = new Map<string, StepConditions>();

  private constructor(
    positive: EncodePlan,
    negative: EncodePlan,
    encoded: readonly ReadonlyMap<number, Conditioning>[],
  ) {
    this.#positive = positive;
    this.#negative = negative;
    this.#encoded = encoded;
  }

  /** Encodes every distinct text of the plan. */
  static async encode(model: LoadedModel, texts: ConditionTexts, options: EncodeOptions): Promise<ConditionPlan> {
    const counts = {
      steps: texts.steps,
      ...(texts.hiresSteps === undefined ? {} : { hiresSteps: texts.hiresSteps }),
    };
    const plain = options.emphasis === 'ComfyUI';
    const positive = encodePlan(texts.prompt, { ...counts, plain });
    const negative = encodePlan(texts.negative, { ...counts, plain, negative: true });
    const batches = [positive, negative].flatMap(({ texts: all, parts }) =>
      parts.map(({ batch }) => batch.map(({ text, count }) => ({ text: all[text] ?? '', count }))),
    );
    const encoded = await encodePrompts(model, batches, options);
    const { zeroNegative } = model.detected.family;
    const complete = [...positive.parts, ...negative.parts].map(({ batch }, part) => {
      const isNegative = part >= positive.parts.length;
      const size = sizeConditions(model, texts, isNegative ? AESTHETIC.negative : AESTHETIC.prompt);
      return new Map(
        batch.map(({ text }, i): [number, Conditioning] => {
          const conditioning = encoded[part]?.[i] ?? {};
          const own = isNegative && zeroNegative && negative.texts[text] === '' ? zeroed(conditioning) : conditioning;
          return [text, { ...own, ...size }];
        }),
      );
    });
    return new ConditionPlan(positive, negative, complete);
  }

  /** @param call  model call, from 1 */
  at(call: number): StepConditions {
    const chosen = this.#positive.parts.map((part) => textIndexAt(part, call));
    const negative = this.#negative.parts[0] ? textIndexAt(this.#negative.parts[0], call) : 0;
    const key = [...chosen, negative].join();
    let conditions = this.#cache.get(key);
    if (!conditions) {
      const conds = this.#positive.parts.flatMap((part, i) => {
        const conditioning = this.#encoded[i]?.get(chosen[i] ?? 0);
        return conditioning ? [{ weight: part.weight, conditioning }] : [];
      });
      const uncond = this.#encoded[this.#positive.parts.length]?.get(negative) ?? {};
      conditions = { conds, uncond };
      this.#cache.set(key, conditions);
    }
    return conditions;
  }
}

function zeroed(conditioning: Conditioning): Conditioning {
  return Object.fromEntries(
    Object.entries(conditioning).map(([name, { shape, data }]) => [
      name,
      { shape, data: new Float32Array(data.length) },
    ]),
  );
}

function sizeConditions(
  { detected }: LoadedModel,
  { widthPx, heightPx }: ConditionTexts,
  aestheticScore: number,
): Conditioning {
  const { family } = detected;
  if (!detected.inputs.includes('timeIds') || !family.sizeIds) return {};
  const ids = family.sizeIds({
    originalWidthPx: widthPx,
    originalHeightPx: heightPx,
    cropLeftPx: 0,
    cropTopPx: 0,
    targetWidthPx: widthPx,
    targetHeightPx: heightPx,
    aestheticScore,
  });
  return { timeIds: { shape: [1, ids.length], data: Float32Array.from(ids) } };
}
