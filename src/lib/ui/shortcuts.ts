/** Every key of the app: one table for the handlers, the help sheet, the settings and the tools' titles. */
import type { ToolId } from '$lib/canvas/tools/registry';
import type { MessageKey } from '$lib/i18n/en';

/**
 * Where a key acts: everywhere; in a prompt field; on a picture of the gallery; on the canvas; while a key is held over
 * it; on a row of the layers; while something is transformed.
 */
type ShortcutPlace = 'app' | 'prompt' | 'gallery' | 'canvas' | 'held' | 'layers' | 'transform';

interface ShortcutDef {
  readonly id: string;
  readonly place: ShortcutPlace;
  readonly label: MessageKey;
  readonly shown: readonly string[];
  /** Lower-case `event.key`; several are alternatives. Absent: `code`, or several keys that their handler tells apart. */
  readonly keys?: readonly string[];
  /** By the key's place, for keys that Shift changes. */
  readonly code?: string;
  readonly ctrl?: boolean;
  readonly shift?: boolean;
  readonly tool?: ToolId;
}

export const SHORTCUTS = [
  { id: 'generate', place: 'app', label: 'studio.key.generate', shown: ['Ctrl', 'Enter'], keys: ['enter'], ctrl: true },
  { id: 'stop', place: 'app', label: 'generate.stop', shown: ['Esc'], keys: ['escape'] },
  { id: 'palette', place: 'app', label: 'palette.title', shown: ['Ctrl', 'K'], keys: ['k'], ctrl: true },
  { id: 'weight', place: 'prompt', label: 'prompt.keys', shown: ['Ctrl', '↑', '↓', 'Alt', '←', '→'] },
  { id: 'favourite', place: 'gallery', label: 'gallery.favourite', shown: ['S'], keys: ['s'] },
  { id: 'delete', place: 'gallery', label: 'common.delete', shown: ['Del'], keys: ['delete'] },
  { id: 'brush', place: 'canvas', label: 'studio.key.brush', shown: ['B'], keys: ['b'], tool: 'brush' },
  { id: 'eraser', place: 'canvas', label: 'studio.key.eraser', shown: ['E'], keys: ['e'], tool: 'eraser' },
  { id: 'fill', place: 'canvas', label: 'studio.key.fill', shown: ['G'], keys: ['g'], tool: 'fill' },
  { id: 'shape', place: 'canvas', label: 'studio.key.shape', shown: ['U'], keys: ['u'], tool: 'line' },
  { id: 'pick', place: 'canvas', label: 'studio.key.pick', shown: ['I'], keys: ['i'], tool: 'pick' },
  { id: 'select', place: 'canvas', label: 'studio.key.select', shown: ['M'], keys: ['m'], tool: 'select-rect' },
  { id: 'move', place: 'canvas', label: 'studio.key.move', shown: ['V'], keys: ['v'], tool: 'move' },
  { id: 'mask', place: 'canvas', label: 'studio.key.mask', shown: ['K'], keys: ['k'] },
  { id: 'smaller', place: 'canvas', label: 'studio.key.smaller', shown: ['['], code: 'BracketLeft', shift: false },
  { id: 'larger', place: 'canvas', label: 'studio.key.larger', shown: [']'], code: 'BracketRight', shift: false },
  {
    id: 'fainter',
    place: 'canvas',
    label: 'studio.key.fainter',
    shown: ['Shift', '['],
    code: 'BracketLeft',
    shift: true,
  },
  {
    id: 'stronger',
    place: 'canvas',
    label: 'studio.key.stronger',
    shown: ['Shift', ']'],
    code: 'BracketRight',
    shift: true,
  },
  { id: 'pan', place: 'held', label: 'studio.key.pan', shown: ['Space'], keys: [' '] },
  { id: 'pickHeld', place: 'held', label: 'studio.key.pickHeld', shown: ['Alt'], keys: ['alt'] },
  {
    id: 'undo',
    place: 'canvas',
    label: 'studio.key.undo',
    shown: ['Ctrl', 'Z'],
    keys: ['z'],
    ctrl: true,
    shift: false,
  },
  {
    id: 'redo',
    place: 'canvas',
    label: 'studio.key.redo',
    shown: ['Ctrl', 'Shift', 'Z'],
    keys: ['z'],
    ctrl: true,
    shift: true,
  },
  { id: 'redo', place: 'canvas', label: 'studio.key.redo', shown: ['Ctrl', 'Y'], keys: ['y'], ctrl: true },
  {
    id: 'newLayer',
    place: 'canvas',
    label: 'studio.key.newLayer',
    shown: ['Ctrl', 'Shift', 'N'],
    keys: ['n'],
    ctrl: true,
    shift: true,
  },
  { id: 'merge', place: 'canvas', label: 'studio.key.merge', shown: ['Ctrl', 'E'], keys: ['e'], ctrl: true },
  { id: 'rename', place: 'layers', label: 'models.rename', shown: ['F2'], keys: ['f2'] },
  { id: 'hide', place: 'canvas', label: 'studio.key.hide', shown: ['H'], keys: ['h'] },
  { id: 'clear', place: 'canvas', label: 'studio.key.clear', shown: ['Del'], keys: ['delete', 'backspace'] },
  { id: 'selectAll', place: 'canvas', label: 'studio.key.selectAll', shown: ['Ctrl', 'A'], keys: ['a'], ctrl: true },
  { id: 'selectNone', place: 'canvas', label: 'studio.key.selectNone', shown: ['Ctrl', 'D'], keys: ['d'], ctrl: true },
  { id: 'transform', place: 'transform', label: 'studio.key.transform', shown: ['←', '→', '↑', '↓', '+', '-', 'R'] },
  { id: 'apply', place: 'transform', label: 'studio.key.apply', shown: ['Enter'], keys: ['enter'] },
  { id: 'discard', place: 'transform', label: 'studio.key.discard', shown: ['Esc'], keys: ['escape'] },
  { id: 'fit', place: 'canvas', label: 'studio.key.fit', shown: ['0'], keys: ['0'] },
  { id: 'mirror', place: 'canvas', label: 'studio.key.mirror', shown: ['X'], keys: ['x'] },
  { id: 'zoomIn', place: 'canvas', label: 'studio.key.zoomIn', shown: ['+'], keys: ['+', '='] },
  { id: 'zoomOut', place: 'canvas', label: 'studio.key.zoomOut', shown: ['-'], keys: ['-'] },
  { id: 'turnLeft', place: 'canvas', label: 'studio.key.turnLeft', shown: ['Shift', 'R'], keys: ['r'], shift: true },
  { id: 'turnRight', place: 'canvas', label: 'studio.key.turnRight', shown: ['R'], keys: ['r'], shift: false },
  { id: 'live', place: 'canvas', label: 'studio.key.live', shown: ['L'], keys: ['l'] },
  { id: 'help', place: 'canvas', label: 'studio.key.help', shown: ['?'], keys: ['?'] },
] as const satisfies readonly ShortcutDef[];

