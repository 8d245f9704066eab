/** The brushes that come with the product. A new brush is one row. */
import type { BrushSettings } from './brush_settings';

const NONE = { pressure: 0, tilt: 0 } as const;
/** 240 Hz pens need little: takes the jitter, adds under 10 ms of lag at drawing speed. */
const LIGHT_SMOOTHING = { kind: 'one-euro', minCutoffHz: 8, beta: 0.02 } as const;

export const BRUSH_PRESETS = [
  {
    id: 'hard-round',
    settings: {
      sizePx: 12,
      opacity: 1,
      flow: 1,
      hardness: 0.95,
      spacing: 0.08,
      buildUp: true,
      pressureGamma: 1,
      size: { pressure: 0.8, tilt: 0 },
      opacityDynamic: NONE,
      flowDynamic: NONE,
      smoothing: LIGHT_SMOOTHING,
    },
  },
  {
    id: 'soft-round',
    settings: {
      sizePx: 40,
      opacity: 1,
      flow: 0.6,
      hardness: 0.1,
      spacing: 0.1,
      buildUp: true,
      pressureGamma: 1.2,
      size: { pressure: 0.3, tilt: 0 },
      opacityDynamic: NONE,
      flowDynamic: { pressure: 0.8, tilt: 0 },
      smoothing: LIGHT_SMOOTHING,
    },
  },
  {
    id: 'pencil',
    settings: {
      sizePx: 4,
      opacity: 0.85,
      flow: 0.7,
      hardness: 0.6,
      spacing: 0.12,
      buildUp: true,
      pressureGamma: 1.4,
      size: { pressure: 0.4, tilt: 5 },
      opacityDynamic: { pressure: 0.7, tilt: 0.6 },
      flowDynamic: NONE,
      smoothing: LIGHT_SMOOTHING,
    },
  },
  {
    id: 'airbrush',
    settings: {
      sizePx: 120,
      opacity: 1,
      flow: 0.06,
      hardness: 0,
      spacing: 0.06,
      buildUp: true,
      pressureGamma: 1,
      size: NONE,
      opacityDynamic: NONE,
      flowDynamic: { pressure: 1, tilt: 0 },
      smoothing: LIGHT_SMOOTHING,
    },
  },
  {
    id: 'marker',
    settings: {
      sizePx: 24,
      opacity: 0.6,
      flow: 1,
      hardness: 0.9,
      spacing: 0.08,
      buildUp: false,
      pressureGamma: 1,
      size: { pressure: 0.2, tilt: 0.5 },
      opacityDynamic: NONE,
      flowDynamic: NONE,
      smoothing: LIGHT_SMOOTHING,
    },
  },
  {
    id: 'inker',
    settings: {
      sizePx: 8,
      opacity: 1,
      flow: 1,
      hardness: 1,
      spacing: 0.06,
      buildUp: true,
      pressureGamma: 1.5,
      size: { pressure: 1, tilt: 0 },
      opacityDynamic: NONE,
      flowDynamic: NONE,
      smoothing: { kind: 'pulled-string', lengthPx: 12 },
    },
  },
] as const satisfies readonly { readonly id: string; readonly settings: BrushSettings }[];

export type BrushPresetId = (typeof BRUSH_PRESETS)[number]['id'];

export function brushPreset(id: BrushPresetId): BrushSettings {
  return (BRUSH_PRESETS.find((preset) => preset.id === id) ?? BRUSH_PRESETS[0]).settings;
}
