/** Scripts by the original's names, as far as the pipeline has what they do. Adding one = one entry. */
import { findFile, type Catalogue } from '../engine/catalogue';
import {
  CONTROL_MODES,
  LOOPBACK_CURVES,
  SOFT_INPAINT_DEFAULTS,
  SOFT_INPAINT_NAMES,
  type ControlRequest,
  type GenerateRequest,
  type SoftInpaintRequest,
} from '../../lib/rpc/engine';
import { guidanceOptions, resolveGuidance } from '../../lib/sampling/guidance/methods';
import type { GivenOptions } from '../../lib/sampling/options';
import { HttpError } from '../server/http_error';
import { readPicture } from './pictures';

/** What scripts add to a request. */
export interface ScriptParts {
  readonly control?: readonly ControlRequest[];
  readonly soft?: SoftInpaintRequest;
  readonly refiner?: NonNullable<GenerateRequest['refiner']>;
  readonly loopback?: NonNullable<GenerateRequest['loopback']>;
  readonly guidance?: Pick<GenerateRequest, 'guidanceMethod' | 'guidanceOptions'>;
}

interface Script {
  readonly name: string;
  /** Acts beside the others, in `alwayson_scripts`; else it is chosen as the one `script_name`. */
  readonly alwaysOn: boolean;
  readonly img2imgOnly?: boolean;
  read(args: readonly unknown[], catalogue: Catalogue): ScriptParts | Promise<ScriptParts>;
}

export const SCRIPTS: readonly Script[] = [
  {
    name: 'ControlNet',
    alwaysOn: true,
    read: async (args, catalogue) => {
      const units = args.filter(isEnabledUnit);
      const control = await Promise.all(units.map((unit, i) => readUnit(unit, `ControlNet unit ${i}`, catalogue)));
      return control.length > 0 ? { control } : {};
    },
  },
  {
    name: 'Soft Inpainting',
    alwaysOn: true,
    img2imgOnly: true,
    read: ([enabled, ...numbers]) => {
      if (enabled !== true) return {};
      const entries = SOFT_INPAINT_NAMES.map((name, i) => [name, numberOr(numbers[i], SOFT_INPAINT_DEFAULTS[name])]);
      return { soft: Object.fromEntries(entries) as unknown as SoftInpaintRequest };
    },
  },
  {
    name: 'Refiner',
    alwaysOn: true,
    read: ([enabled, checkpoint, switchAt], catalogue) => {
      if (enabled !== true || typeof checkpoint !== 'string') return {};
      return { refiner: { modelId: needModel(catalogue, checkpoint), switchAt: numberOr(switchAt, 0.8) } };
    },
  },
  {
    name: 'DynamicThresholding (CFG-Fix) Integrated',
    alwaysOn: true,
    read: ([enabled, ...values]) => {
      if (enabled !== true) return {};
      const names = Object.keys(guidanceOptions('dynamicThresholding'));
      const given = names.flatMap((name, i) => (values[i] === undefined ? [] : [[name, values[i]] as const]));
      const { id, options } = resolveGuidance('dynamicThresholding', Object.fromEntries(given) as GivenOptions);
      return { guidance: { guidanceMethod: id, guidanceOptions: options } };
    },
  },
  {
    name: 'Loopback',
    alwaysOn: false,
    img2imgOnly: true,
    read: ([loops, finalStrength, curve]) => ({
      loopback: {
        loops: numberOr(loops, 4),
        finalStrength: numberOr(finalStrength, 0.5),
        curve: LOOPBACK_CURVES.find((known) => known === curve) ?? 'Linear',
      },
    }),
  },
];

/**
 * Reads `script_name` and `alwayson_scripts`; names are compared without regard to case.
 * @throws HttpError 422 for a script that is not known, 404 for a model that is not there
 */
