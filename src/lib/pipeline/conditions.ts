/** Which conditions hold at which model call: prompt plans encoded once, looked up step by step. */
import type { Conditioning } from '../models/family';
import { encodePlan, textIndexAt, type EncodePlan } from '../prompt/plan';
import { encodePrompts, type EncodeOptions } from './encode_prompt';
import type { StepConditions } from './guided_denoiser';
import type { LoadedModel } from './loaded_model';

export interface ConditionTexts {
  readonly prompt: string;
  readonly negative: string;
  /** Steps of the run, for `[a:b:0.5]`. */
  readonly steps: number;
}

/** Conditions of a run; `at` gives the same object for as long as nothing changes, so that uploads are kept. */
export class ConditionPlan {
  readonly #positive: EncodePlan;
  readonly #negative: EncodePlan;
  readonly #encoded: readonly Conditioning[];
  readonly #cache = new Map<string, StepConditions>();

  private constructor(positive: EncodePlan, negative: EncodePlan, encoded: readonly Conditioning[]) {
    this.#positive = positive;
    this.#negative = negative;
    this.#encoded = encoded;
  }

  /** Encodes every distinct text of the plan. */
  static async encode(model: LoadedModel, texts: ConditionTexts, options: EncodeOptions): Promise<ConditionPlan> {
    const positive = encodePlan(texts.prompt, { steps: texts.steps });
    const negative = encodePlan(texts.negative, { steps: texts.steps, negative: true });
    const encoded = await encodePrompts(model, [...positive.texts, ...negative.texts], options);
    return new ConditionPlan(positive, negative, encoded);
  }

  /** @param call  model call, from 1 */
  at(call: number): StepConditions {
    const chosen = this.#positive.parts.map((part) => textIndexAt(part, call));
    const negative = this.#negative.parts[0] ? textIndexAt(this.#negative.parts[0], call) : 0;
    const key = [...chosen, negative].join();
    let conditions = this.#cache.get(key);
    if (!conditions) {
      const conds = this.#positive.parts.flatMap((part, i) => {
        const conditioning = this.#encoded[chosen[i] ?? 0];
        return conditioning ? [{ weight: part.weight, conditioning }] : [];
      });
      const uncond = this.#encoded[this.#positive.texts.length + negative] ?? {};
      conditions = { conds, uncond };
      this.#cache.set(key, conditions);
    }
    return conditions;
  }
}
