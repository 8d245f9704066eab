import 'fake-indexeddb/auto';
import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { openDatabase, storageError, type Database } from '../../../src/lib/storage/database';
import type { ImportFile } from '../../../src/lib/storage/model_import';
import { ModelStore } from '../../../src/lib/storage/model_store';

const SHARD = 1000;
const bytes = Uint8Array.from({ length: 3456 }, (_, i) => (i * 31) % 251);
const sha256 = createHash('sha256').update(bytes).digest('hex');

/** A file that arrives in odd pieces and may be cut off; `opened` lists the offsets asked for. */
function arriving(options: { cutAt?: number; extra?: number; sha256?: string; version?: string } = {}) {
  const opened: number[] = [];
  const file: ImportFile = {
    path: 'model.safetensors',
    sizeBytes: bytes.byteLength,
    ...(options.sha256 === undefined ? {} : { sha256: options.sha256 }),
    ...(options.version === undefined ? {} : { version: options.version }),
    open(offset) {
      opened.push(offset);
      const end = Math.min(options.cutAt ?? Infinity, bytes.byteLength);
      let at = offset;
      return Promise.resolve(
        new ReadableStream({
          pull(controller) {
            if (at >= end) {
              if (options.extra) controller.enqueue(new Uint8Array(options.extra));
              controller.close();
              return;
            }
            const next = Math.min(at + 333, end);
            controller.enqueue(bytes.slice(at, next));
            at = next;
          },
        }),
      );
    },
  };
  return { file, opened };
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'fulfilled',
    (error: unknown) => (error instanceof AppError ? error.code : 'other'),
  );

let database: Database;
let store: ModelStore;
let count = 0;
beforeEach(async () => {
  database = await openDatabase(`test-${count++}`);
  store = new ModelStore(database, SHARD);
});

