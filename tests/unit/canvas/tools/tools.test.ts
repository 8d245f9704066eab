import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StrokeSample } from '../../../../src/lib/canvas/brush/sample';
import { brushPreset } from '../../../../src/lib/canvas/brush/presets';
import { scaleRotateAbout, translation } from '../../../../src/lib/canvas/geometry/affine';
import { floodFill, type FillOptions } from '../../../../src/lib/canvas/tools/fill';
import { TOOLS, toolById } from '../../../../src/lib/canvas/tools/registry';
import { resample, shrink } from '../../../../src/lib/canvas/tools/resample';
import { polygonMask, shapeMask } from '../../../../src/lib/canvas/tools/shape_mask';
import type { ToolContext, ToolInput } from '../../../../src/lib/canvas/tools/tool';

const bounds = { x: 0, y: 0, width: 100, height: 100 };
const sum = (mask: Uint8Array): number => mask.reduce((total, value) => total + value, 0) / 255;

/** Rows of text as a picture: '#' black, '+' grey, else white. */
function drawing(rows: readonly string[]) {
  const width = rows[0]!.length;
  const pixels = Uint8Array.from(
    rows.flatMap((row) =>
      [...row].flatMap((c) => [...Array<number>(3).fill(c === '#' ? 0 : c === '+' ? 120 : 255), 255]),
    ),
  );
  return { width, height: rows.length, pixels };
}

const fill: FillOptions = { tolerance: 10, closeGapPx: 0, growPx: 0, contiguous: true };

describe('flood fill', () => {
  const room = drawing(['......', '.####.', '.#..#.', '.#..#.', '.####.', '......']);

  it('stays inside the outline; outside goes around it', () => {
    expect(sum(floodFill(room, { x: 2, y: 2 }, fill))).toBe(4);
    expect(sum(floodFill(room, { x: 0, y: 0 }, fill))).toBe(20);
    expect(sum(floodFill(room, { x: 0, y: 0 }, { ...fill, contiguous: false }))).toBe(24);
    expect(sum(floodFill(room, { x: -1, y: 99 }, fill))).toBe(0);
    expect(sum(floodFill(room, { x: NaN, y: 0 }, fill))).toBe(0);
  });

  it('tolerance decides whether grey is the same, growth goes under the outline', () => {
    const grey = drawing(['.+.', '.+.', '.+.']);
    expect(sum(floodFill(grey, { x: 0, y: 0 }, { ...fill, tolerance: 134 }))).toBe(3);
    expect(sum(floodFill(grey, { x: 0, y: 0 }, { ...fill, tolerance: 135 }))).toBe(9);
    expect(sum(floodFill(room, { x: 2, y: 2 }, { ...fill, growPx: 1 }))).toBe(12);
  });

  it('equals a plain four-neighbour search', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }), { minLength: 7, maxLength: 7 }),
        (cells) => {
          const picture = drawing(cells.map((row) => row.map((wall) => (wall ? '#' : '.')).join('')));
          const start = 3 * 9 + 4;
          const want = new Uint8Array(63);
          const queue = [start];
          const wall = cells[3]![4];
          while (queue.length) {
            const i = queue.pop()!;
            if (want[i] || cells[Math.floor(i / 9)]![i % 9] !== wall) continue;
            want[i] = 255;
            if (i % 9 > 0) queue.push(i - 1);
            if (i % 9 < 8) queue.push(i + 1);
            if (i >= 9) queue.push(i - 9);
            if (i < 54) queue.push(i + 9);
          }
          expect(floodFill(picture, { x: 4, y: 3 }, fill)).toEqual(want);
        },
      ),
    );
  });

  it('a gap holds the paint only when gaps are closed, and the room is still filled to its walls', () => {
    const size = 40;
    const rows = Array.from({ length: size }, (_, y) =>
      Array.from({ length: size }, (_, x) => {
        const onWall = (x === 8 || x === 31 || y === 8 || y === 31) && x >= 8 && x <= 31 && y >= 8 && y <= 31;
        return onWall && !(y === 8 && x >= 18 && x < 21) ? '#' : '.';
      }).join(''),
    );
    const picture = drawing(rows);
    expect(sum(floodFill(picture, { x: 20, y: 20 }, fill))).toBeGreaterThan(1000);
    const closed = floodFill(picture, { x: 20, y: 20 }, { ...fill, closeGapPx: 4 });
    expect(sum(closed)).toBeGreaterThanOrEqual(22 * 22 - 4);
    expect(sum(closed)).toBeLessThanOrEqual(22 * 22 + 6);
    expect(closed[9 * size + 9]).toBe(255);
    expect(closed[2 * size + 2]).toBe(0);
  });

  it('is quick on a large picture', () => {
    const picture = { width: 2048, height: 2048, pixels: new Uint8Array(2048 * 2048 * 4) };
    expect(sum(floodFill(picture, { x: 0, y: 0 }, { ...fill, closeGapPx: 8, growPx: 2 }))).toBe(2048 * 2048);
  });
});

