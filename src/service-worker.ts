/// <reference types="@sveltejs/kit" />
/// <reference no-default-lib="true"/>
/// <reference lib="esnext" />
/// <reference lib="webworker" />
/**
 * Makes the app work offline after the first visit, gives isolation headers on hosts that send none, and brings
 * updates without breaking what runs: a new version waits until the page says so, and the previous version's files
 * stay cached beside it. Model weights are not its business: they live in IndexedDB.
 */
import isolationHeaders from './lib/base/isolation_headers.json';
import { SHARED_CACHE, SHARED_PATH, sharedEntries } from './lib/base/shared_files';
import { base, build, files, prerendered, version } from '$service-worker';

const worker = globalThis as unknown as ServiceWorkerGlobalScope;
const CACHE = `app-${version}`;
/** Weights are kept by the model store; a second copy would cost the user's disk. */
const isWeights = (path: string) => /\/models\/.*\.(safetensors|gguf)$/.test(path);
const PRECACHE = [`${base}/`, ...build, ...prerendered, ...files].filter(
  (path) => !isWeights(path) && !path.endsWith('/_headers'),
);

/** A name that holds its content's hash is always right: what this visit fetched (the runtime's 14 MB) serves twice. */
const isImmutable = (path: string) => path.includes('/immutable/');
const freshness = (path: string): RequestCache => (isImmutable(path) ? 'default' : 'reload');

/** Engine, runtime and codec files of the workers: fetched by workers before this one is in charge. */
async function workerFiles(): Promise<string[]> {
  const response = await fetch(`${base}/_app/worker-files.json`, { cache: 'no-cache' });
  const names = response.ok ? ((await response.json()) as string[]) : [];
  return names.map((name) => `${base}/${name}`);
}

worker.addEventListener('install', (event) => {
  event.waitUntil(
    caches.open(CACHE).then(async (cache) => {
      // One by one, so that a file already there from a cut-off first attempt is not fetched again.
      for (const path of new Set([...PRECACHE, ...(await workerFiles())])) {
        if (!(await cache.match(path))) await cache.add(new Request(path, { cache: freshness(path) }));
      }
    }),
  );
});

worker.addEventListener('activate', (event) => {
  event.waitUntil(
    (async () => {
      // The newest two versions stay: a tab that still runs the old one can load its lazy parts.
      const old = (await caches.keys()).filter((name) => name.startsWith('app-') && name !== CACHE);
      for (const name of old.slice(0, -1)) await caches.delete(name);
      await worker.clients.claim();
    })(),
  );
});

worker.addEventListener('message', (event) => {
  if (event.data === 'apply-update') void worker.skipWaiting();
});

worker.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(
    worker.clients
      .matchAll({ type: 'window' })
      .then(([open]) => (open ? open.focus() : worker.clients.openWindow(`${base}/`))),
  );
});

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  const ranged = request.headers.has('range');
  if (request.method === 'POST' && url.pathname === `${base}/${SHARED_PATH}`) {
    event.respondWith(receive(request));
    return;
  }
  if (request.method !== 'GET' || url.origin !== worker.location.origin || ranged || isWeights(url.pathname)) return;
  event.respondWith(answer(request, url));
});

/**
 * What another app shares: kept in a cache of its own until the page takes it, which works without a network. A host
 * never sees it.
 */
async function receive(request: Request): Promise<Response> {
  const home = `${base}/?${SHARED_PATH}`;
  try {
    const form = await request.formData();
    const cache = await caches.open(SHARED_CACHE);
    for (const [path, body, headers] of sharedEntries(form)) await cache.put(path, new Response(body, { headers }));
  } catch {
    // A full disk: the app opens without what was shared, and its own storage says that it is full.
  }
  return Response.redirect(home, 303);
}

async function answer(request: Request, url: URL): Promise<Response> {
  const path = request.mode === 'navigate' ? undefined : url.pathname;
  const immutable = isImmutable(url.pathname);
  if (path !== undefined) {
    const cached = await caches.match(path, { ignoreSearch: true });
    if (cached && (immutable || PRECACHE.includes(path))) return isolated(cached);
  }
  try {
    const response = await fetch(request);
    if (response.ok && response.status === 200 && immutable) {
      const copy = response.clone();
      void caches.open(CACHE).then((cache) => cache.put(url.pathname, copy));
    }
    return isolated(response);
  } catch (error) {
    // Offline: every route is the same shell, which finds its way by the address.
    const cached =
      (await caches.match(url.pathname, { ignoreSearch: true })) ?? (await caches.match(`${url.pathname}.html`));
    const shell = request.mode === 'navigate' ? (cached ?? (await caches.match(`${base}/`))) : cached;
    if (shell) return isolated(shell);
    throw error;
  }
}

/** Adds the isolation headers where the host does not send them (static hosts without header files). */
function isolated(response: Response): Response {
  if (response.type === 'opaque' || response.headers.has('Cross-Origin-Embedder-Policy')) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(isolationHeaders)) headers.set(name, value);
  const { status, statusText } = response;
  const empty = status === 204 || status === 304;
  return new Response(empty ? undefined : response.body, { status, statusText, headers });
}
