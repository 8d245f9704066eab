/** The lists of the API: samplers, models and the rest, in the original's forms. */
import { freemem, totalmem } from 'node:os';
import { LATENT_UPSCALERS } from '../../lib/sampling/img2img/resample';
import { samplerRecord } from '../../lib/sampling/names';
import { samplers } from '../../lib/sampling/registry';
import type { ScheduleDef } from '../../lib/sampling/schedule';
import { schedules } from '../../lib/sampling/schedule_registry';
import type { Style } from '../../lib/prompt/styles';
import { PIXEL_UPSCALERS, SHIPPED_UPSCALERS } from '../../lib/pipeline/upscalers';
import { filesOf, titleOf, type Catalogue, type CatalogueFile } from '../engine/catalogue';
import { SCRIPTS } from './scripts';

export const samplerList = () => samplers.map(samplerRecord);

/** Handed the model by the original although its formula needs the range only. */
const GIVEN_MODEL: readonly string[] = ['beta'];

export function schedulerList() {
  const automatic = { name: 'automatic', label: 'Automatic', aliases: null, default_rho: -1, need_inner_model: false };
  const all: readonly ScheduleDef[] = schedules;
  return [
    automatic,
    ...all.map(({ id, label, aliases, defaultRho, needsModel }) => ({
      name: id,
      label,
      aliases: aliases.length > 0 ? aliases : null,
      default_rho: defaultRho ?? -1,
      need_inner_model: needsModel === true || GIVEN_MODEL.includes(id),
    })),
  ];
}

/** Factor that the original states for filters. */
const FILTER_SCALE = 4;

export function upscalerList(catalogue: Catalogue) {
  const filters = Object.keys(PIXEL_UPSCALERS).map((name) => ({
    name,
    model_name: null,
    model_path: null,
    model_url: null,
    scale: FILTER_SCALE,
  }));
  const shipped = SHIPPED_UPSCALERS.map(({ name, path, scale }) => ({
    name,
    model_name: name,
    model_path: path,
    model_url: null,
    scale,
  }));
  const networks = filesOf(catalogue, 'upscaler').map(({ name, id, scale }) => ({
    name,
    model_name: name,
    model_path: id,
    model_url: null,
    scale: scale ?? null,
  }));
  return [...filters, ...shipped, ...networks];
}

export const latentModeList = () => Object.keys(LATENT_UPSCALERS).map((name) => ({ name }));

/** Places are given below the model folder: where that is on the disk is nobody's business. */
export const modelList = (catalogue: Catalogue) =>
  filesOf(catalogue, 'model').map((file) => ({
    title: titleOf(file),
    model_name: file.name,
    hash: file.sha256?.slice(0, 10) ?? null,
    sha256: file.sha256 ?? null,
    filename: file.id,
    config: null,
  }));

const module = ({ file, id }: CatalogueFile) => ({ model_name: file, filename: id });
export const moduleList = (catalogue: Catalogue) => filesOf(catalogue, 'module').map(module);
export const vaeList = (catalogue: Catalogue) => filesOf(catalogue, 'vae').map(module);

export const loraList = (catalogue: Catalogue) =>
  filesOf(catalogue, 'lora').map(({ name, id, metadata }) => ({
    name,
    alias: metadata['ss_output_name'] ?? name,
    path: id,
    metadata,
  }));

export function embeddingList(catalogue: Catalogue) {
  const loaded = filesOf(catalogue, 'embedding').map(({ name, vectors }) => [
    name,
    {
      step: null,
      sd_checkpoint: null,
      sd_checkpoint_name: null,
      shape: vectors?.width ?? 0,
      vectors: vectors?.count ?? 0,
    },
  ]);
  return { loaded: Object.fromEntries(loaded) as Record<string, unknown>, skipped: {} };
}

export const styleList = (styles: readonly Style[]) =>
  styles.map(({ name, prompt, negative }) => ({ name, prompt, negative_prompt: negative }));

export function scriptList() {
  const names = (img2img: boolean) =>
    SCRIPTS.filter((script) => img2img || script.img2imgOnly !== true).map(({ name }) => name.toLowerCase());
  return { txt2img: names(false), img2img: names(true) };
}

export const scriptInfoList = () =>
  [false, true].flatMap((img2img) =>
    SCRIPTS.filter((script) => img2img || script.img2imgOnly !== true).map(({ name, alwaysOn }) => ({
      name: name.toLowerCase(),
      is_alwayson: alwaysOn,
      is_img2img: img2img,
      args: [],
    })),
  );

export function memoryReport() {
  const [free, total] = [freemem(), totalmem()];
  return { ram: { free, used: process.memoryUsage().rss, total }, cuda: { error: 'unavailable' } };
}

export const controlModelList = (catalogue: Catalogue) => filesOf(catalogue, 'control').map(({ name }) => name);
