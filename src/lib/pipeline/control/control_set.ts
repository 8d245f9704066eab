/**
 * All control units of one sampling: what they add to the denoiser's graph, and their tensors call by call. ControlNets
 * run beside the denoiser at every call; adapters look at their picture once. Effects of several units add up.
 */
import type { DeviceTensor, HostTensor, Program } from '../../backends/backend';
import { guidanceRows } from '../../graph/passes/guidance_rows';
import {
  buildControlNet,
  buildControlNetHint,
  hintStride,
  type ControlNetSpec,
} from '../../models/controlnet/controlnet';
import type { DenoiserSpec, HostArray } from '../../models/family';
import { ipAdapterWeights } from '../../models/ip_adapter/ip_adapter';
import type { ModelPart } from '../../models/part';
import { buildT2iAdapter, hintChannels, softFeatureWeight } from '../../models/t2i_adapter/t2i_adapter';
import { residualShapes } from '../../models/unet/build';
import type { UNetConfig } from '../../models/unet/config';
import type { ControlRequest } from '../../rpc/engine';
import { fitImage } from '../fit_image';
import type { LoadedModel } from '../loaded_model';
import { pixelsToTensor } from '../pixels';
import type { ControlModel } from './control_model';
import { imageTokens, runOnce } from './vision';

export interface ControlUnit {
  readonly control: ControlModel;
  readonly request: ControlRequest;
}

/** Which side of guidance a row of the denoiser's batch is on. */
export type RowKind = 'prompt' | 'negative';

export interface ControlCall {
  readonly rows: readonly RowKind[];
  /** Share of the run that is done, 0..1. */
  readonly share: number;
  /** The denoiser's inputs of these rows: `x`, `timestep`, `context` and, for SDXL, `pooled` and `timeIds`. */
  readonly inputs: Readonly<Record<string, DeviceTensor>>;
  readonly signal: AbortSignal | undefined;
}

interface Prepared extends ControlUnit {
  /** ControlNet: hint features; T2I-Adapter: one per level; IP-Adapter: tokens of the picture and of none. */
  readonly arrays: readonly HostArray[];
}

export interface ControlGeometry {
  readonly batch: number;
  /** Latent cells. */
  readonly height: number;
  readonly width: number;
  readonly signal: AbortSignal | undefined;
}

type Added = Pick<DenoiserSpec, 'controlResiduals' | 'adapterFeatures' | 'imagePrompts'>;

export class ControlSet {
  readonly spec: Added;
  /** Tells graphs with different `spec` apart. */
  readonly key: string;
  readonly #model: LoadedModel;
  readonly #units: readonly Prepared[];
  readonly #geometry: ControlGeometry;
  readonly #held = new Map<string, DeviceTensor>();

  private constructor(model: LoadedModel, units: readonly Prepared[], geometry: ControlGeometry) {
    this.#model = model;
    this.#units = units;
    this.#geometry = geometry;
    const has = (kind: ControlModel['kind']) => units.some(({ control }) => control.kind === kind);
    const unet = (model.detected.denoiser as ModelPart<UNetConfig>).config;
    const prompts = units.flatMap(({ control }) => (control.kind === 'ip-adapter' ? [control] : []));
    this.spec = {
      ...(has('controlnet') ? { controlResiduals: true } : {}),
      ...(has('t2i-adapter') ? { adapterFeatures: true } : {}),
      ...(prompts.length > 0
        ? {
            imagePrompts: prompts.map(({ part }, i) => ({
              count: part.config.tokens,
              weights: ipAdapterWeights(part, unet, i),
            })),
          }
        : {}),
    };
    const ids = prompts.map(({ id }) => id).join('+');
    this.key = `${has('controlnet') ? 'residuals ' : ''}${has('t2i-adapter') ? 'features ' : ''}${ids}`;
  }

  /** Reads the units' pictures at the size of a pass; undefined without units. */
  static async prepare(
    model: LoadedModel,
    units: readonly ControlUnit[],
    geometry: ControlGeometry,
  ): Promise<ControlSet | undefined> {
    if (units.length === 0) return undefined;
    const prepared: Prepared[] = [];
    for (const unit of units) prepared.push({ ...unit, arrays: await readPicture(model, unit, geometry) });
    return new ControlSet(model, prepared, geometry);
  }

