import { readPsd, writePsdUint8Array, type Psd } from 'ag-psd';
import { describe, expect, it } from 'vitest';
import { CanvasEngine } from '../../../../src/lib/canvas/canvas_engine';
import { createDocument } from '../../../../src/lib/canvas/document/document';
import { createLayerProps } from '../../../../src/lib/canvas/document/layer';
import { readPsdFile, writePsdFile } from '../../../../src/lib/canvas/serial/psd_file';

function engineOf(background: readonly [number, number, number] | undefined): CanvasEngine {
  const layers = [
    createLayerProps('a', 'paint', 'paper'),
    { ...createLayerProps('b', 'sketch', ''), opacity: 0.4, blendMode: 'color-dodge' as const },
    { ...createLayerProps('c', 'paint', 'off'), visible: false },
  ];
  const engine = new CanvasEngine(createDocument({ id: 'd', width: 70, height: 40, background, layers }));
  const square = (r: number, alpha: number) => ({
    width: 10,
    height: 8,
    data: Uint8ClampedArray.from({ length: 320 }, (_, i) => [r, 90, 20, alpha][i % 4] ?? 0),
  });
  engine.putImage('a', square(200, 255), { x: 5, y: 6 });
  engine.putImage('b', square(10, 255), { x: 30, y: 12 });
  engine.putImage('c', square(90, 255), { x: 50, y: 30 });
  engine.patchLayer('a', { locked: true });
  return engine;
}

const bytesOf = (psd: Psd): Blob => new Blob([Uint8Array.from(writePsdUint8Array(psd))]);

describe('PSD files', () => {
  it('hold what the document holds: another reader finds names, places, modes and pixels', async () => {
    const file = await writePsdFile(engineOf([250, 240, 230]), new Map([['b', 'Sketch 2']]));
    const psd = readPsd(await file.arrayBuffer(), { useImageData: true });
    const facts = psd.children?.map(({ name, hidden, opacity, blendMode, left, top }) => ({
      name,
      hidden: hidden ?? false,
      opacity: Math.round(100 * (opacity ?? 1)),
      blendMode,
      at: [left, top],
    }));
    expect(facts).toEqual([
      { name: 'Background', hidden: false, opacity: 100, blendMode: 'normal', at: [0, 0] },
      { name: 'paper', hidden: false, opacity: 100, blendMode: 'normal', at: [5, 6] },
      { name: 'Sketch 2', hidden: false, opacity: 40, blendMode: 'color dodge', at: [30, 12] },
      { name: 'off', hidden: true, opacity: 100, blendMode: 'normal', at: [50, 30] },
    ]);
    expect([...(psd.children?.[1]?.imageData?.data.slice(0, 4) ?? [])]).toEqual([200, 90, 20, 255]);
    expect([...(psd.imageData?.data.slice(0, 4) ?? [])]).toEqual([250, 240, 230, 255]);
  });

  it('come back as they went', async () => {
    const engine = engineOf([255, 255, 255]);
    const picture = await readPsdFile(await writePsdFile(engine, new Map()), 'x.psd');
    expect(picture).toMatchObject({ width: 70, height: 40, background: [255, 255, 255] });
    expect(picture.layers.map(({ name, visible, locked, blendMode }) => [name, visible, locked, blendMode])).toEqual([
      ['paper', true, true, 'normal'],
      ['b', true, false, 'color-dodge'],
      ['off', false, false, 'normal'],
    ]);
    expect(picture.layers[1]?.opacity).toBeCloseTo(0.4, 2);
    expect(picture.layers[2]?.at).toEqual({ x: 50, y: 30 });
  });

  it('of other programs: groups are dissolved, masks applied, unknown modes are normal', async () => {
    const image = { width: 2, height: 1, data: new Uint8ClampedArray([1, 2, 3, 255, 4, 5, 6, 255]) };
    const mask = { width: 1, height: 1, data: new Uint8ClampedArray([0, 0, 0, 255]) };
    const group: Psd = {
      width: 4,
      height: 4,
      children: [
        {
          name: 'group',
          opacity: 0.5,
          hidden: true,
          children: [
            {
              name: 'in it',
              left: 1,
              top: 1,
              imageData: image,
              blendMode: 'vivid light',
              mask: { left: 1, top: 1, right: 2, bottom: 2, defaultColor: 255, imageData: mask },
            },
          ],
        },
      ],
    };
    const { layers } = await readPsdFile(bytesOf(group), 'group.psd');
    expect(layers).toHaveLength(1);
    expect(layers[0]).toMatchObject({ name: 'in it', visible: false, blendMode: 'normal', at: { x: 1, y: 1 } });
    expect(layers[0]?.opacity).toBeCloseTo(0.5, 2);
    expect([layers[0]?.image?.data[3], layers[0]?.image?.data[7]]).toEqual([0, 255]);
  });

  it('that are none, or larger than a document, are refused by name', async () => {
    await expect(readPsdFile(new Blob(['8BPS and then nothing']), 'cut.psd')).rejects.toMatchObject({
      code: 'image/invalid',
      message: expect.stringContaining('cut.psd') as string,
    });
    const header = new Uint8Array(40);
    header.set([0x38, 0x42, 0x50, 0x53, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30, 0, 8, 0, 3]);
    await expect(readPsdFile(new Blob([header]), 'huge.psd')).rejects.toMatchObject({ code: 'canvas/too-large' });
  });
});
