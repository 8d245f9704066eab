import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TILE_BYTES } from '../../../src/lib/canvas/tiles/tile';
import { edits, newEngine, snapshot, stroke } from './editing';

describe('history', () => {
  it('any sequence of edits, undo and redo restores every pixel and property', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.oneof(...edits).map((run) => ({ kind: 'edit' as const, run })) },
      { weight: 4, arbitrary: fc.constant({ kind: 'undo' as const, run: undefined }) },
      { weight: 3, arbitrary: fc.constant({ kind: 'redo' as const, run: undefined }) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 16 }), (steps) => {
        const engine = newEngine();
        const states = [snapshot(engine)];
        let position = 0;
        for (const { kind, run } of steps) {
          if (kind === 'undo') {
            engine.undo();
            position = Math.max(0, position - 1);
          } else if (kind === 'redo') {
            engine.redo();
            position = Math.min(states.length - 1, position + 1);
          } else {
            const before = engine.historyState;
            run(engine);
            const now = snapshot(engine);
            const after = engine.historyState;
            const sameBytes = after.sizeBytes === before.sizeBytes;
            // Steps merge only where nothing was undone before.
            const merged = now !== states[position] && before.canUndo && !before.canRedo && sameBytes;
            // Ink beyond the picture's edge is a step as well, though no snapshot shows it.
            const hidden = !sameBytes || after.canRedo !== before.canRedo;
            if (merged) states[position] = now;
            // An edit that changed nothing leaves no step; one that did is one step.
            else if (now !== states[position] || hidden) states.splice(++position, states.length, now);
            else continue;
          }
          if (snapshot(engine) !== states[position]) expect.fail(`after ${kind}: not the state of step ${position}`);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('undo to the start and redo to the end after many strokes', () => {
    const engine = newEngine();
    const states = [snapshot(engine)];
    for (let i = 0; i < 8; i++) {
      engine.configure({ activeLayerId: i % 3 ? 'base' : 'mask' });
      stroke(engine, [
        [10 + i * 20, 10],
        [290 - i * 10, 270],
        [40, 200],
      ]);
      states.push(snapshot(engine));
    }
    for (let i = states.length - 2; i >= 0; i--) {
      engine.undo();
      expect(snapshot(engine) === states[i]).toBe(true);
    }
    expect(engine.historyState.canUndo).toBe(false);
    for (let i = 1; i < states.length; i++) {
      engine.redo();
      expect(snapshot(engine) === states[i]).toBe(true);
    }
    expect(engine.historyState.canRedo).toBe(false);
  });

  it('stays within the byte budget by dropping the oldest, keeps the newest', () => {
    const engine = newEngine(3 * TILE_BYTES);
    engine.configure({ activeLayerId: 'base' });
    for (let i = 0; i < 30; i++) {
      stroke(engine, [
        [20, 5 + i * 3],
        [200, 5 + i * 3],
      ]);
      expect(engine.historyState.sizeBytes).toBeLessThanOrEqual(3 * TILE_BYTES);
    }
    let undone = 0;
    while (engine.historyState.canUndo) {
      engine.undo();
      undone++;
    }
    expect(undone).toBeGreaterThan(0);
    expect(undone).toBeLessThan(6);
  });

  it('metadata steps cost next to nothing and slider drags merge', () => {
    const engine = newEngine();
    for (let i = 0; i < 100; i++) engine.patchLayer('base', { opacity: i / 100 }, 'slider-1');
    expect(engine.historyState.sizeBytes).toBeLessThan(1024);
    engine.undo();
    expect(engine.layers()[0]!.opacity).toBe(1);
  });
});
