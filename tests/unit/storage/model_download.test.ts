import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '../../../src/lib/storage/database';
import { probeRemoteFile, remoteImportFile, remoteSource, webAddresses } from '../../../src/lib/storage/model_download';
import { ModelStore } from '../../../src/lib/storage/model_store';

const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);
const URL_OF_FILE = 'https://models.test/a/model.safetensors';
/** Small, so that a file of 10,000 bytes has several parts. */
const PARTS = { partBytes: 1500, connections: 3, waitsMs: [0, 0] };

interface Answer {
  readonly start: number;
  readonly end: number;
  status: number;
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer>;
  /** The connection breaks behind this many bytes. */
  breakAfter?: number;
}

interface Host {
  readonly etag?: string;
  readonly ranges?: boolean;
  /** Spoils an answer; `asked` counts the requests before it. */
  readonly spoil?: (answer: Answer, asked: number) => void;
}

/** A file host; what it was asked is kept. */
function host({ etag = '"one"', ranges = true, spoil }: Host = {}) {
  const asked: Record<string, string>[] = [];
  const get = async (_url: string, init: RequestInit): Promise<Response> => {
    const headers = init.headers as Record<string, string>;
    const match = ranges ? /^bytes=(\d+)-(\d+)$/.exec(headers['Range'] ?? '') : null;
    const unchanged = headers['If-Range'] === undefined || headers['If-Range'] === etag;
    const partial = match !== null && unchanged;
    const start = partial ? Number(match[1]) : 0;
    const end = partial ? Number(match[2]) + 1 : bytes.length;
    const answer: Answer = {
      start,
      end,
      status: partial ? 206 : 200,
      headers: partial
        ? { ETag: etag, 'Content-Range': `bytes ${start}-${end - 1}/${bytes.length}` }
        : { ETag: etag, 'Content-Length': String(bytes.length) },
      body: bytes.slice(start, end),
    };
    spoil?.(answer, asked.length);
    asked.push(headers);
    let at = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (answer.breakAfter !== undefined && at >= answer.breakAfter) return controller.error(new TypeError('reset'));
        if (at >= answer.body.length) return controller.close();
        controller.enqueue(answer.body.slice(at, (at += 400)));
      },
    });
    return new Response(answer.status === 416 ? null : body, { status: answer.status, headers: answer.headers });
  };
  return { get, asked };
}

let names = 0;
const newStore = async () => new ModelStore(await openDatabase(`downloads-${names++}`), 1024);

async function download(store: ModelStore, { get }: ReturnType<typeof host>) {
  const remote = await probeRemoteFile(URL_OF_FILE, undefined, get);
  const file = remoteImportFile(remote, get, PARTS);
  return { remote, record: await store.import([file], { id: 'm', name: 'm', urls: [remote.url] }) };
}

async function expectWhole(store: ModelStore, { record }: Awaited<ReturnType<typeof download>>): Promise<void> {
  const source = await store.open(record, record.files[0]!);
  expect(await source.read(0, bytes.length)).toEqual(bytes);
  expect(await store.verify(record)).toEqual([]);
  expect(await store.unfinished()).toEqual([]);
}

/** From which byte on the last requests asked. */
const firstByte = (asked: readonly Record<string, string>[]) =>
  Math.min(...asked.slice(1).map((headers) => Number(/\d+/.exec(headers['Range'] ?? '0')?.[0] ?? 0)));

