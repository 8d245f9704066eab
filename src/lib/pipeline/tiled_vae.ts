/**
 * An autoencoder in tiles that show no seams. Its half at latent size, with the attention, runs whole; the half at
 * picture size runs in tiles that overlap by its field of view. Group norms take the statistics of the whole picture,
 * estimated on a reduced copy, so that all tiles agree where they overlap.
 * Source: the idea of estimating the norms on a reduced picture is pkuliyi2015/multidiffusion-upscaler-for-automatic1111
 * ("Tiled VAE, fast mode"); running the attention half whole, and the exact field of view, are our own.
 */
import type { DeviceTensor, HostTensor } from '../backends/backend';
import { throwIfAborted } from '../base/abort';
import { AppError } from '../base/errors';
import type { Graph, Value } from '../graph/ir';
import { valueOf } from '../graph/ir';
import { CUT, cutGraph, narrowValues } from '../graph/passes/cut_graph';
import { fixedNorms, normSites, withNormMoments, type NormSite } from '../graph/passes/fixed_norms';
import type { DetectedModel } from '../models/family';
import type { BuiltGraph } from '../models/part';
import { buildVaeDecoder, buildVaeEncoder } from '../models/vae';
import type { PixelImage } from '../rpc/engine';
import type { LoadedModel } from './loaded_model';
import { MomentMeans } from './norm_moments';
import { uploadPicture } from './pixels';
import { cutTile, fade, sampleNearest, TileJoin, tileSpans, type Planes, type Span, type TileRules } from './tile_grid';

export type VaeSide = 'decoder' | 'encoder';

export interface VaeSize {
  /** Latent cells on the denoiser's side. */
  readonly height: number;
  readonly width: number;
  readonly circular: boolean;
}

/**
 * Passes over all tiles that correct the statistics before the one that counts. Each makes the tiled picture 3 to 10 dB
 * more like the whole one; a pass takes as long as decoding.
 */
const NORM_SWEEPS = 1;

/** Sides of tiles to try, pixels. */
export const TILE_SIDES_PX = [512, 256] as const;

/** The graphs of a tiled autoencoder. */
export interface TiledVae {
  readonly side: VaeSide;
  /** Everything that its graphs depend on besides the model. */
  readonly key: string;
  /** The half that runs once, over everything. */
  readonly whole: BuiltGraph;
  /** The half that runs tile by tile; norms take coefficients where `sites` has any. */
  readonly tile: BuiltGraph;
  /** The tile's half with its own norms and their moments as outputs; absent without norms. */
  readonly moments: BuiltGraph | undefined;
  /** The tile's half with norms from outside and the moments that it meets. */
  readonly tileMoments: BuiltGraph | undefined;
  readonly sites: readonly NormSite[];
  /** In cells of the map between the halves. */
  readonly rules: TileRules;
  readonly tileHeight: number;
  readonly tileWidth: number;
  /** Pixels per cell of that map, and per cell of the denoiser's latent. */
  readonly stride: number;
  readonly latentStride: number;
}

const sizeOf = ({ shape }: { readonly shape: readonly number[] }) => ({ height: shape[2] ?? 1, width: shape[3] ?? 1 });

/** The whole autoencoder, one picture at a time. */
export function buildVae(model: DetectedModel, side: VaeSide, { height, width, circular }: VaeSize): BuiltGraph {
  const spec = { batch: 1, height, width, circular };
  return side === 'decoder' ? buildVaeDecoder(model, spec) : buildVaeEncoder(model, spec);
}

/** Whether a node changes the size of an image; packing latents is none of that. */
function resizes(graph: Graph, node: Graph['nodes'][number]): boolean {
  if (node.op === 'upsampleNearest' || node.op === 'averagePool') return true;
  return node.op === 'conv2d' && (node.attrs.upsample > 1 || node.attrs.stride > 1);
}

