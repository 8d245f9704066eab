/** The built-in model when the network, the disk or the stored copy fails. */
import 'fake-indexeddb/auto';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AppError } from '../../../src/lib/base/errors';
import { fetchBuiltinIndex, openBuiltin, type BuiltinModel } from '../../../src/lib/storage/builtin_models';
import { openDatabase, type Database } from '../../../src/lib/storage/database';
import { ModelStore } from '../../../src/lib/storage/model_store';

const contents = [3456, 1234].map((length, seed) => Uint8Array.from({ length }, (_, i) => (i * 31 + seed) % 251));
const model: BuiltinModel = {
  id: 'small',
  name: 'Small',
  licence: 'Apache-2.0',
  aliases: [],
  files: contents.map((bytes, i) => ({
    path: `part-${i}.safetensors`,
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  })),
};
const MODELS = 'https://app.example/models/';

/** What the host does next: file, offset asked for → answer. */
let asked: string[];
let fault: (path: string, offset: number) => Response | undefined;

function answer(url: string, init: RequestInit | undefined): Promise<Response> {
  const path = url.slice(MODELS.length);
  const range = new Headers(init?.headers).get('Range');
  const offset = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
  asked.push(`${path}@${offset}`);
  const faulty = fault(path, offset);
  if (faulty)
    return faulty.type === 'error' ? Promise.reject(new TypeError('Failed to fetch')) : Promise.resolve(faulty);
  const bytes = contents[model.files.findIndex((file) => file.path === path)] ?? new Uint8Array();
  return Promise.resolve(new Response(bytes.slice(offset), { status: offset > 0 ? 206 : 200 }));
}

/** The first bytes of a file, then a broken connection. */
const cutAfter = (path: string, count: number) => {
  const bytes = contents[model.files.findIndex((file) => file.path === path)] ?? new Uint8Array();
  let sent = false;
  return new Response(
    new ReadableStream({
      pull(controller) {
        if (sent) controller.error(new TypeError('network error'));
        else controller.enqueue(bytes.slice(0, count));
        sent = true;
      },
    }),
  );
};

let database: Database;
let store: ModelStore;
let count = 0;
beforeEach(async () => {
  asked = [];
  fault = () => undefined;
  vi.stubGlobal('fetch', (url: string, init?: RequestInit) => answer(url, init));
  database = await openDatabase(`builtin-${count++}`);
  store = new ModelStore(database, 1000);
});
afterEach(() => vi.unstubAllGlobals());

const failure = (promise: Promise<unknown>): Promise<AppError> =>
  promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: unknown) => {
      if (error instanceof AppError) return error;
      throw error;
    },
  );

async function expectWhole(opened: Awaited<ReturnType<typeof openBuiltin>>): Promise<void> {
  for (const [i, source] of opened.sources.entries()) {
    expect(await source.read(0, source.sizeBytes)).toEqual(contents[i]);
  }
}

