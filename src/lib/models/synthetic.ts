/**
 * Models without files: true shapes, no bytes behind them. Graphs, costs and memory plans of published models are
 * computed from these; reading such a weight is an error.
 */
import type { ByteSource } from '../base/byte_source';
import { AppError } from '../base/errors';
import { elementCount, type Shape } from '../base/shape';
import type { NamedWeight, WeightMap } from '../graph/weights';
import { packedBytes, quantType, type QuantTypeId } from '../quant/registry';
import { assembleModel } from './assemble';
import type { DetectedModel } from './family';
import type { BuiltGraph, ModelPart } from './part';
import { buildTextEncoder } from './text';
import type { TrueSize } from './true_sizes';
import { buildVaeDecoder, buildVaeEncoder } from './vae';

const noBytes: ByteSource = {
  name: 'synthetic',
  sizeBytes: 0,
  read: () =>
    Promise.reject(new AppError('internal/unexpected', 'synthetic: this weight has a shape only; load a real file.')),
};

/** A weight of a shape and type with nothing behind it. */
function syntheticWeight(name: string, type: QuantTypeId, shape: Shape): NamedWeight {
  const byteLength = packedBytes(quantType(type), elementCount(shape));
  return { tensor: { name, type, shape, source: noBytes, byteOffset: 0, byteLength } };
}

/**
 * How published quantised files store a weight: matrices in the wanted type, convolutions and rows that do not fill
 * its blocks in f16, vectors in f32. (stable-diffusion.cpp, ComfyUI-GGUF.)
 * @param convolutions they are quantised as well, as our own converter can do
 */
export function usualType(shape: Shape, wanted: QuantTypeId, convolutions = false): QuantTypeId {
  if (shape.length < 2) return 'F32';
  if (shape.length > 2 && !convolutions) return 'F16';
  return elementCount(shape.slice(1)) % quantType(wanted).blockElems === 0 ? wanted : 'F16';
}

/** Has no weight of a usable shape, so that the builder lists, with shapes, all that it wanted. */
class EmptyWeights extends Map<string, NamedWeight> {
  override get(name: string): NamedWeight {
    // No weight has a side of 0.
    return { tensor: { name, type: 'F32', shape: [0], source: noBytes, byteOffset: 0, byteLength: 0 } };
  }
  override has(): boolean {
    return true;
  }
}

/** Shapes of every weight that a graph takes, as its builder asks for them. */
function wantedShapes(build: () => BuiltGraph): ReadonlyMap<string, Shape> {
  try {
    build();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'model/wrong-shape') throw error;
    const { misshapen } = error.details as { misshapen: readonly { name: string; expected: Shape }[] };
    return new Map(misshapen.map(({ name, expected }) => [name, expected]));
  }
  return new Map();
}

/**
 * Names and shapes of every weight that a network takes, by its graph.
 * @param build  with any weights, as the builders of `models` take them
 */
export function weightShapes(build: (weights: WeightMap) => BuiltGraph): ReadonlyMap<string, Shape> {
  return wantedShapes(() => build(new EmptyWeights()));
}

/**
 * A published model at its true size.
 * @param type stored type of its matrices, see `usualType`
 */
export function syntheticModel(
  size: TrueSize,
  type: QuantTypeId = 'F16',
  { convolutions = false }: { readonly convolutions?: boolean } = {},
): DetectedModel {
  const part = (role: ModelPart['role'], rest: Pick<ModelPart, 'architecture' | 'config'> & Partial<ModelPart>) => ({
    role,
    layout: 'diffusers',
    prefix: '',
    weights: new EmptyWeights() as WeightMap,
    file: size.id,
    ...rest,
  });
  const encoders = size.encoders.map(({ id, architecture, config }) =>
    part('text-encoder', { architecture, config, encoder: id, layout: 'transformers' }),
  );
  const empty = [
    part('denoiser', size.denoiser),
    ...encoders,
    part('vae', { architecture: 'kl-vae', config: size.vae }),
  ];
  const assemble = (parts: readonly ModelPart[]): DetectedModel => {
    const index = { format: 'safetensors', name: size.id, tensors: new Map(), metadata: new Map() } as const;
    const file = { file: size.id, kind: 'checkpoint', family: size.family, declared: {}, index } as const;
    const model = assembleModel([{ ...file, parts }]);
    const defaults = { ...model.defaults, widthPx: size.nativePx, heightPx: size.nativePx, ...size.defaults };
    return { ...model, label: size.label, defaults };
  };
  const bare = assemble(empty);
  // 8 cells halve three times: enough for every U-Net.
  const cells = { batch: 1, height: 8, width: 8 };
  const graphsOf = (one: ModelPart): (() => BuiltGraph)[] => {
    const { encoder } = one;
    if (encoder) return [() => buildTextEncoder(bare, encoder, { batch: 1, tokens: 77 })];
    if (one.role === 'denoiser') return [() => bare.family.buildDenoiser(bare, { ...cells, tokens: 77 })];
    return [() => buildVaeDecoder(bare, cells), () => buildVaeEncoder(bare, cells)];
  };
  return assemble(
    empty.map((one) => {
      const shapes = graphsOf(one).flatMap((build) => [...wantedShapes(build)]);
      const weights = shapes.map(([name, shape]) => {
        // Autoencoders are published in half precision beside quantised transformers.
        const stored = usualType(shape, one.role === 'vae' ? 'F16' : type, convolutions);
        return [name, syntheticWeight(name, stored, shape)] as const;
      });
      return { ...one, weights: new Map(weights) };
    }),
  );
}