/** Node position of the cut: the last narrow value before the first enlargement, or the first behind the last reduction. */
function cutPosition(graph: Graph, side: VaeSide): number {
  const at = (value: Value) => (value.source.kind === 'node' ? value.source.node : -1);
  const narrow = narrowValues(graph).filter(({ layout }) => layout === 'image');
  const sizes = graph.nodes.flatMap((node, position) => (resizes(graph, node) ? [position] : []));
  const found =
    side === 'decoder'
      ? narrow.findLast((value) => at(value) < (sizes[0] ?? 0))
      : narrow.find((value) => at(value) >= (sizes.at(-1) ?? Infinity));
  if (found) return at(found);
  throw new AppError('graph/shape', `${graph.name}: has no place where it can be cut into tiles.`);
}

/** Cells (of the map between the halves) that a result depends on to each side. */
function fieldOfView(graph: Graph, cellHeight: number): number {
  let cells = 0;
  for (const node of graph.nodes) {
    const [x] = node.inputs;
    const height = sizeOf(valueOf(graph, node.output)).height;
    if (node.op === 'upsampleNearest') cells += cellHeight / height;
    if (node.op !== 'conv2d' || x === undefined || node.inputs[1] === undefined) continue;
    const kernel = valueOf(graph, node.inputs[1]).shape[2] ?? 1;
    // A convolution looks around at the size at which it reads.
    const reads = sizeOf(valueOf(graph, x)).height * node.attrs.upsample;
    cells += (Math.floor(kernel / 2) * cellHeight) / reads;
  }
  return Math.ceil(cells);
}

/**
 * Graphs for tiles of about `tilePx`.
 * @throws AppError 'argument/invalid' when tiles of this side would be all overlap
 */
export function tiledVae(model: DetectedModel, side: VaeSide, size: VaeSize, tilePx: number): TiledVae {
  const full = buildVae(model, side, size);
  const position = cutPosition(full.graph, side);
  const cellsOf = (graph: Graph) => valueOf(graph, graph.nodes[position]?.output ?? -1);
  const halves = (built: BuiltGraph) => {
    const { first, second } = cutGraph(built.graph, cellsOf(built.graph).id);
    return side === 'decoder' ? { whole: first, tiled: second } : { whole: second, tiled: first };
  };
  const cells = sizeOf(cellsOf(full.graph));
  // Cells of the map between the halves per cell of the denoiser's latent.
  const fold = cells.height / size.height;
  const latentSide = Math.max(1, Math.floor(tilePx / model.latent.stride));
  const halo = fieldOfView(halves(full).tiled, cells.height);
  const rules: TileRules = { side: latentSide * fold, halo, ramp: 1, circular: size.circular };
  if (rules.side <= 2 * halo + rules.ramp) {
    throw new AppError(
      'argument/invalid',
      `tiled autoencoder: tiles must be wider than ${((2 * halo + rules.ramp) * model.latent.stride) / fold} pixels, got ${tilePx}.`,
      { details: { tilePx } },
    );
  }
  const along = (length: number) => {
    const wanted = size.circular ? length + Math.ceil((2 * halo + rules.ramp) / fold) : length;
    return Math.min(latentSide, wanted);
  };
  const [height, width] = [along(size.height), along(size.width)];
  const one = buildVae(model, side, { height, width, circular: false });
  const { tiled } = halves(one);
  const sites = normSites(tiled);
  const { weights } = full;
  return {
    side,
    key: JSON.stringify({ ...size, tilePx }),
    whole: { graph: halves(full).whole, weights },
    tile: { graph: sites.length > 0 ? fixedNorms(tiled) : tiled, weights },
    moments: sites.length > 0 ? { graph: withNormMoments(tiled), weights } : undefined,
    tileMoments: sites.length > 0 ? { graph: fixedNorms(tiled, { moments: true }), weights } : undefined,
    sites,
    rules: { ...rules, side: latentSide * fold },
    tileHeight: height * fold,
    tileWidth: width * fold,
    stride: model.latent.stride / fold,
    latentStride: model.latent.stride,
  };
}