describe('network', () => {
  it.each([
    ['no connection', () => Response.error()],
    ['a missing file', () => new Response('', { status: 404 })],
    ['a host in trouble', () => new Response('', { status: 503 })],
  ])('%s: typed, and the second attempt asks only for what is missing', async (_name, response) => {
    fault = (path) => (path === 'part-1.safetensors' ? response() : undefined);
    const error = await failure(openBuiltin(model, MODELS, store));
    expect(error.code).toBe('network/failed');
    expect(error.message).toContain('try again');
    fault = () => undefined;
    asked = [];
    await expectWhole(await openBuiltin(model, MODELS, store));
    expect(asked).toEqual(['part-1.safetensors@0']);
  });

  it('a connection that breaks in the middle goes on at the last byte that came', async () => {
    fault = (path) => (path === 'part-0.safetensors' ? cutAfter(path, 2500) : undefined);
    expect((await failure(openBuiltin(model, MODELS, store))).code).toBe('network/failed');
    fault = () => undefined;
    asked = [];
    await expectWhole(await openBuiltin(model, MODELS, store));
    expect(asked).toEqual(['part-0.safetensors@2500', 'part-1.safetensors@0']);
  });

  it('goes on where the host ignores Range', async () => {
    fault = (path) => (path === 'part-0.safetensors' ? cutAfter(path, 2500) : undefined);
    await failure(openBuiltin(model, MODELS, store));
    fault = (path) => (path === 'part-0.safetensors' ? new Response(contents[0]) : undefined);
    await expectWhole(await openBuiltin(model, MODELS, store));
  });

  it('other bytes than the app promises are refused and thrown away', async () => {
    fault = (path) => (path === 'part-0.safetensors' ? new Response(new Uint8Array(3456)) : undefined);
    expect((await failure(openBuiltin(model, MODELS, store))).code).toBe('storage/hash-mismatch');
    fault = () => undefined;
    await expectWhole(await openBuiltin(model, MODELS, store));
  });

  it('a list of models that is a sign-in page', async () => {
    vi.stubGlobal('fetch', () => Promise.resolve(new Response('<html>sign in</html>')));
    expect((await failure(fetchBuiltinIndex(MODELS))).code).toBe('network/failed');
  });

  it('without a store, a cut connection is typed, too', async () => {
    fault = (path) => cutAfter(path, 100);
    expect((await failure(openBuiltin(model, MODELS, undefined))).code).toBe('network/failed');
    fault = (path) => (path === 'part-0.safetensors' ? new Response(new Uint8Array(7)) : undefined);
    expect((await failure(openBuiltin(model, MODELS, undefined))).code).toBe('file/truncated');
  });
});

describe('storage', () => {
  it('a full disk: the model works from memory, with a notice, and is fetched again next time', async () => {
    vi.spyOn(database, 'transaction').mockImplementation(() => {
      throw new DOMException('full', 'QuotaExceededError');
    });
    const notices: string[] = [];
    const progress: number[] = [];
    const opened = await openBuiltin(model, MODELS, store, {
      onNotStored: (error) => notices.push(error.code),
      onProgress: (done, total) => progress.push(done / total),
    });
    await expectWhole(opened);
    expect(opened.record).toBeUndefined();
    expect(notices).toEqual(['storage/quota']);
    expect(progress.at(-1)).toBe(1);
    vi.restoreAllMocks();
    expect((await openBuiltin(model, MODELS, store)).record).toBeDefined();
  });

  it('a store that cannot even be read', async () => {
    vi.spyOn(database, 'get').mockRejectedValue(new DOMException('gone', 'UnknownError'));
    const notices: string[] = [];
    await expectWhole(await openBuiltin(model, MODELS, store, { onNotStored: (error) => notices.push(error.code) }));
    expect(notices).toEqual(['storage/unavailable']);
  });

  it.each([
    ['changed', (bytes: Blob) => bytes.arrayBuffer().then((old) => new Blob([new Uint8Array(old).fill(7, 10, 11)]))],
    ['shortened', (bytes: Blob) => Promise.resolve(bytes.slice(0, 5))],
    ['lost', () => Promise.resolve(undefined)],
  ])('a stored part that was %s is deleted and fetched again', async (_name, damage) => {
    const { record } = await openBuiltin(model, MODELS, store);
    const key = record?.files[0]?.shards[1]?.key ?? '';
    const shard = await database.get('shards', key);
    const next = shard && (await damage(shard.bytes));
    if (next) await database.put('shards', { key, bytes: next });
    else await database.delete('shards', key);
    asked = [];
    await expectWhole(await openBuiltin(model, MODELS, store));
    expect(asked).toEqual(['part-0.safetensors@0', 'part-1.safetensors@0']);
    asked = [];
    await expectWhole(await openBuiltin(model, MODELS, store));
    expect(asked).toEqual([]);
    expect(await store.collectGarbage()).toBe(0);
  });

  it('refused by the browser: typed', async () => {
    vi.spyOn(indexedDB, 'open').mockImplementation(() => {
      throw new DOMException('no', 'SecurityError');
    });
    const error = await failure(openDatabase('refused'));
    expect(error.code).toBe('storage/unavailable');
    expect(error.message).toContain('allow site data');
    vi.restoreAllMocks();
  });
});
