/** What a denoiser is told beside the latent, on the device: uploaded once for as long as the conditions stay the same. */
import type { DeviceTensor, Program } from '../backends/backend';
import { AppError } from '../base/errors';
import { elementCount } from '../base/shape';
import type { Conditioning, HostArray } from '../models/family';
import type { LoadedModel } from './loaded_model';

/** What a step is conditioned on. */
export interface StepConditions {
  /** Positive parts with their weights; several for prompts joined by AND. */
  readonly conds: readonly { readonly weight: number; readonly conditioning: Conditioning }[];
  readonly uncond: Conditioning;
}

export interface ConditionInputsOptions {
  readonly model: LoadedModel;
  readonly batch: number;
  /** Inputs beyond x, timestep and the conditioning, `[1, …]` or `[batch, …]`: time ids, guidance, masks. */
  readonly extra: Readonly<Record<string, HostArray>>;
}

/** Given by the denoiser or by the control set. */
const GIVEN = /^(x|timestep|(residual|feature|imageTokens|imageScale)_.*)$/;

export class ConditionInputs {
  readonly #options: ConditionInputsOptions;
  #conditions: StepConditions | undefined;
  #held = new Map<string, DeviceTensor>();

  constructor(options: ConditionInputsOptions) {
    this.#options = options;
  }

  /**
   * Inputs of `program` for some of the conditions `all`, one row of the batch each.
   * @param conditions  what `all` was made of: others free the uploads of these
   * @param share  share of the run that is done, for networks whose strength moves
   * @throws AppError 'model/missing-part' for an input that nothing gives
   */
  of(
    conditions: StepConditions,
    all: readonly Conditioning[],
    { first, rows, share }: { first: number; rows: number; share: number },
    program: Program,
  ): Record<string, DeviceTensor> {
    const { model, batch, extra } = this.#options;
    if (this.#conditions !== conditions) {
      this.release();
      this.#conditions = conditions;
    }
    const result: Record<string, DeviceTensor> = {};
    for (const name of program.graph.inputs.keys()) {
      if (GIVEN.test(name)) continue;
      const strength = model.strength(model.detected.denoiser, name, share);
      const key = `${name} ${strength ?? `${first}+${rows}/${all.length}`}`;
      const known = this.#held.get(key);
      const parts = () => all.slice(first, first + rows).map((conditioning) => conditioning[name] ?? extra[name]);
      const tensor =
        known ??
        model.backend.upload(
          strength === undefined ? stack(name, parts(), batch) : { shape: [1], data: Float32Array.of(strength) },
        );
      this.#held.set(key, tensor);
      result[name] = tensor;
    }
    return result;
  }

  release(): void {
    for (const tensor of this.#held.values()) tensor.dispose();
    this.#held = new Map();
    this.#conditions = undefined;
  }
}

/** Rows of one input below each other, each repeated for every picture of the batch. */
function stack(name: string, parts: readonly (HostArray | undefined)[], batch: number): HostArray {
  const whole: Float32Array[] = [];
  let shape: readonly number[] = [];
  for (const part of parts) {
    if (!part) {
      throw new AppError(
        'model/missing-part',
        `denoiser: nothing gives its input "${name}"; add the missing part of the model.`,
        {
          details: { input: name },
        },
      );
    }
    shape = part.shape;
    const copies = part.shape[0] === batch ? 1 : batch;
    for (let i = 0; i < copies; i++) whole.push(part.data);
  }
  const data = new Float32Array(parts.length * batch * elementCount(shape.slice(1)));
  let offset = 0;
  for (const part of whole) {
    data.set(part, offset);
    offset += part.length;
  }
  return { shape: [parts.length * batch, ...shape.slice(1)], data };
}