describe('a download', () => {
  it('learns name, size and tag, and stores the bytes in order over several connections', async () => {
    const store = await newStore();
    const done = await download(store, host());
    expect(done.remote).toMatchObject({ name: 'model.safetensors', sizeBytes: bytes.length, resumable: true });
    await expectWhole(store, done);
  });

  it('goes on inside a part when a connection breaks, without asking for what came', async () => {
    const store = await newStore();
    const breaking = host({ spoil: (answer, asked) => (asked === 2 ? (answer.breakAfter = 800) : undefined) });
    await expectWhole(store, await download(store, breaking));
    expect(breaking.asked.map((headers) => headers['Range'])).toContain('bytes=2300-2999');
  });

  it('keeps what came when the host stays away, and goes on there', async () => {
    const store = await newStore();
    const away = host({ spoil: (answer, asked) => (asked > 3 ? (answer.status = 503) : undefined) });
    await expect(download(store, away)).rejects.toMatchObject({ code: 'network/failed' });
    const again = host();
    await expectWhole(store, await download(store, again));
    expect(firstByte(again.asked)).toBeGreaterThanOrEqual(3000);
  });

  it('asks again when a host is busy for a moment', async () => {
    const store = await newStore();
    const busy = host({ spoil: (answer, asked) => (asked === 2 ? (answer.status = 429) : undefined) });
    await expectWhole(store, await download(store, busy));
  });

  it.each([
    ['another tag between two parts', (answer: Answer) => (answer.headers['ETag'] = '"two"')],
    [
      'the whole of another file',
      (answer: Answer) => {
        answer.status = 200;
        answer.headers = { ETag: '"two"', 'Content-Length': '12000' };
      },
    ],
    [
      'another size',
      (answer: Answer) => (answer.headers['Content-Range'] = `bytes ${answer.start}-${answer.end - 1}/12000`),
    ],
    ['no such range any more', (answer: Answer) => (answer.status = 416)],
  ])('is given up when the file changed: %s', async (_what, spoil) => {
    const store = await newStore();
    const changed = host({ spoil: (answer, asked) => (asked > 3 ? void spoil(answer) : undefined) });
    await expect(download(store, changed)).rejects.toMatchObject({ code: 'network/changed' });
    expect(await store.unfinished()).toEqual([]);
    await expectWhole(store, await download(store, host({ etag: '"two"' })));
  });

  it.each([
    ['from another byte', (answer: Answer) => (answer.headers['Content-Range'] = `bytes 0-1499/${bytes.length}`)],
    ['more bytes than asked for', (answer: Answer) => (answer.body = bytes.slice(0, 4000))],
    ['the whole file at once', (answer: Answer) => (answer.status = 200)],
  ])('refuses a wrong answer: %s', async (_what, spoil) => {
    const store = await newStore();
    const wrong = host({ spoil: (answer, asked) => (asked > 3 ? void spoil(answer) : undefined) });
    await expect(download(store, wrong)).rejects.toMatchObject({ code: 'network/failed' });
    expect(await store.list()).toEqual([]);
    await expectWhole(store, await download(store, host()));
  });

  it('begins anew when the file changed since the last attempt', async () => {
    const store = await newStore();
    const away = host({ spoil: (answer, asked) => (asked > 3 ? (answer.status = 503) : undefined) });
    await expect(download(store, away)).rejects.toThrow();
    const changed = host({ etag: '"two"' });
    await expectWhole(store, await download(store, changed));
    expect(firstByte(changed.asked)).toBe(0);
  });

  it('skips what it has where the host ignores ranges', async () => {
    const store = await newStore();
    const broken = host({ ranges: false, spoil: (answer) => (answer.breakAfter = 4000) });
    await expect(download(store, broken)).rejects.toMatchObject({ code: 'network/failed' });
    expect((await store.unfinished())[0]?.shards.length).toBeGreaterThan(0);
    await expectWhole(store, await download(store, host({ ranges: false })));
  });

  it('stops at once when cancelled', async () => {
    const store = await newStore();
    const { get } = host();
    const remote = await probeRemoteFile(URL_OF_FILE, undefined, get);
    const abort = new AbortController();
    const onProgress = (done: number) => (done > 2000 ? abort.abort() : undefined);
    const file = remoteImportFile(remote, get, PARTS);
    const work = store.import([file], { id: 'm', name: 'm', signal: abort.signal, onProgress });
    await expect(work).rejects.toMatchObject({ code: 'job/cancelled' });
  });
});

describe('a remote file', () => {
  it('is read by its header without being downloaded', async () => {
    const { get, asked } = host();
    const source = remoteSource(await probeRemoteFile(URL_OF_FILE, undefined, get), get);
    expect(await source.read(10, 20)).toEqual(bytes.slice(10, 30));
    await expect(source.read(9990, 20)).rejects.toMatchObject({ code: 'file/out-of-bounds' });
    expect(asked).toHaveLength(2);
  });

  it('gets a name that is no path and hides nothing', async () => {
    const named = async (disposition: string) => {
      const evil = host({ spoil: (answer) => (answer.headers['Content-Disposition'] = disposition) });
      return (await probeRemoteFile(URL_OF_FILE, undefined, evil.get)).name;
    };
    expect(await named('attachment; filename="../../etc/model.gguf"')).toBe('model.gguf');
    expect(await named("attachment; filename*=UTF-8''a%00%0Ab%E2%80%AEc.gguf")).toBe('abc.gguf');
    expect(await named('attachment; filename=".."')).toBe('model');
  });

  it.each(['', 'model.safetensors', 'ftp://host/file', 'javascript:alert(1)'])(
    'needs a web address, not "%s"',
    (text) => {
      expect(() => webAddresses(text)).toThrow(expect.objectContaining({ code: 'argument/invalid' }));
    },
  );

  it('is found behind the page about it', () => {
    expect(webAddresses(' https://huggingface.co/a/b/blob/main/x.gguf\nhttps://h.test/y ')).toEqual([
      'https://huggingface.co/a/b/resolve/main/x.gguf',
      'https://h.test/y',
    ]);
  });
});
