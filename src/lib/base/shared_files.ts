/** Files and texts that other apps share with the installed app: how the service worker keeps them for the page. */

/** Path of the manifest's share target, and the query that says that something waits. */
export const SHARED_PATH = 'share';
export const SHARED_CACHE = 'shared';
/** Field names of the manifest's share target. */
const FIELDS = { files: 'files', texts: ['title', 'text', 'url'] } as const;

export type SharedEntry = readonly [path: string, body: Blob | string, headers: Record<string, string>];

/** What to keep of a shared form: each file under a path of its own, all texts as one. */
export function sharedEntries(form: FormData): SharedEntry[] {
  const files = form.getAll(FIELDS.files).filter((entry): entry is File => typeof entry !== 'string');
  const entries = files.map((file, i): SharedEntry => {
    const headers = { 'Content-Type': file.type, 'X-File-Name': encodeURIComponent(file.name) };
    return [`/shared/${i}`, file, headers];
  });
  const texts = FIELDS.texts
    .map((name) => form.get(name))
    .filter((text): text is string => typeof text === 'string' && text !== '');
  if (texts.length > 0) entries.push(['/shared/text', texts.join('\n'), { 'Content-Type': 'text/plain' }]);
  return entries;
}

export interface Shared {
  readonly files: readonly File[];
  readonly text: string;
}

/** Takes what waits, once. */
export async function takeShared(): Promise<Shared> {
  const cache = await caches.open(SHARED_CACHE);
  const files: File[] = [];
  let text = '';
  for (const request of await cache.keys()) {
    const response = await cache.match(request);
    if (!response) continue;
    if (request.url.endsWith('/text')) text = await response.text();
    else {
      const name = decodeURIComponent(response.headers.get('X-File-Name') ?? 'file');
      files.push(new File([await response.blob()], name, { type: response.headers.get('Content-Type') ?? '' }));
    }
    await cache.delete(request);
  }
  return { files, text };
}
