/**
 * ComfyUI: the graph in the chunk `prompt` (or in EXIF make/model). There is no list of parameters; they are derived
 * by walking from the samplers to what feeds them. The graph is read as data and never run.
 */
import { emptyParameters } from '../parameters';
import type { ImageTexts } from '../image_texts';
import type { Dialect, DialectReading, SamplingPass } from './dialect';
import { defined, fieldsOf, jsonFields, numberOf, textOf } from './json_fields';
import type { JsonFields } from './json_fields';

interface GraphNode {
  readonly id: string;
  readonly classType: string;
  readonly inputs: JsonFields;
}
type Graph = ReadonlyMap<string, GraphNode>;

const MOST_NODES = 5000;
/** Inputs through which a text reaches a sampler. */
const textInput = /^(?:text|string|prompt|value|conditioning|cond|positive|negative|guider)/i;

export const comfyui: Dialect = {
  id: 'ComfyUI',
  read(image) {
    const graph = readGraph(image);
    if (graph === undefined) return undefined;
    const passes = passesInOrder(graph);
    const [first] = passes;
    const models = [...graph.values()].flatMap((node) => {
      const name = textOf(node.inputs.get('ckpt_name')) ?? textOf(node.inputs.get('unet_name'));
      return name === undefined ? [] : [name];
    });
    const size = [...graph.values()].find((node) => /^Empty.*Latent/.test(node.classType))?.inputs;
    const { prompts = [], negatives = [], denoise, ...sampling } = first ?? {};
    const value = (input: string) => [...graph.values()].find((node) => node.inputs.has(input))?.inputs.get(input);
    const lastLayer = numberOf(value('stop_at_clip_layer'));
    const parameters = {
      ...emptyParameters([...prompts, ...adapterTags(graph)].join('\n'), negatives.join('\n')),
      ...sampling,
      // Its noise is torch's, and it reads prompts its own way: both decide the picture.
      rng: 'CPU',
      emphasis: 'ComfyUI',
      ...defined({
        clipSkip: lastLayer === undefined ? undefined : -lastLayer,
        vae: textOf(value('vae_name')),
        denoisingStrength: denoise === 1 ? undefined : denoise,
        widthPx: numberOf(size?.get('width')),
        heightPx: numberOf(size?.get('height')),
        model: models[0],
      }),
    };
    const known =
      /KSampler|SamplerCustom|CLIPTextEncode$|Checkpoint|Empty.*Latent|VAEDecode$|VAELoader|SaveImage|PreviewImage|LoraLoader|CLIPSetLastLayer|UNETLoader|BasicScheduler|RandomNoise|CFGGuider|BasicGuider/;
    const unmapped = new Set([...graph.values()].map((n) => n.classType).filter((type) => !known.test(type)));
    if (passes.length > 1) unmapped.add(`${passes.length - 1} further sampling passes`);
    return {
      tool: 'ComfyUI',
      parameters,
      unmapped: [...unmapped],
      derived: true,
      passes,
      models,
    } satisfies DialectReading;
  },
};

/** LoRA loaders as tags, strengths of text encoder and denoiser apart. */
function adapterTags(graph: Graph): string[] {
  return [...graph.values()].flatMap(({ classType, inputs }) => {
    const file = textOf(inputs.get('lora_name'));
    if (file === undefined || !/^LoraLoader/.test(classType)) return [];
    const name = file.replace(/^.*[\\/]/, '').replace(/\.[^.]+$/, '');
    const denoiser = numberOf(inputs.get('strength_model')) ?? 1;
    const text = numberOf(inputs.get('strength_clip')) ?? (classType.endsWith('ModelOnly') ? 0 : denoiser);
    return [text === denoiser ? `<lora:${name}:${text}>` : `<lora:${name}:${text}:${denoiser}>`];
  });
}