/** The tiles of a picture, row by row. */
export function tilesOf(
  { rules, tileHeight, tileWidth, stride, latentStride }: TiledVae,
  size: Pick<VaeSize, 'height' | 'width'>,
): { readonly row: Span; readonly column: Span }[] {
  const cells = (latent: number) => (latent * latentStride) / stride;
  const columns = tileSpans(cells(size.width), { ...rules, side: tileWidth });
  return tileSpans(cells(size.height), { ...rules, side: tileHeight }).flatMap((row) =>
    columns.map((column) => ({ row, column })),
  );
}

/** Every graph that a tiled run compiles. */
export function tiledGraphs({ whole, tile, moments, tileMoments }: TiledVae): BuiltGraph[] {
  return [whole, tile, moments, tileMoments].filter((built) => built !== undefined);
}

/** Runs it: latent → pixels, or pixels → latent, both `[1, C, H, W]`. */
export async function runTiledVae(
  model: LoadedModel,
  vae: TiledVae,
  input: HostTensor,
  signal?: AbortSignal,
): Promise<HostTensor> {
  if (vae.side === 'decoder') {
    const cells = await runOne(model, vae, 'whole', input, signal);
    return toTensor(await runTiles(model, vae, toPlanes(cells), signal));
  }
  const cells = await runTiles(model, vae, toPlanes(input), signal);
  return runOne(model, vae, 'whole', toTensor(cells), signal);
}

async function runTiles(model: LoadedModel, vae: TiledVae, map: Planes, signal?: AbortSignal): Promise<Planes> {
  const { side, rules, stride } = vae;
  // Spans count cells of the map between the halves; the encoder reads pixels and gives cells, the decoder inversely.
  const [reads, gives] = side === 'decoder' ? [1, stride] : [stride, 1];
  const toLatent = stride / vae.latentStride / reads;
  const tiles = tilesOf(vae, { height: map.height * toLatent, width: map.width * toLatent });
  const scaled = (span: Span) => ({ ...span, start: span.start * reads, length: span.length * reads });
  const pieceOf = (row: Span, column: Span) => toTensor(cutTile(map, scaled(row), scaled(column)));
  let coefficients = await reducedCoefficients(model, vae, map, reads, signal);
  for (let sweep = 0; vae.moments && sweep < NORM_SWEEPS; sweep++) {
    const means = new MomentMeans(vae.sites);
    for (const { row, column } of tiles) {
      throwIfAborted(signal);
      const moments = await runMoments(model, vae, 'tileMoments', pieceOf(row, column), signal, coefficients);
      means.add(moments, fade(row, rules, 1), fade(column, rules, 1));
    }
    coefficients = await means.coefficients(vae.tile.weights);
  }
  let join: TileJoin | undefined;
  for (const { row, column } of tiles) {
    throwIfAborted(signal);
    const result = toPlanes(await runOne(model, vae, 'tile', pieceOf(row, column), signal, coefficients));
    join ??= new TileJoin(result.channels, (map.height / reads) * gives, (map.width / reads) * gives);
    const at = { y: row.start * gives, x: column.start * gives };
    join.add(result, at, fade(row, rules, gives), fade(column, rules, gives));
  }
  if (!join) throw new AppError('internal/unexpected', `${vae.tile.graph.name}: there was no tile.`);
  return join.finish();
}