export type ShortcutId = (typeof SHORTCUTS)[number]['id'];
export type Shortcut = ShortcutDef & { readonly id: ShortcutId };

const all: readonly Shortcut[] = SHORTCUTS;

/** `B`, `Ctrl+Z`: the first keys of a shortcut, for the title of what does the same. */
export function shownKeys(id: ShortcutId): string {
  return all.find((shortcut) => shortcut.id === id)?.shown.join('+') ?? '';
}

/**
 * The key as its Latin letter: on Cyrillic, Arabic or Greek layouts the letter at the same place, so that B is the brush
 * there too.
 */
function pressedKey({ key, code }: Pick<KeyboardEvent, 'key' | 'code'>): string {
  const latin = /^(?:Key([A-Z])|Digit(\d))$/.exec(code);
  const foreign = key.length === 1 && key > '\u007f';
  return (foreign && latin ? (latin[1] ?? latin[2] ?? key) : key).toLowerCase();
}

/** The shortcut of a place that an event means; Cmd counts as Ctrl. */
export function shortcutOf(event: KeyboardEvent, place: ShortcutPlace): Shortcut | undefined {
  if (event.altKey && event.key !== 'Alt') return undefined;
  const ctrl = event.ctrlKey || event.metaKey;
  const key = pressedKey(event);
  return all.find((shortcut) => {
    const { keys, code, shift } = shortcut;
    if (shortcut.place !== place) return false;
    const hit = code === undefined ? (keys?.includes(key) ?? false) : event.code === code;
    return hit && ctrl === (shortcut.ctrl ?? false) && (shift === undefined || shift === event.shiftKey);
  });
}

/** Whether a shortcut is a single letter, figure or sign: speech input types those by accident (WCAG 2.1.4). */
export function isSingleKey({ ctrl, keys, code }: Shortcut): boolean {
  return ctrl !== true && (code !== undefined || (keys?.every((key) => key.length === 1 && key !== ' ') ?? false));
}

/** Whether a key is meant for a text field or another control. */
export function isTyping({ target }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement)
    return true;
  return target instanceof HTMLInputElement && target.type !== 'range' && target.type !== 'checkbox';
}

/** Whether the control that has the focus is pressed by Space. */
export function isPressedBySpace({ target }: KeyboardEvent): boolean {
  return target instanceof Element && target.matches('button, summary, input, [role=button], [role=switch]');
}