  /** What the denoiser takes besides its own inputs; `release` frees what was made for this call alone. */
  async inputs(call: ControlCall): Promise<{ inputs: Record<string, DeviceTensor>; release: () => void }> {
    const residuals = this.spec.controlResiduals ? await this.#residuals(call) : { inputs: {}, own: [] };
    return {
      inputs: { ...residuals.inputs, ...this.#features(call), ...this.#imagePrompts(call) },
      release: () => {
        for (const tensor of residuals.own) tensor.dispose();
      },
    };
  }

  /** Frees uploads; the programs stay with the model. */
  dispose(): void {
    for (const tensor of this.#held.values()) tensor.dispose();
    this.#held.clear();
  }

  /** Component names of the programs that the units need in the model. */
  static components(units: readonly ControlUnit[]): ReadonlySet<string> {
    return new Set(units.map(({ control }, i) => component(control, i)));
  }

  async #residuals(call: ControlCall): Promise<{ inputs: Record<string, DeviceTensor>; own: DeviceTensor[] }> {
    const { backend } = this.#model;
    const sums = new Map<string, DeviceTensor>();
    try {
      for (const [i, unit] of this.#units.entries()) {
        const strengths = strengthsOf(unit, call);
        if (unit.control.kind !== 'controlnet' || strengths.every((s) => s === 0)) continue;
        const outputs = await this.#runControlNet(i, unit, strengths, call);
        for (const [name, tensor] of Object.entries(outputs)) {
          const sum = sums.get(name);
          sums.set(
            name,
            sum
              ? backend.lincomb([
                  [1, sum],
                  [1, tensor],
                ])
              : tensor,
          );
          if (sum) for (const old of [sum, tensor]) old.dispose();
        }
      }
    } catch (error) {
      for (const tensor of sums.values()) tensor.dispose();
      throw error;
    }
    if (sums.size > 0) return { inputs: Object.fromEntries(sums), own: [...sums.values()] };
    return { inputs: this.#silence(call), own: [] };
  }

  /** Zeros in place of residuals while no unit is active: cheaper than a second program of the denoiser. */
  #silence({ rows }: ControlCall): Record<string, DeviceTensor> {
    const count = rows.length * this.#geometry.batch;
    const unet = (this.#model.detected.denoiser as ModelPart<UNetConfig>).config;
    const { skips, mid } = residualShapes(unet, { ...this.#geometry, batch: count });
    const named = [...skips.map((shape, i) => [`residual_${i}`, shape] as const), ['residual_mid', mid] as const];
    return Object.fromEntries(
      named.map(([name, shape]) => [
        name,
        this.#hold(`zero ${name} ${count}`, () => ({
          shape,
          data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
        })),
      ]),
    );
  }

  async #runControlNet(
    index: number,
    { control, request, arrays }: Prepared,
    strengths: readonly number[],
    { rows, inputs, signal }: ControlCall,
  ): Promise<Record<string, DeviceTensor>> {
    if (control.kind !== 'controlnet') return {};
    const { backend } = this.#model;
    const { batch, height, width } = this.#geometry;
    const axis1 = (name: string) => inputs[name]?.shape[1] ?? 0;
    const spec: ControlNetSpec = {
      batch: rows.length * batch,
      height,
      width,
      tokens: axis1('context'),
      hint: 'features',
      strength: true,
      soft: request.mode !== 'balanced',
      ...(control.part.config.unet.vectorWidth > 0
        ? { vector: { pooledWidth: axis1('pooled'), ids: axis1('timeIds') } }
        : {}),
    };
    const program: Program = await this.#model.program(
      component(control, index),
      JSON.stringify([spec, rows.length]),
      () => {
        const built = buildControlNet(control.part, spec);
        return { ...built, graph: guidanceRows(built.graph, rows.length, ['x', 'timestep']) };
      },
    );
    const hint = arrays[0];
    const hintFeatures = this.#hold(`hint ${index}`, () => hint ?? { shape: [], data: new Float32Array(0) });
    const strength = backend.upload({
      shape: [rows.length * batch, 1, 1, 1],
      data: perPicture(strengths, batch),
    });
    const all: Record<string, DeviceTensor> = { ...inputs, hintFeatures, strength };
    const wanted = [...program.graph.inputs.keys()].flatMap((name) => {
      const tensor = all[name];
      return tensor ? [[name, tensor] as const] : [];
    });
    try {
      return await program.run(Object.fromEntries(wanted), signal ? { signal } : {});
    } finally {
      strength.dispose();
    }
  }

  #features(call: ControlCall): Record<string, DeviceTensor> {
    const units = this.#units.filter(({ control }) => control.kind === 't2i-adapter');
    const strengths = units.map((unit) => strengthsOf(unit, call));
    const levels = Math.max(0, ...units.map(({ arrays }) => arrays.length));
    return Object.fromEntries(
      Array.from({ length: levels }, (_, level) => {
        const name = `feature_${level}`;
        const tensor = this.#hold(`${name} ${JSON.stringify(strengths)}`, () => {
          const terms = units.map(({ arrays, request }, u) => {
            const soft = request.mode === 'balanced' ? 1 : softFeatureWeight(level, arrays.length);
            return { array: arrays[level], weights: (strengths[u] ?? []).map((weight) => weight * soft) };
          });
          return weightedRows(terms, this.#geometry.batch);
        });
        return [name, tensor];
      }),
    );
  }

  #imagePrompts(call: ControlCall): Record<string, DeviceTensor> {
    const { batch } = this.#geometry;
    const inputs: Record<string, DeviceTensor> = {};
    const units = this.#units.filter(({ control }) => control.kind === 'ip-adapter');
    for (const [i, unit] of units.entries()) {
      const [picture, none] = unit.arrays;
      const strengths = strengthsOf(unit, call);
      const rows = call.rows.map((row) => (row === 'prompt' ? picture : none));
      inputs[`imageTokens_${i}`] = this.#hold(`tokens ${i} ${call.rows.join()}`, () =>
        weightedRows(
          rows.map((array, r) => ({ array, weights: rows.map((_, other) => (other === r ? 1 : 0)) })),
          batch,
        ),
      );
      inputs[`imageScale_${i}`] = this.#hold(`scale ${i} ${strengths.join()}`, () => ({
        shape: [rows.length * batch, 1, 1],
        data: perPicture(strengths, batch),
      }));
    }
    return inputs;
  }

  #hold(key: string, make: () => HostTensor): DeviceTensor {
    const held = this.#held.get(key);
    if (held) return held;
    const tensor = this.#model.backend.upload(make());
    this.#held.set(key, tensor);
    return tensor;
  }
}

