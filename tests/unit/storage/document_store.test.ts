import 'fake-indexeddb/auto';
import { beforeEach, describe, expect, it } from 'vitest';
import { CanvasEngine } from '../../../src/lib/canvas/canvas_engine';
import { createDocument } from '../../../src/lib/canvas/document/document';
import { restoreDocument, type DocumentRecord, type TileRecord } from '../../../src/lib/canvas/serial/records';
import { openDatabase, type Database } from '../../../src/lib/storage/database';
import { DocumentStore } from '../../../src/lib/storage/document_store';

let database: Database;
let store: DocumentStore;
let number = 0;

beforeEach(async () => {
  database = await openDatabase(`documents-${++number}`);
  store = new DocumentStore(() => Promise.resolve(database));
});

const entry = (id: string, updatedAt = 1) => ({ id, name: `name of ${id}`, updatedAt });

function drawn(id: string): CanvasEngine {
  const engine = new CanvasEngine(createDocument({ id, width: 600, height: 300, background: [255, 255, 255] }));
  line(engine, 40);
  return engine;
}

function line(engine: CanvasEngine, y: number): void {
  const sample = (x: number) => ({ t: x, x, y, pressure: 1, tiltX: 0, tiltY: 0 });
  engine.beginStroke(sample(20), 'brush');
  engine.extendStroke([sample(300), sample(580)]);
  engine.endStroke();
}

// Element by element comparison of megabytes takes seconds.
const sameBytes = (a: Uint8ClampedArray, b: Uint8ClampedArray): boolean => Buffer.from(a).equals(Buffer.from(b));

async function saveAll(engine: CanvasEngine, id: string, since = -1): Promise<number> {
  const { document, tiles } = engine.encodeChanges(since);
  await store.save(entry(id), document, tiles);
  return document.revision;
}

async function reopen(id: string): Promise<CanvasEngine> {
  const loaded = await store.load(id);
  const restored = restoreDocument(loaded?.state as DocumentRecord, (loaded?.tiles ?? []) as TileRecord[]);
  return new CanvasEngine(restored.document, { revision: restored.revision });
}

describe('DocumentStore', () => {
  it('gives back the picture that was saved', async () => {
    const engine = drawn('a');
    await saveAll(engine, 'a');
    expect(sameBytes((await reopen('a')).exportFlat().data, engine.exportFlat().data)).toBe(true);
  });

  it('takes changes on top of an earlier save', async () => {
    const engine = drawn('a');
    const revision = await saveAll(engine, 'a');
    line(engine, 200);
    engine.addLayer('mask', 'mask');
    const { tiles } = engine.encodeChanges(revision);
    expect(tiles.length).toBeLessThan(engine.encodeChanges(-1).tiles.length + 1);
    await saveAll(engine, 'a', revision);
    const again = await reopen('a');
    expect(sameBytes(again.exportFlat().data, engine.exportFlat().data)).toBe(true);
    expect(again.layers()).toEqual(engine.layers());
  });

  it('keeps no tile that the document does not name any more', async () => {
    const engine = drawn('a');
    const revision = await saveAll(engine, 'a');
    expect(await database.count('tiles')).toBe(3);
    engine.undo();
    await saveAll(engine, 'a', revision);
    expect(await database.count('tiles')).toBe(0);
    engine.redo();
    await saveAll(engine, 'a', revision);
    expect(sameBytes((await reopen('a')).exportFlat().data, engine.exportFlat().data)).toBe(true);
  });

  it('keeps the old document whole when a save fails half-way', async () => {
    const engine = drawn('a');
    await saveAll(engine, 'a');
    const before = engine.exportFlat().data;
    line(engine, 200);
    const { document, tiles } = engine.encodeChanges(0);
    const broken = { ...document, layers: [...document.layers, { props: { id: 'x' }, tiles: [], bad: () => 0 }] };
    await expect(store.save(entry('a'), broken, tiles)).rejects.toMatchObject({ code: 'storage/unavailable' });
    expect(sameBytes((await reopen('a')).exportFlat().data, before)).toBe(true);
  });

  it('lists the newest first, renames, and removes a document with its tiles only', async () => {
    await store.save(entry('old', 1), drawn('old').encodeChanges(-1).document, []);
    await saveAll(drawn('b'), 'b');
    await store.save(entry('new', 9), drawn('new').encodeChanges(-1).document, drawn('new').encodeChanges(-1).tiles);
    await store.rename('new', 'renamed');
    expect(await store.list()).toHaveLength(3);
    expect((await store.list())[0]?.name).toBe('renamed');
    await store.remove('new');
    expect(await store.load('new')).toBeUndefined();
    expect(await database.countFromIndex('tiles', 'documentId', 'new')).toBe(0);
    expect(await database.countFromIndex('tiles', 'documentId', 'b')).toBe(3);
  });

  it('refuses a record of another document', async () => {
    const { document } = drawn('a').encodeChanges(-1);
    await expect(store.save(entry('b'), document, [])).rejects.toMatchObject({ code: 'argument/invalid' });
  });
});
