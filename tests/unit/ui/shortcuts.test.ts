import { describe, expect, it } from 'vitest';
import { isSingleKey, SHORTCUTS, shortcutOf, type Shortcut } from '../../../src/lib/ui/shortcuts';
import { studioActions } from '../../../src/lib/ui/studio/studio_actions';

const all: readonly Shortcut[] = SHORTCUTS;

function press(key: string, held: Partial<Pick<KeyboardEvent, 'code' | 'ctrlKey' | 'metaKey' | 'shiftKey'>> = {}) {
  const event = { key, code: '', ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...held };
  return event as KeyboardEvent;
}

describe('shortcuts', () => {
  it('are told apart: every key of the table means its own line', () => {
    for (const shortcut of all) {
      for (const key of shortcut.keys ?? (shortcut.code ? [''] : [])) {
        const held = { code: shortcut.code ?? '', ctrlKey: shortcut.ctrl ?? false, shiftKey: shortcut.shift ?? false };
        expect(shortcutOf(press(key, held), shortcut.place), `${shortcut.id} ${key}`).toBe(shortcut);
      }
    }
  });
  it('do something on the canvas: a tool or an action', () => {
    const actions = studioActions({
      studio: {} as never,
      live: {} as never,
      maskName: () => '',
      toggleHelp: () => undefined,
    });
    const idle = all.filter(({ place, id, tool }) => place === 'canvas' && !tool && !actions[id]);
    expect(idle).toEqual([]);
  });
  it('are the same places on keyboards of other scripts, and Cmd is Ctrl', () => {
    expect(shortcutOf(press('и', { code: 'KeyB' }), 'canvas')?.id).toBe('brush');
    expect(shortcutOf(press('я', { code: 'KeyZ', metaKey: true }), 'canvas')?.id).toBe('undo');
    expect(shortcutOf(press('Я', { code: 'KeyZ', ctrlKey: true, shiftKey: true }), 'canvas')?.id).toBe('redo');
    // A Latin layout means what it says: on AZERTY the key of A gives Q.
    expect(shortcutOf(press('a', { code: 'KeyQ', ctrlKey: true }), 'canvas')?.id).toBe('selectAll');
  });
  it('that speech input could press by accident are known', () => {
    const single = all.filter((shortcut) => isSingleKey(shortcut)).map(({ id }) => id);
    expect(single).toEqual(expect.arrayContaining(['brush', 'smaller', 'stronger', 'fit', 'zoomOut', 'help']));
    for (const id of ['undo', 'generate', 'pan', 'clear', 'stop']) expect(single).not.toContain(id);
  });
});