function readGraph({ texts }: ImageTexts): Graph | undefined {
  const exif = [texts.get('exif:Model'), texts.get('exif:Make'), texts.get('exif:UserComment')]
    .map((text) => /^prompt:\s*(\{.*)$/s.exec(text ?? '')?.[1])
    .find((text) => text !== undefined);
  const root = jsonFields(texts.get('prompt') ?? exif);
  if (root === undefined || root.size > MOST_NODES) return undefined;
  const graph = new Map<string, GraphNode>();
  for (const [id, value] of root) {
    const node = fieldsOf(value);
    const classType = textOf(node?.get('class_type'));
    if (classType !== undefined) graph.set(id, { id, classType, inputs: fieldsOf(node?.get('inputs')) ?? new Map() });
  }
  return graph.size > 0 ? graph : undefined;
}

/** The node an input is linked to, and which output of it. */
function linked(graph: Graph, node: GraphNode, input: string): { node: GraphNode; slot: number } | undefined {
  const link = node.inputs.get(input);
  if (!Array.isArray(link)) return undefined;
  const target = graph.get(String(link[0]));
  return target === undefined ? undefined : { node: target, slot: Number(link[1]) };
}

function isSampler(node: GraphNode): boolean {
  const { inputs } = node;
  return (inputs.has('sampler_name') && inputs.has('steps')) || (inputs.has('sampler') && inputs.has('sigmas'));
}

/** All passes; one whose latent comes from another sampler stands behind it. */
function passesInOrder(graph: Graph): SamplingPass[] {
  const samplers = [...graph.values()].filter(isSampler);
  const depth = new Map<string, number>();
  const depthOf = (start: GraphNode): number => {
    const seen = new Set<string>();
    const pending = [start];
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
      for (const input of [
        'latent_image',
        'samples',
        'image',
        'pixels',
        'latent',
        'samples_to',
        'samples_from',
        'images',
      ]) {
        const next = linked(graph, node, input)?.node;
        if (next === undefined || seen.has(next.id)) continue;
        seen.add(next.id);
        pending.push(next);
      }
    }
    return samplers.filter((sampler) => seen.has(sampler.id)).length;
  };
  for (const sampler of samplers.slice(0, 100)) depth.set(sampler.id, depthOf(sampler));
  return samplers
    .slice(0, 100)
    .sort((a, b) => (depth.get(a.id) ?? 0) - (depth.get(b.id) ?? 0))
    .map((node) => readPass(graph, node));
}

function readPass(graph: Graph, node: GraphNode): SamplingPass {
  const part = (input: string): JsonFields => linked(graph, node, input)?.node.inputs ?? new Map<string, unknown>();
  const [noise, sampler, sigmas, guider] = [part('noise'), part('sampler'), part('sigmas'), part('guider')];
  const { inputs } = node;
  const number = (name: string, ...places: JsonFields[]): number | undefined =>
    [inputs, ...places].map((place) => numberOf(place.get(name))).find((value) => value !== undefined);
  const guiderNode = linked(graph, node, 'guider')?.node ?? node;
  return {
    prompts: textsBehind(graph, guiderNode, guiderNode.inputs.has('positive') ? 'positive' : 'conditioning'),
    negatives: textsBehind(graph, guiderNode, 'negative'),
    ...defined({
      sampler: textOf(inputs.get('sampler_name')) ?? textOf(sampler.get('sampler_name')),
      schedule: textOf(inputs.get('scheduler')) ?? textOf(sigmas.get('scheduler')),
      steps: number('steps', sigmas),
      cfgScale: number('cfg', guider),
      seed: number('seed') ?? number('noise_seed', noise) ?? linkedNumber(graph, node, 'seed'),
      denoise: number('denoise', sigmas),
    }),
  };
}

function linkedNumber(graph: Graph, node: GraphNode, input: string): number | undefined {
  const values = linked(graph, node, input)?.node.inputs.values() ?? [];
  return [...values].map(numberOf).find((value) => value !== undefined);
}

function textsBehind(graph: Graph, start: GraphNode, input: string): string[] {
  const texts: string[] = [];
  const seen = new Set<string>();
  const visit = (node: GraphNode, inputs: readonly string[]): void => {
    for (const name of inputs) {
      const written = textOf(node.inputs.get(name));
      if (written !== undefined && written.trim() !== '' && !texts.includes(written)) texts.push(written);
      const next = linked(graph, node, name);
      if (next !== undefined) pending.push(next);
    }
  };
  const pending: { node: GraphNode; slot: number }[] = [];
  visit(start, [input]);
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const key = `${next.node.id}/${next.slot}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const names = [...next.node.inputs.keys()].filter((name) => textInput.test(name));
    // Nodes with both sides hand the positive one out first.
    const isPair = names.includes('positive') && names.includes('negative');
    const other = next.slot === 1 ? 'positive' : 'negative';
    visit(next.node, isPair ? names.filter((name) => name !== other) : names);
  }
  return texts;
}
