/** Keys of the canvas: one table for the handler and the help sheet. */
import type { ToolId } from '$lib/canvas/tools/registry';

export type ShortcutId =
  | 'brush'
  | 'eraser'
  | 'fill'
  | 'shape'
  | 'pick'
  | 'select'
  | 'move'
  | 'mask'
  | 'smaller'
  | 'larger'
  | 'fainter'
  | 'stronger'
  | 'pan'
  | 'pickHeld'
  | 'undo'
  | 'redo'
  | 'newLayer'
  | 'merge'
  | 'hide'
  | 'clear'
  | 'selectAll'
  | 'selectNone'
  | 'fit'
  | 'mirror'
  | 'zoomIn'
  | 'zoomOut'
  | 'turnLeft'
  | 'turnRight'
  | 'live'
  | 'generate'
  | 'help';

export interface Shortcut {
  readonly id: ShortcutId;
  readonly shown: readonly string[];
  /** Lower-case `event.key`; several are alternatives. Missing: handled where it is held. */
  readonly keys?: readonly string[];
  /** By the key's place, for keys that Shift changes. */
  readonly code?: string;
  readonly ctrl?: boolean;
  readonly shift?: boolean;
  readonly tool?: ToolId;
}

export const SHORTCUTS: readonly Shortcut[] = [
  { id: 'brush', shown: ['B'], keys: ['b'], tool: 'brush' },
  { id: 'eraser', shown: ['E'], keys: ['e'], tool: 'eraser' },
  { id: 'fill', shown: ['G'], keys: ['g'], tool: 'fill' },
  { id: 'shape', shown: ['U'], keys: ['u'], tool: 'line' },
  { id: 'pick', shown: ['I'], keys: ['i'], tool: 'pick' },
  { id: 'select', shown: ['M'], keys: ['m'], tool: 'select-rect' },
  { id: 'move', shown: ['V'], keys: ['v'], tool: 'move' },
  { id: 'mask', shown: ['K'], keys: ['k'] },
  { id: 'smaller', shown: ['['], code: 'BracketLeft', shift: false },
  { id: 'larger', shown: [']'], code: 'BracketRight', shift: false },
  { id: 'fainter', shown: ['Shift', '['], code: 'BracketLeft', shift: true },
  { id: 'stronger', shown: ['Shift', ']'], code: 'BracketRight', shift: true },
  { id: 'pan', shown: ['Space'] },
  { id: 'pickHeld', shown: ['Alt'] },
  { id: 'undo', shown: ['Ctrl', 'Z'], keys: ['z'], ctrl: true, shift: false },
  { id: 'redo', shown: ['Ctrl', 'Shift', 'Z'], keys: ['z'], ctrl: true, shift: true },
  { id: 'newLayer', shown: ['Ctrl', 'Shift', 'N'], keys: ['n'], ctrl: true, shift: true },
  { id: 'merge', shown: ['Ctrl', 'E'], keys: ['e'], ctrl: true },
  { id: 'hide', shown: ['H'], keys: ['h'] },
  { id: 'clear', shown: ['Del'], keys: ['delete', 'backspace'] },
  { id: 'selectAll', shown: ['Ctrl', 'A'], keys: ['a'], ctrl: true },
  { id: 'selectNone', shown: ['Ctrl', 'D'], keys: ['d'], ctrl: true },
  { id: 'fit', shown: ['0'], keys: ['0'] },
  { id: 'mirror', shown: ['X'], keys: ['x'] },
  { id: 'zoomIn', shown: ['+'], keys: ['+', '='] },
  { id: 'zoomOut', shown: ['-'], keys: ['-'] },
  { id: 'turnLeft', shown: ['Shift', 'R'], keys: ['r'], shift: true },
  { id: 'turnRight', shown: ['R'], keys: ['r'], shift: false },
  { id: 'live', shown: ['L'], keys: ['l'] },
  { id: 'generate', shown: ['Ctrl', 'Enter'] },
  { id: 'help', shown: ['?'], keys: ['?'] },
];

/** The shortcut an event means; Cmd counts as Ctrl, Ctrl+Y as redo. */
export function shortcutOf(event: KeyboardEvent): Shortcut | undefined {
  if (event.altKey) return undefined;
  const ctrl = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (ctrl && key === 'y') return SHORTCUTS.find(({ id }) => id === 'redo');
  return SHORTCUTS.find((shortcut) => {
    const { keys, code, shift } = shortcut;
    const hit = code === undefined ? (keys?.includes(key) ?? false) : event.code === code;
    return hit && ctrl === (shortcut.ctrl ?? false) && (shift === undefined || shift === event.shiftKey);
  });
}

/** Whether a key is meant for a text field or another control. */
export function isTyping(event: KeyboardEvent): boolean {
  const { target } = event;
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement)
    return true;
  return target instanceof HTMLInputElement && target.type !== 'range' && target.type !== 'checkbox';
}
