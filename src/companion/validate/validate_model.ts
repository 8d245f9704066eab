/** The models of a folder in turn: opened, drawn with alone and with every LoRA that was made for them. */
import { basename } from 'node:path';
import type { Backend } from '../../lib/backends/backend';
import { AppError, toPlainError } from '../../lib/base/errors';
import type { LoadedModel } from '../../lib/pipeline/loaded_model';
import { NetworkLibrary } from '../../lib/pipeline/network_library';
import { NetworkStacks } from '../../lib/pipeline/networks';
import type { GenerateRequest } from '../../lib/rpc/engine';
import { resolveNames } from '../../lib/sampling/names';
import { getSampler } from '../../lib/sampling/registry';
import { psnr } from '../baseline/similarity';
import { loadNodeModel } from '../node_model';
import { networkName, openNetworks } from '../node_networks';
import { draw, validationRequest, type Drawn, type DrawSettings } from './draw';
import type { FoundFiles, FoundModel } from './find_models';
import type { LoraEntry, ModelEntry } from './report';
import { withKnownTokens } from './stand_in_tokens';

interface Surroundings {
  readonly backend: Backend;
  readonly settings: DrawSettings;
  readonly signal: AbortSignal;
  /** One line for every picture. */
  readonly tell: (name: string, what: string) => void;
}

/** LoRAs without a known family are tried with every model. */
export const fits = ({ file }: FoundFiles['loras'][number], { model }: FoundModel): boolean =>
  file.family === undefined || file.family === model.family.id;

const labelOf = (sampler: string): string => getSampler(resolveNames(sampler).sampler).label;

/** Undefined for a job that was stopped; anything else is thrown on. */
function stopped(error: unknown): undefined {
  if (error instanceof AppError && error.code === 'job/cancelled') return undefined;
  throw error;
}

/** What is wrong with the files goes into the entry; undefined when it was stopped before the model's own picture. */
async function validateModel(
  found: FoundModel,
  loras: FoundFiles['loras'],
  { backend, settings, signal, tell }: Surroundings,
): Promise<ModelEntry | undefined> {
  const { family, label, variant } = found.model;
  const types = new Set([...found.model.denoiser.weights.values()].map(({ tensor }) => tensor.type));
  const base = {
    name: found.name,
    family: [family.label, variant].filter(Boolean).join(', '),
    facts: [
      ['files', [found.name, ...found.completedBy].join(', ')],
      ...(label.endsWith(basename(found.name)) ? [] : [['title', label]]),
      ['stored as', [...types].join(', ')],
    ] as [string, string][],
  };
  const startedAt = performance.now();
  const opened = await loadNodeModel(found.paths, backend).catch((error: unknown) => toPlainError(error));
  if (!('model' in opened)) {
    const error = `${opened.code}: ${opened.message}`;
    tell(found.name, error);
    return { ...base, drawn: { warnings: [], error }, loras: [] };
  }
  const loadMs = performance.now() - startedAt;
  const { close } = opened;
  const { model, warning } = withKnownTokens(opened.model);
  const pictures = new Pictures(model, validationRequest(model, settings), signal);
  try {
    const { widthPx, heightPx, steps, cfgScale, sampler } = pictures.request;
    const plain = await pictures.draw().catch((error: unknown) => stopped(error));
    if (!plain) return undefined;
    const notes = warning === undefined ? [] : [{ message: warning, details: [] }];
    const drawn = { ...plain, warnings: [...notes, ...plain.warnings] };
    tell(found.name, drawn.error ?? `${widthPx}x${heightPx}`);
    const entries: LoraEntry[] = [];
    for (const { path, name } of drawn.error === undefined ? loras : []) {
      const changed = await pictures.draw(path).catch((error: unknown) => stopped(error));
      // What is drawn already is kept.
      if (!changed) break;
      const likeness = drawn.picture && changed.picture ? psnr(drawn.picture, changed.picture) : undefined;
      entries.push({ name, drawn: changed, ...(likeness === undefined ? {} : { psnr: likeness }) });
      tell(`  + ${name}`, changed.error ?? `${likeness?.toFixed(1) ?? '?'} dB`);
    }
    const settled = `${widthPx}x${heightPx}, ${steps} ${steps === 1 ? 'step' : 'steps'}, CFG ${cfgScale}, ${labelOf(sampler)}`;
    return { ...base, facts: [...base.facts, ['drawn with', settled]], loadMs, drawn, loras: entries };
  } finally {
    await model.dispose();
    await close();
  }
}

/** Every model in turn; `left` names the pictures that a stop or the end of the time kept from being drawn. */
export async function validateAll({ models, loras }: FoundFiles, surroundings: Surroundings) {
  const drawn: ModelEntry[] = [];
  const left: string[] = [];
  for (const model of models) {
    const fitting = loras.filter((lora) => fits(lora, model));
    const entry = surroundings.signal.aborted ? undefined : await validateModel(model, fitting, surroundings);
    if (entry) drawn.push(entry);
    else left.push(model.name);
    const tried = new Set(entry?.loras.map(({ name }) => name));
    if (entry?.drawn.error !== undefined) continue;
    left.push(...fitting.filter(({ name }) => !tried.has(name)).map(({ name }) => `${model.name} + ${name}`));
  }
  return { models: drawn, left };
}

/** The pictures of one opened model; each LoRA's file is open only while its picture is drawn. */
class Pictures {
  readonly #model: LoadedModel;
  readonly #networks = new NetworkStacks();
  readonly #signal: AbortSignal;
  readonly request: GenerateRequest;

  constructor(model: LoadedModel, request: GenerateRequest, signal: AbortSignal) {
    this.#model = model;
    this.#signal = signal;
    this.request = request;
  }

  async draw(lora?: string): Promise<Drawn> {
    const files = lora === undefined ? [] : [{ path: lora, kind: 'lora' as const }];
    const opened = await openNetworks({ files }).catch((error: unknown) => toPlainError(error));
    if (!('close' in opened)) return { warnings: [], error: `${opened.code}: ${opened.message}` };
    try {
      const tag = lora === undefined ? '' : `<lora:${networkName(lora)}:1>`;
      const host = { library: new NetworkLibrary(opened), networks: this.#networks, signal: this.#signal };
      return await draw(this.#model, { ...this.request, prompt: this.request.prompt + tag }, host);
    } finally {
      await opened.close();
    }
  }
}
