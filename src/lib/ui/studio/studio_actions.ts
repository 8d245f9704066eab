/** What keys, menus and buttons of the studio do, by the names of the shortcut table. */
import type { LiveState } from '$lib/state/live.svelte';
import type { StudioState } from '$lib/state/studio.svelte';
import type { ShortcutId } from '../shortcuts';

const TURN_RAD = Math.PI / 12;
const ZOOM = 1.25;
const SIZE = 1.15;
const SIZE_PX = { min: 0.5, max: 2000 };
const OPACITY = { min: 0.05, step: 0.1 };

interface Surroundings {
  readonly studio: StudioState;
  readonly live: LiveState;
  readonly maskName: () => string;
  readonly toggleHelp: () => void;
}

/** Ids without an entry only choose a tool, or are handled where a key is held. */
export function studioActions({
  studio,
  live,
  maskName,
  toggleHelp,
}: Surroundings): Readonly<Partial<Record<ShortcutId, () => void>>> {
  const grow = (ratio: number) => {
    const next = Math.min(SIZE_PX.max, Math.max(SIZE_PX.min, studio.inHand.sizePx * ratio));
    studio.adjust({ sizePx: next < 10 ? Math.round(next * 2) / 2 : Math.round(next) });
  };
  const strengthen = (by: number) =>
    studio.adjust({ opacity: Math.min(1, Math.max(OPACITY.min, studio.inHand.opacity + by)) });
  const middle = () => {
    const { width, height } = studio.engine?.screenSize ?? { width: 0, height: 0 };
    return { x: width / 2, y: height / 2 };
  };
  const zoom = (factor: number) => () => studio.edit((canvas) => canvas.zoom(middle(), factor));
  const turn = (radians: number) => () => studio.edit((canvas) => canvas.rotate(middle(), radians));
  return {
    mask: () => studio.toggleMask(maskName()),
    smaller: () => grow(1 / SIZE),
    larger: () => grow(SIZE),
    fainter: () => strengthen(-OPACITY.step),
    stronger: () => strengthen(OPACITY.step),
    undo: () => studio.undo(),
    redo: () => studio.redo(),
    newLayer: () => studio.addLayer('paint', ''),
    merge: () => studio.edit((canvas) => canvas.mergeDown(studio.activeLayerId)),
    hide: () => {
      const { activeLayer } = studio;
      if (activeLayer) studio.patchLayer(activeLayer.id, { visible: !activeLayer.visible });
    },
    clear: () => studio.edit((canvas) => canvas.clearLayer(studio.activeLayerId)),
    selectAll: () =>
      studio.edit((canvas) => canvas.select({ kind: 'rect', rect: { x: 0, y: 0, ...studio.size } }, 'replace')),
    selectNone: () => studio.edit((canvas) => canvas.setSelection(undefined)),
    fit: () => studio.edit((canvas) => canvas.fit()),
    mirror: () => studio.edit((canvas) => canvas.mirrorView()),
    zoomIn: zoom(ZOOM),
    zoomOut: zoom(1 / ZOOM),
    turnLeft: turn(-TURN_RAD),
    turnRight: turn(TURN_RAD),
    live: () => (live.on ? live.stop() : live.start()),
    help: toggleHelp,
  };
}