describe('ModelStore', () => {
  it('gives back any range of an imported file, across shards', async () => {
    const model = await store.import([arriving({ sha256 }).file], { id: 'm', name: 'M' });
    expect(model.files[0]?.shards.map((shard) => shard.sizeBytes)).toEqual([1000, 1000, 1000, 456]);
    expect(model.files[0]?.sha256).toBe(sha256);
    const source = await store.open(model, model.files[0]!);
    for (const [offset, length] of [
      [0, 3456],
      [990, 20],
      [999, 1002],
      [3455, 1],
      [3456, 0],
    ] as const) {
      expect(await source.read(offset, length)).toEqual(bytes.slice(offset, offset + length));
    }
    expect(await codeOf(source.read(3400, 100))).toBe('file/out-of-bounds');
  });

  it('goes on after a cut connection, from the last byte that came, with the right hash', async () => {
    expect(await codeOf(store.import([arriving({ cutAt: 2500, sha256 }).file], { id: 'm', name: 'M' }))).toBe(
      'file/truncated',
    );
    expect(await store.list()).toEqual([]);
    expect((await store.unfinished()).map((record) => record.shards.length)).toEqual([3]);
    const second = arriving({ sha256 });
    const model = await store.import([second.file], { id: 'm', name: 'M' });
    expect(second.opened).toEqual([2500]);
    expect(model.files[0]?.sha256).toBe(sha256);
    expect(await store.unfinished()).toEqual([]);
  });

  it.each([0, 1, 2, 3])('keeps what came when the disk is full at shard %i, and goes on from there', async (full) => {
    let shards = 0;
    const put = Reflect.get(IDBObjectStore.prototype, 'put') as (
      this: IDBObjectStore,
      ...values: unknown[]
    ) => IDBRequest<IDBValidKey>;
    const spy = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore, ...args) {
      if (this.name === 'shards' && shards++ === full) throw new DOMException('full', 'QuotaExceededError');
      return put.apply(this, args);
    });
    expect(await codeOf(store.import([arriving({ sha256 }).file], { id: 'm', name: 'M' }))).toBe('storage/quota');
    spy.mockRestore();
    expect(shards).toBe(full + 1);
    expect(await store.list()).toEqual([]);
    expect((await store.unfinished())[0]?.shards).toHaveLength(full);
    expect(await database.getAllKeys('shards')).toHaveLength(full);
    const second = arriving({ sha256 });
    const model = await store.import([second.file], { id: 'm', name: 'M' });
    expect(second.opened).toEqual([full * SHARD]);
    expect(model.files[0]?.sha256).toBe(sha256);
    expect(await store.unfinished()).toEqual([]);
  });

  it('starts over when the source has changed', async () => {
    await codeOf(store.import([arriving({ cutAt: 2500, version: '"1"' }).file], { id: 'm', name: 'M' }));
    const second = arriving({ version: '"2"' });
    await store.import([second.file], { id: 'm', name: 'M' });
    expect(second.opened).toEqual([0]);
  });

  it('starts a damaged shard anew', async () => {
    await codeOf(store.import([arriving({ cutAt: 2500 }).file], { id: 'm', name: 'M' }));
    const key = (await store.unfinished())[0]?.shards[1]?.key ?? '';
    await database.put('shards', { key, bytes: new Blob([new Uint8Array(1000)]) });
    const second = arriving({ sha256 });
    await store.import([second.file], { id: 'm', name: 'M' });
    expect(second.opened).toEqual([1000]);
  });

  it('throws away a file whose hash is not the promised one', async () => {
    const code = await codeOf(store.import([arriving({ sha256: 'f'.repeat(64) }).file], { id: 'm', name: 'M' }));
    expect(code).toBe('storage/hash-mismatch');
    expect(await store.list()).toEqual([]);
    expect(await database.getAllKeys('shards')).toEqual([]);
  });

  it('refuses a file that is longer than announced', async () => {
    expect(await codeOf(store.import([arriving({ extra: 10 }).file], { id: 'm', name: 'M' }))).toBe('file/truncated');
    expect(await database.getAllKeys('shards')).toEqual([]);
  });

  it('stops when cancelled and keeps what came', async () => {
    const abort = new AbortController();
    const code = await codeOf(
      store.import([arriving().file], {
        id: 'm',
        name: 'M',
        signal: abort.signal,
        onProgress: (done) => {
          if (done > 1500) abort.abort();
        },
      }),
    );
    expect(code).toBe('job/cancelled');
    expect((await store.unfinished())[0]?.shards).toHaveLength(2);
  });

  it('finds damaged and missing parts', async () => {
    const model = await store.import([arriving().file], { id: 'm', name: 'M' });
    expect(await store.verify(model)).toEqual([]);
    const [, , third = '', fourth = ''] = model.files[0]?.shards.map((shard) => shard.key) ?? [];
    await database.put('shards', { key: third, bytes: new Blob([new Uint8Array(1000)]) });
    await database.delete('shards', fourth);
    expect(await store.verify(model)).toEqual([third, fourth]);
    expect(await codeOf(store.open(model, model.files[0]!))).toBe('storage/corrupt');
  });

  it('keeps the bytes that another model is made of too', async () => {
    const model = await store.import([arriving().file], { id: 'm', name: 'M' });
    await store.add({ ...model, id: 'n' });
    await store.delete('m');
    expect(await store.verify((await store.get('n'))!)).toEqual([]);
    await store.delete('n');
    expect(await database.getAllKeys('shards')).toEqual([]);
  });

  it('stores equal content once, and anew when the stored one is damaged', async () => {
    const first = await store.import([arriving().file], { id: 'm', name: 'M' });
    const second = await store.import([arriving().file], { id: 'n', name: 'N' });
    expect(second.files[0]?.shards).toEqual(first.files[0]?.shards);
    expect(await database.count('shards')).toBe(4);
    await store.delete('m');
    expect(await store.verify(second)).toEqual([]);
    await database.delete('shards', second.files[0]?.shards[0]?.key ?? '');
    expect(await store.verify(await store.import([arriving().file], { id: 'o', name: 'O' }))).toEqual([]);
  });

  it('keeps one row of one name and content, and names it again', async () => {
    const first = await store.import([arriving().file], { id: 'm', name: 'M' });
    const again = await store.import([arriving().file], { id: 'of another date', name: 'M' });
    expect(again.id).toBe('m');
    expect(await store.list()).toHaveLength(1);
    expect(await store.unfinished()).toEqual([]);
    expect(await database.count('shards')).toBe(4);
    expect(await store.verify((await store.get('m'))!)).toEqual([]);
    expect(again.files).toEqual(first.files);
  });

  it('reads a file in place only as long as the browser allows it, and says whose it is', async () => {
    let state: PermissionState = 'granted';
    const blob = new File([bytes], 'model.safetensors', { lastModified: 1 });
    const handle = {
      queryPermission: () => Promise.resolve(state),
      getFile: () => Promise.resolve(blob),
    } as unknown as FileSystemFileHandle;
    const file = { path: 'model.safetensors', sizeBytes: bytes.length, sha256, shards: [], handle, modifiedAt: 1 };
    const record = { id: 'm', name: 'M', files: [file], sizeBytes: bytes.length, addedAt: 0, usedAt: 0 };
    expect(await (await store.open(record, file)).read(5, 3)).toEqual(bytes.slice(5, 8));
    for (const now of ['prompt', 'denied'] as const) {
      state = now;
      await expect(store.open(record, file)).rejects.toMatchObject({
        code: 'storage/permission',
        details: { model: 'm', path: 'model.safetensors', state: now },
      });
    }
    state = 'granted';
    expect(await (await store.open(record, file)).read(0, 2)).toEqual(bytes.slice(0, 2));
  });

  it('keeps what others are made of when the same model comes again with another content', async () => {
    const first = await store.import([arriving().file], { id: 'm', name: 'M' });
    await store.add({ ...first, id: 'joined' });
    const changed = new Uint8Array(2000).fill(7);
    const file: ImportFile = {
      path: 'model.safetensors',
      sizeBytes: changed.length,
      open: () => Promise.resolve(new Blob([changed]).stream()),
    };
    const again = await store.import([file], { id: 'm', name: 'M' });
    expect(await store.verify((await store.get('joined'))!)).toEqual([]);
    expect(await store.verify(again)).toEqual([]);
    await store.delete('joined');
    expect(await database.count('shards')).toBe(2);
  });

  it('keeps a second hash of the bytes behind the header, over a break as well', async () => {
    const behind = (file: ImportFile): ImportFile => ({ ...file, tensorStart: 1200 });
    await codeOf(store.import([behind(arriving({ cutAt: 2500 }).file)], { id: 'm', name: 'M' }));
    const model = await store.import([behind(arriving().file)], { id: 'm', name: 'M' });
    const expected = createHash('sha256').update(bytes.subarray(1200)).digest('hex');
    expect(model.files[0]?.tensorSha256).toBe(expected);
    expect(model.files[0]?.sha256).toBe(sha256);
  });

  it('deletes a model and collects orphans', async () => {
    await store.import([arriving().file], { id: 'm', name: 'M' });
    await database.put('shards', { key: 'orphan', bytes: new Blob([]) });
    expect(await store.collectGarbage()).toBe(1);
    await store.delete('m');
    expect(await store.list()).toEqual([]);
    expect(await database.getAllKeys('shards')).toEqual([]);
  });
});

describe('storageError', () => {
  it('names a full disk', () => {
    expect(storageError('write', new DOMException('full', 'QuotaExceededError')).code).toBe('storage/quota');
  });
  it('names a database that a newer app has changed', () => {
    expect(storageError('open', new DOMException('version', 'VersionError')).code).toBe('storage/blocked');
  });
  it('names refused storage', () => {
    expect(storageError('open', new DOMException('no', 'SecurityError')).code).toBe('storage/unavailable');
  });
});