/** Coefficients of every norm from one run over a reduced copy of the whole map. */
async function reducedCoefficients(
  model: LoadedModel,
  vae: TiledVae,
  map: Planes,
  reads: number,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, HostTensor>>> {
  const { moments, sites } = vae;
  if (!moments) return {};
  const reduced = toTensor(sampleNearest(map, vae.tileHeight * reads, vae.tileWidth * reads));
  const means = new MomentMeans(sites);
  means.add(await runMoments(model, vae, 'moments', reduced, signal, {}));
  return means.coefficients(moments.weights);
}

function runMoments(
  model: LoadedModel,
  vae: TiledVae,
  which: 'moments' | 'tileMoments',
  input: HostTensor,
  signal: AbortSignal | undefined,
  coefficients: Readonly<Record<string, HostTensor>>,
): Promise<Record<string, HostTensor>> {
  const built = vae[which];
  if (!built) throw new AppError('internal/unexpected', `${vae.side}: has no norms.`);
  const what = { component: `${vae.side} ${which}`, key: vae.key + model.vaeKey, build: () => built };
  return runProgram(model, what, { ...coefficients, [inputName(built.graph)]: input }, signal);
}

const inputName = (graph: Graph) => (graph.inputs.has(CUT) ? CUT : ([...graph.inputs.keys()][0] ?? ''));

async function runOne(
  model: LoadedModel,
  vae: TiledVae,
  half: 'whole' | 'tile',
  input: HostTensor,
  signal: AbortSignal | undefined,
  rest: Readonly<Record<string, HostTensor>> = {},
): Promise<HostTensor> {
  const built = vae[half];
  const inputs = { ...rest, [inputName(built.graph)]: input };
  const what = { component: `${vae.side} ${half}`, key: vae.key + model.vaeKey, build: () => built };
  const result = Object.values(await runProgram(model, what, inputs, signal))[0];
  if (!result) throw new AppError('backend/run', `${built.graph.name}: gave no output.`);
  return result;
}

/** A program of a model, by everything that it depends on. */
export interface WantedProgram {
  readonly component: string;
  readonly key: string;
  readonly build: () => BuiltGraph;
}

/** Compiles where needed, runs, reads every output back. */
export function runProgram(
  model: LoadedModel,
  what: WantedProgram,
  inputs: Readonly<Record<string, HostTensor>> | HostTensor,
  signal: AbortSignal | undefined,
): Promise<Record<string, HostTensor>> {
  return withOutputs(model, what, inputs, signal, async (outputs) => {
    const results: Record<string, HostTensor> = {};
    for (const [name, tensor] of Object.entries(outputs)) results[name] = await model.backend.download(tensor);
    return results;
  });
}

/**
 * Compiles where needed, runs, and lets `read` see the outputs before they are disposed.
 * @param inputs by name, or the one of the graph's only input; pictures go to the device as bytes
 */
export async function withOutputs<T>(
  model: LoadedModel,
  { component, key, build }: WantedProgram,
  inputs: Readonly<Record<string, HostTensor>> | HostTensor | PixelImage,
  signal: AbortSignal | undefined,
  read: (outputs: Readonly<Record<string, DeviceTensor>>) => Promise<T>,
): Promise<T> {
  const full = model.vaePrecision === 'f32' && model.backend.roundsToHalf === true;
  const options = full ? ({ precision: 'f32' } as const) : {};
  const program = await model.program(component, full ? `${key} f32` : key, build, options);
  const only = isPicture(inputs) || 'data' in inputs;
  const named = only ? { [inputName(program.graph)]: inputs as HostTensor | PixelImage } : inputs;
  const { backend } = model;
  const uploaded: Record<string, DeviceTensor> = {};
  let outputs: Record<string, DeviceTensor> = {};
  try {
    for (const [name, given] of Object.entries(named)) {
      uploaded[name] = isPicture(given) ? await uploadPicture(backend, given) : backend.upload(given);
    }
    outputs = await program.run(uploaded, signal ? { signal } : {});
    return await read(outputs);
  } finally {
    for (const tensor of [...Object.values(uploaded), ...Object.values(outputs)]) tensor.dispose();
  }
}

const isPicture = (given: object): given is PixelImage => 'rgba' in given;

function toPlanes({ shape, data }: HostTensor): Planes {
  const [, channels = 1, height = 1, width = 1] = shape;
  return { channels, height, width, data: data instanceof Float32Array ? data : Float32Array.from(data) };
}

function toTensor({ channels, height, width, data }: Planes): HostTensor {
  return { shape: [1, channels, height, width], data };
}
