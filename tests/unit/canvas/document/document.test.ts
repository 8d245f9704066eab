import { describe, expect, it } from 'vitest';
import { AppError } from '../../../../src/lib/base/errors';
import { createDocument, layerById } from '../../../../src/lib/canvas/document/document';
import { checkLayerProps, createLayerProps } from '../../../../src/lib/canvas/document/layer';
import { combineSelections, invertSelection, selectionAt } from '../../../../src/lib/canvas/document/selection';

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return error instanceof AppError ? error.code : `untyped ${String(error)}`;
  }
  return 'no error';
}

describe('document', () => {
  const cases = [
    { width: 0, height: 1, code: 'canvas/invalid' },
    { width: 1.5, height: 1, code: 'canvas/invalid' },
    { width: NaN, height: 1, code: 'canvas/invalid' },
    { width: 20000, height: 1, code: 'canvas/too-large' },
    { width: 16384, height: 16384, code: 'canvas/too-large' },
  ];
  for (const { width, height, code } of cases) {
    it(`refuses ${width} × ${height} with ${code}`, () => {
      expect(codeOf(() => createDocument({ id: 'd', width, height }))).toBe(code);
    });
  }

  it('refuses repeated layer ids, too many layers, an empty id, a wrong background', () => {
    const props = createLayerProps('a', 'paint', '');
    expect(codeOf(() => createDocument({ id: 'd', width: 1, height: 1, layers: [props, props] }))).toBe(
      'canvas/invalid',
    );
    const many = Array.from({ length: 65 }, (_, i) => createLayerProps(`l${i}`, 'paint', ''));
    expect(codeOf(() => createDocument({ id: 'd', width: 1, height: 1, layers: many }))).toBe('canvas/too-large');
    expect(codeOf(() => createDocument({ id: '', width: 1, height: 1 }))).toBe('canvas/invalid');
    expect(codeOf(() => createDocument({ id: 'd', width: 1, height: 1, background: [0, 0, 256] }))).toBe(
      'canvas/invalid',
    );
  });

  it('names an unknown layer by code', () => {
    const { shape } = createDocument({ id: 'd', width: 1, height: 1 });
    expect(codeOf(() => layerById(shape, 'nope'))).toBe('canvas/unknown-layer');
  });

  it('refuses bad layer properties by field', () => {
    const good = createLayerProps('a', 'mask', 'n');
    for (const bad of [
      { opacity: 2 },
      { opacity: NaN },
      { blendMode: 'dissolve' },
      { kind: 'vector' },
      { tint: [1, 2] },
      { featherPx: -1 },
      { settings: { a: {} } },
      { name: 3 },
    ]) {
      expect(codeOf(() => checkLayerProps({ ...good, ...bad } as typeof good))).toBe('canvas/invalid');
    }
    expect(checkLayerProps({ ...good, extra: 1 } as typeof good)).toEqual(good);
  });
});

describe('selection', () => {
  const box = (x: number, y: number, width: number, height: number, value = 255) => ({
    rect: { x, y, width, height },
    mask: new Uint8Array(width * height).fill(value),
  });

  it('adds, subtracts, intersects, inverts', () => {
    const a = box(0, 0, 4, 4);
    const b = box(2, 2, 4, 4);
    const sum = combineSelections(a, b, 'add')!;
    expect(sum.rect).toEqual({ x: 0, y: 0, width: 6, height: 6 });
    expect([selectionAt(sum, 0, 0), selectionAt(sum, 5, 5), selectionAt(sum, 5, 0)]).toEqual([255, 255, 0]);
    const less = combineSelections(a, b, 'subtract')!;
    expect([selectionAt(less, 0, 0), selectionAt(less, 3, 3)]).toEqual([255, 0]);
    expect(combineSelections(a, b, 'intersect')!.rect).toEqual({ x: 2, y: 2, width: 2, height: 2 });
    expect(combineSelections(a, box(9, 9, 1, 1), 'intersect')).toBeUndefined();
    expect(combineSelections(a, a, 'subtract')).toBeUndefined();
    const inverted = invertSelection(b, { x: 0, y: 0, width: 8, height: 8 })!;
    expect([selectionAt(inverted, 0, 0), selectionAt(inverted, 3, 3), selectionAt(inverted, 7, 7)]).toEqual([
      255, 0, 255,
    ]);
  });
});