describe('shapes', () => {
  const shape = { from: { x: 20, y: 30 }, to: { x: 80, y: 70 }, strokePx: 6 };

  it('cover the area geometry says', () => {
    const area = (kind: 'rect' | 'ellipse' | 'line', filled: boolean) =>
      sum(shapeMask({ ...shape, kind, filled }, bounds).mask);
    expect(area('rect', true)).toBeCloseTo(60 * 40, 0);
    expect(Math.abs(area('rect', false) - (2 * (60 + 40) * 6 - 4 * 9 + 9 * Math.PI))).toBeLessThan(12);
    expect(Math.abs(area('ellipse', true) - Math.PI * 30 * 20)).toBeLessThan(8);
    expect(Math.abs(area('ellipse', false) - Math.PI * (33 * 23 - 27 * 17))).toBeLessThan(8);
    expect(Math.abs(area('line', false) - (Math.hypot(60, 40) * 6 + 9 * Math.PI))).toBeLessThan(6);
  });

  it('a click with the line tool is a dot; what lies outside is cut off', () => {
    const dot = shapeMask(
      { kind: 'line', from: { x: 5, y: 5 }, to: { x: 5, y: 5 }, filled: false, strokePx: 4 },
      bounds,
    );
    expect(sum(dot.mask)).toBeGreaterThan(10);
    expect(
      shapeMask({ ...shape, kind: 'rect', filled: true, from: { x: 500, y: 500 }, to: { x: 600, y: 600 } }, bounds)
        .mask,
    ).toHaveLength(0);
  });

  it('polygons cover their area; crossing outlines use even-odd', () => {
    const triangle = polygonMask(
      [
        { x: 10, y: 10 },
        { x: 90, y: 10 },
        { x: 10, y: 90 },
      ],
      bounds,
    )!;
    expect(Math.abs(sum(triangle.mask) - 3200)).toBeLessThan(4);
    const twice = [
      { x: 10, y: 10 },
      { x: 50, y: 10 },
      { x: 50, y: 50 },
      { x: 10, y: 50 },
    ];
    expect(sum(polygonMask([...twice, ...twice], bounds)!.mask)).toBe(0);
    expect(
      polygonMask(
        [
          { x: 1, y: 1 },
          { x: 2, y: 2 },
        ],
        bounds,
      ),
    ).toBeUndefined();
    expect(
      polygonMask(
        twice.map((p) => ({ x: p.x - 500, y: p.y })),
        bounds,
      ),
    ).toBeUndefined();
  });
});

