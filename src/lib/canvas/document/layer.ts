/** What a layer is, apart from its pixels: kinds, properties, their checks. */
import { AppError } from '../../base/errors';
import { isBlendModeId, type BlendModeId } from './blend_modes';
import type { Rgb } from './pixels';

/**
 * Kinds of layers. `inFlat`: part of the flat picture that img2img sees. `tinted`: only alpha counts, shown as a
 * colour wash (masks). Control and reference layers are visible to the painter and exported one by one.
 */
export const LAYER_KINDS = [
  { id: 'paint', inFlat: true, tinted: false },
  { id: 'sketch', inFlat: true, tinted: false },
  { id: 'mask', inFlat: false, tinted: true },
  { id: 'control', inFlat: false, tinted: false },
  { id: 'reference', inFlat: false, tinted: false },
] as const;

export type LayerKindId = (typeof LAYER_KINDS)[number]['id'];

/** Free facts that other parts attach to a layer (region prompt, control type…); kept, saved, never interpreted. */
export type LayerSettings = Readonly<Record<string, string | number | boolean>>;

export interface LayerProps {
  readonly id: string;
  readonly kind: LayerKindId;
  readonly name: string;
  readonly visible: boolean;
  /** 0..1 */
  readonly opacity: number;
  readonly blendMode: BlendModeId;
  /** No tool writes to it. */
  readonly locked: boolean;
  /** Tools change colour only where there is paint already. */
  readonly alphaLocked: boolean;
  /** Colour of the wash that shows a mask. */
  readonly tint: Rgb;
  /** Standard deviation of the gaussian put on an exported mask, in document pixels. */
  readonly featherPx: number;
  readonly settings: LayerSettings;
}

/** What may be changed after creation. */
export type LayerPatch = Partial<Omit<LayerProps, 'id' | 'kind'>>;

const FEATHER_MAX_PX = 256;

export function layerKind(id: LayerKindId): (typeof LAYER_KINDS)[number] {
  return LAYER_KINDS.find((kind) => kind.id === id) ?? LAYER_KINDS[0];
}

export function createLayerProps(id: string, kind: LayerKindId, name: string): LayerProps {
  return checkLayerProps({
    id,
    kind,
    name,
    visible: true,
    opacity: kind === 'mask' ? 0.5 : 1,
    blendMode: 'normal',
    locked: false,
    alphaLocked: false,
    tint: [255, 0, 0],
    featherPx: 0,
    settings: {},
  });
}

/**
 * Checks values that come from an interface or a file.
 * @returns a frozen copy holding the known fields only
 * @throws AppError `canvas/invalid` naming the field
 */
export function checkLayerProps(props: LayerProps): LayerProps {
  const { id, kind, name, visible, opacity, blendMode, locked, alphaLocked, tint, featherPx, settings } = props;
  check(typeof id === 'string' && id.length > 0 && id.length <= 128, 'id', 'text of 1..128 characters', id);
  check(
    LAYER_KINDS.some((known) => known.id === kind),
    'kind',
    LAYER_KINDS.map((known) => known.id).join(', '),
    kind,
  );
  check(typeof name === 'string' && name.length <= 512, 'name', 'text of at most 512 characters', name);
  check(typeof visible === 'boolean', 'visible', 'a boolean', visible);
  check(typeof locked === 'boolean', 'locked', 'a boolean', locked);
  check(typeof alphaLocked === 'boolean', 'alphaLocked', 'a boolean', alphaLocked);
  check(typeof opacity === 'number' && opacity >= 0 && opacity <= 1, 'opacity', 'a number in 0..1', opacity);
  check(isBlendModeId(blendMode), 'blendMode', 'a known blend mode', blendMode);
  check(isRgb(tint), 'tint', 'three numbers in 0..255', tint);
  const featherOk = typeof featherPx === 'number' && featherPx >= 0 && featherPx <= FEATHER_MAX_PX;
  check(featherOk, 'featherPx', `a number in 0..${FEATHER_MAX_PX}`, featherPx);
  const settingsOk =
    typeof settings === 'object' &&
    settings !== null &&
    Object.values(settings).every((value) => ['string', 'number', 'boolean'].includes(typeof value));
  check(settingsOk, 'settings', 'a flat record of text, numbers and booleans', settings);
  return Object.freeze({
    id,
    kind,
    name,
    visible,
    opacity,
    blendMode,
    locked,
    alphaLocked,
    tint: Object.freeze([tint[0], tint[1], tint[2]] as const),
    featherPx,
    settings: Object.freeze({ ...settings }),
  });
}

export function isRgb(value: unknown): value is Rgb {
  return (
    Array.isArray(value) &&
    value.length === 3 &&
    value.every((channel) => typeof channel === 'number' && channel >= 0 && channel <= 255)
  );
}

function check(holds: boolean, field: string, rule: string, got: unknown): void {
  if (holds) return;
  throw new AppError(
    'canvas/invalid',
    `layer: ${field} must be ${rule}, got ${JSON.stringify(got)}; correct the value.`,
    {
      details: { field },
    },
  );
}