export async function readScripts(
  asked: {
    readonly script_name: string | null;
    readonly script_args: readonly unknown[];
    readonly alwayson_scripts: Readonly<Record<string, unknown>>;
  },
  img2img: boolean,
  catalogue: Catalogue,
): Promise<ScriptParts> {
  const wanted = Object.entries(asked.alwayson_scripts).map(([name, value]) => ({
    name,
    args: argsOf(value),
    alwaysOn: true,
  }));
  if (asked.script_name) wanted.push({ name: asked.script_name, args: asked.script_args, alwaysOn: false });
  let parts: ScriptParts = {};
  for (const { name, args, alwaysOn } of wanted) {
    const script = SCRIPTS.find(
      (known) =>
        known.alwaysOn === alwaysOn &&
        (img2img || known.img2imgOnly !== true) &&
        known.name.toLowerCase() === name.toLowerCase(),
    );
    if (!script) throw new HttpError(422, `Script '${name.slice(0, 80)}' not found`);
    parts = { ...parts, ...(await script.read(args, catalogue)) };
  }
  return parts;
}

/** Id of a model that a client named. @throws HttpError 404 */
export function needModel(catalogue: Catalogue, name: string): string {
  const file = findFile(catalogue, 'model', name);
  if (!file) throw new HttpError(404, `Model '${name.slice(0, 200)}' not found`);
  return file.id;
}

function argsOf(value: unknown): readonly unknown[] {
  const args = typeof value === 'object' && value !== null && 'args' in value ? value.args : [];
  return Array.isArray(args) ? (args as readonly unknown[]) : [args];
}

function numberOr(value: unknown, fallback: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : fallback;
}

type Unit = Readonly<Record<string, unknown>>;

function isEnabledUnit(unit: unknown): unit is Unit {
  return typeof unit === 'object' && unit !== null && (unit as Unit)['enabled'] !== false;
}

const RESIZE_NAMES = ['just', 'crop', 'fill'] as const;
/** Names of the extension, in the order of its numbers. */
const MODE_NAMES = ['Balanced', 'My prompt is more important', 'ControlNet is more important'];

async function readUnit(unit: Unit, where: string, catalogue: Catalogue): Promise<ControlRequest> {
  const name = typeof unit['model'] === 'string' ? unit['model'] : '';
  const file = findFile(catalogue, 'control', name);
  if (!file) throw new HttpError(404, `${where}: model '${name.slice(0, 200)}' not found`);
  const module = typeof unit['module'] === 'string' ? unit['module'] : 'none';
  if (!/^none$/i.test(module)) {
    throw new HttpError(
      422,
      `${where}: the preprocessor '${module.slice(0, 80)}' does not run here; send the picture preprocessed, with module "none".`,
    );
  }
  const picture = unit['image'] ?? unit['input_image'];
  const image = typeof picture === 'object' && picture !== null && 'image' in picture ? picture.image : picture;
  const mode = indexOf(unit['control_mode'], MODE_NAMES);
  const resize = indexOf(unit['resize_mode'], ['Just Resize', 'Crop and Resize', 'Resize and Fill'], 1);
  return {
    modelId: file.id,
    image: await readPicture(image, `${where} image`),
    weight: Math.min(2, Math.max(0, numberOr(unit['weight'], 1))),
    start: Math.min(1, Math.max(0, numberOr(unit['guidance_start'], 0))),
    end: Math.min(1, Math.max(0, numberOr(unit['guidance_end'], 1))),
    mode: CONTROL_MODES[mode] ?? 'balanced',
    resizeMode: RESIZE_NAMES[resize] ?? 'crop',
    preprocessor: 'none',
  };
}

/** A choice by number or name; names may be written in any case and shortened by a bracket. */
function indexOf(value: unknown, names: readonly string[], fallback = 0): number {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return fallback;
  const lower = value.toLowerCase();
  const at = names.findIndex((name) => lower.startsWith(name.toLowerCase()));
  return at < 0 ? fallback : at;
}
