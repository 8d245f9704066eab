import 'fake-indexeddb/auto';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '../../../src/lib/storage/database';
import { probeRemoteFile, remoteImportFile } from '../../../src/lib/storage/model_download';
import { ModelStore } from '../../../src/lib/storage/model_store';

const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);

interface Host {
  readonly etag: string;
  readonly ranges: boolean;
  /** The connection breaks behind this many bytes of an answer. */
  readonly breakAfter?: number;
}

/** A file host; what it was asked is kept. */
function host({ etag, ranges, breakAfter }: Host) {
  const asked: Record<string, string>[] = [];
  const get = async (_url: string, init: RequestInit): Promise<Response> => {
    const headers = init.headers as Record<string, string>;
    asked.push(headers);
    const match = ranges ? /^bytes=(\d+)-(\d*)$/.exec(headers['Range'] ?? '') : null;
    const unchanged = headers['If-Range'] === undefined || headers['If-Range'] === etag;
    const start = match && unchanged ? Number(match[1]) : 0;
    const end = match?.[2] && unchanged ? Number(match[2]) + 1 : bytes.length;
    let at = start;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (breakAfter !== undefined && at - start >= breakAfter) return controller.error(new TypeError('reset'));
        if (at >= end) return controller.close();
        controller.enqueue(bytes.slice(at, Math.min(at + 1000, end)));
        at += 1000;
      },
    });
    const partial = match !== null && unchanged;
    return new Response(body, {
      status: partial ? 206 : 200,
      headers: partial
        ? { ETag: etag, 'Content-Range': `bytes ${start}-${end - 1}/${bytes.length}` }
        : { ETag: etag, 'Content-Length': String(bytes.length) },
    });
  };
  return { get, asked };
}

let names = 0;
async function download(store: ModelStore, { get }: ReturnType<typeof host>) {
  const remote = await probeRemoteFile('https://models.test/a/model.safetensors', undefined, get);
  const etag = remote.etag ? { etag: remote.etag } : {};
  const options = { id: 'm', name: 'm', url: remote.url, ...etag };
  return { remote, record: await store.import([remoteImportFile(remote, get)], options) };
}
const newStore = async () => new ModelStore(await openDatabase(`downloads-${names++}`), 1024);

describe('downloads', () => {
  it('learns name, size and tag, and stores the bytes', async () => {
    const store = await newStore();
    const { remote, record } = await download(store, host({ etag: '"one"', ranges: true }));
    expect(remote).toMatchObject({
      name: 'model.safetensors',
      sizeBytes: bytes.length,
      etag: '"one"',
      resumable: true,
    });
    const [file] = record.files;
    const source = await store.open(record, file!);
    expect(await source.read(0, bytes.length)).toEqual(bytes);
  });

  it('goes on where the connection broke, with If-Range', async () => {
    const store = await newStore();
    await expect(download(store, host({ etag: '"one"', ranges: true, breakAfter: 4000 }))).rejects.toMatchObject({
      code: 'network/failed',
    });
    const again = host({ etag: '"one"', ranges: true });
    const { record } = await download(store, again);
    const resumed = again.asked.at(-1);
    expect(resumed).toMatchObject({ 'If-Range': '"one"' });
    expect(Number(/\d+/.exec(resumed?.['Range'] ?? '')?.[0])).toBeGreaterThan(0);
    expect(await store.verify(record)).toEqual([]);
  });

  it('begins anew when the file changed', async () => {
    const store = await newStore();
    await expect(download(store, host({ etag: '"one"', ranges: true, breakAfter: 4000 }))).rejects.toThrow();
    const changed = host({ etag: '"two"', ranges: true });
    await download(store, changed);
    expect(changed.asked.at(-1)).toEqual({});
  });

  it('skips what it has where the host ignores ranges', async () => {
    const store = await newStore();
    await expect(download(store, host({ etag: '"one"', ranges: false, breakAfter: 4000 }))).rejects.toThrow();
    const { record } = await download(store, host({ etag: '"one"', ranges: false }));
    expect(await store.verify(record)).toEqual([]);
  });

  it.each(['', 'model.safetensors', 'ftp://host/file', 'javascript:alert(1)'])(
    'refuses the address "%s"',
    async (url) => {
      await expect(probeRemoteFile(url)).rejects.toMatchObject({ code: 'argument/invalid' });
    },
  );
});