describe('resampling', () => {
  const rect = { x: 10, y: 20, width: 16, height: 8 };
  const pixels = Uint8Array.from({ length: 16 * 8 * 4 }, (_, i) => (i % 4 === 3 ? 255 : (i * 37) % 256));
  const clip = { x: -100, y: -100, width: 300, height: 300 };

  it('whole-pixel moves and quarter turns keep every byte', () => {
    const moved = resample({ rect, pixels }, translation(5, -7), clip);
    expect(moved).toEqual({ rect: { ...rect, x: 15, y: 13 }, pixels });
    let turned = { rect, pixels };
    for (let i = 0; i < 4; i++) {
      turned = resample(
        turned,
        scaleRotateAbout({ x: 18, y: 24 }, { scaleX: 1, scaleY: 1, radians: Math.PI / 2 }),
        clip,
      );
    }
    const back = resample(turned, translation(0, 0), rect);
    const worst = back.pixels.reduce((most, value, i) => Math.max(most, Math.abs(value - pixels[i]!)), 0);
    expect(worst).toBeLessThanOrEqual(1);
  });

  it('keeps the amount of paint when scaling', () => {
    const alpha = (p: Uint8Array): number => p.reduce((total, v, i) => total + (i % 4 === 3 ? v : 0), 0) / 255;
    for (const scale of [0.1, 0.25, 0.6, 1.5, 3]) {
      const out = resample(
        { rect, pixels },
        scaleRotateAbout({ x: 18, y: 24 }, { scaleX: scale, scaleY: scale, radians: 0.3 }),
        clip,
      );
      expect(alpha(out.pixels) / (128 * scale * scale)).toBeGreaterThan(0.9);
      expect(alpha(out.pixels) / (128 * scale * scale)).toBeLessThan(1.1);
    }
  });

  it('shrinks by means', () => {
    const flat = new Uint8Array(rect.width * rect.height * 4).fill(200);
    expect([...new Set(shrink({ rect, pixels: flat }, 5, 3))]).toEqual([200]);
  });
});

describe('tools', () => {
  const context: ToolContext = {
    brush: brushPreset('hard-round'),
    symmetry: { kind: 'none' },
    fill,
    shapeFilled: true,
    selectionMode: 'add',
  };
  const at = (x: number, y: number): StrokeSample => ({ t: 0, x, y, pressure: 1, tiltX: 0, tiltY: 0 });
  const move: ToolInput = { type: 'move', samples: [at(30, 5), at(40, 60)], predicted: [] };

  for (const { id } of TOOLS) {
    it(`${id} is a pure reducer: asking twice gives the same plans`, () => {
      const begun = toolById(id).start(context, at(1, 2));
      const moved = begun.next(move);
      expect(begun.next(move).plans).toEqual(moved.plans);
      expect(moved.next({ type: 'end' }).plans).toEqual(begun.next(move).next({ type: 'end' }).plans);
      expect(moved.next({ type: 'end' }).next(move).plans).toEqual([]);
    });
  }

  it('plans what the tool is for', () => {
    const end = (id: (typeof TOOLS)[number]['id']) =>
      toolById(id).start(context, at(1, 2)).next(move).next({ type: 'end' }).plans;
    expect(end('fill')).toEqual([{ kind: 'fill', at: at(1, 2), options: fill }]);
    expect(end('move')).toEqual([{ kind: 'move', dx: 39, dy: 58 }]);
    expect(end('pick')).toEqual([{ kind: 'pick', at: at(40, 60), final: true }]);
    expect(end('rect')[0]).toMatchObject({ kind: 'shape', shape: { kind: 'rect', filled: true } });
    expect(end('select-rect')).toEqual([
      { kind: 'select', mode: 'add', area: { kind: 'rect', rect: { x: 1, y: 2, width: 39, height: 58 } } },
    ]);
    expect(end('select-lasso')[0]).toMatchObject({ kind: 'select', area: { kind: 'polygon' } });
    const tap = toolById('select-rect').start(context, at(1, 2)).next({ type: 'end' }).plans;
    expect(tap).toEqual([{ kind: 'select', mode: 'add', area: { kind: 'none' } }]);
  });
});