function component({ id }: ControlModel, index: number): string {
  return `control ${index} ${id}`;
}

/** A unit's weight for each row of the batch at this moment. Source of the range rule: Mikubill/sd-webui-controlnet. */
function strengthsOf({ request }: ControlUnit, { rows, share }: ControlCall): number[] {
  const active = share >= request.start && share <= request.end;
  return rows.map((row) => (!active || (row === 'negative' && request.mode === 'control') ? 0 : request.weight));
}

/** Each row's number for every picture of the batch. */
function perPicture(rows: readonly number[], batch: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(rows.flatMap((value) => Array.from({ length: batch }, () => value)));
}

/** Σ array · weight of the row, each row repeated for every picture: `[rows · batch, …]`. */
function weightedRows(
  terms: readonly { readonly array: HostArray | undefined; readonly weights: readonly number[] }[],
  batch: number,
): HostTensor {
  const first = terms.find(({ array }) => array)?.array;
  const rows = terms[0]?.weights.length ?? 0;
  const count = first?.data.length ?? 0;
  const data = new Float32Array(rows * batch * count);
  for (let row = 0; row < rows; row++) {
    const sum = new Float32Array(count);
    for (const { array, weights } of terms) {
      const weight = weights[row] ?? 0;
      if (weight !== 0) for (let i = 0; i < count; i++) sum[i] = (sum[i] ?? 0) + weight * (array?.data[i] ?? 0);
    }
    for (let b = 0; b < batch; b++) data.set(sum, (row * batch + b) * count);
  }
  return { shape: [rows * batch, ...(first?.shape.slice(1) ?? [])], data };
}

async function readPicture(
  model: LoadedModel,
  { control, request }: ControlUnit,
  { height, width, signal }: ControlGeometry,
): Promise<HostArray[]> {
  const { backend, detected } = model;
  const mode = request.resizeMode ?? 'crop';
  const array = (tensor: HostTensor | undefined): HostArray => ({
    shape: tensor?.shape ?? [],
    data: Float32Array.from(tensor?.data ?? []),
  });
  switch (control.kind) {
    case 'controlnet': {
      const stride = hintStride(control.part.config);
      const hint = pixelsToTensor(fitImage(request.image, width * stride, height * stride, mode));
      const { hintFeatures } = await runOnce(
        backend,
        buildControlNetHint(control.part, { height, width }),
        { hint },
        signal,
      );
      return [array(hintFeatures)];
    }
    case 't2i-adapter': {
      const { stride } = detected.latent;
      const rgb = pixelsToTensor(fitImage(request.image, width * stride, height * stride, mode));
      const hint = hintChannels(control.part.config) === 1 ? luma(rgb) : rgb;
      const outputs = await runOnce(
        backend,
        buildT2iAdapter(control.part, { batch: 1, height, width }),
        { hint },
        signal,
      );
      return Object.keys(outputs)
        .sort((a, b) => Number(a.split('_')[1]) - Number(b.split('_')[1]))
        .map((name) => array(outputs[name]));
    }
    case 'ip-adapter': {
      const { picture, none } = await imageTokens(backend, control, request.image, signal);
      return [picture, none];
    }
  }
}

/** Rec. 601 luma of `[1, 3, H, W]`. */
function luma({ shape, data }: HostTensor): HostTensor {
  const [, , height = 0, width = 0] = shape;
  const plane = height * width;
  const gray = Float32Array.from({ length: plane }, (_, i) => {
    const [r, g, b] = [0, 1, 2].map((c) => data[c * plane + i] ?? 0);
    return 0.299 * (r ?? 0) + 0.587 * (g ?? 0) + 0.114 * (b ?? 0);
  });
  return { shape: [1, 1, height, width], data: gray };
}
