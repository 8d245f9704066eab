/** The companion's server in this process, with the real pipeline and the lists that the golden examples assume. */
import { createCompanionEngine, type CompanionEngine } from '../../../src/companion/engine/companion_engine';
import type { Catalogue, CatalogueFile } from '../../../src/companion/engine/catalogue';
import { startCompanion } from '../../../src/companion/companion_server';
import type { AuthOptions } from '../../../src/companion/server/auth';
import type { FileKind } from '../../../src/lib/models/detect';

export interface ApiExample {
  readonly name: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly request: Readonly<Record<string, unknown>> | null;
  readonly status: number;
  readonly response: unknown;
  readonly response_headers?: Readonly<Record<string, string>>;
  readonly client_sees?: unknown;
  readonly derived?: string;
}

type Row = Readonly<Record<string, unknown>>;

/** The answer of a recorded list, or nothing where the folder has no such example. */
function listOf(examples: readonly ApiExample[], path: string): readonly Row[] {
  const found = examples.find((one) => one.method === 'GET' && one.path === `/sdapi/v1/${path}`)?.response;
  return Array.isArray(found) ? (found as readonly Row[]) : [];
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const baseName = (path: unknown): string => text(path).replace(/^.*\//, '');

function file(kind: FileKind, path: unknown, more: Partial<CatalogueFile> = {}): CatalogueFile {
  const name = baseName(path);
  return { id: text(path), file: name, name: name.replace(/\.[^.]+$/, ''), kind, sizeBytes: 1, metadata: {}, ...more };
}

/** Modules that are listed or that requests name, besides autoencoders. */
function moduleNames(examples: readonly ApiExample[]): string[] {
  const vaes = listOf(examples, 'sd-vae').map((row) => baseName(row['filename']));
  const named = examples.flatMap(({ request }) => {
    const overrides = (request?.['override_settings'] ?? {}) as Row;
    return (overrides['forge_additional_modules'] ?? []) as readonly string[];
  });
  const listed = listOf(examples, 'sd-modules').map((row) => text(row['filename']));
  return [...new Set([...listed, ...named])].filter((name) => !vaes.includes(baseName(name)));
}

/** What the examples' server had in its folders. */
function catalogueOf(examples: readonly ApiExample[]): Catalogue {
  const embeddings = examples.find((one) => one.path === '/sdapi/v1/embeddings')?.response as
    { loaded?: Record<string, { shape: number; vectors: number }> } | undefined;
  const files = [
    ...listOf(examples, 'sd-models').map((row) =>
      file('checkpoint', row['filename'], { ...(row['sha256'] === null ? {} : { sha256: text(row['sha256']) }) }),
    ),
    ...listOf(examples, 'sd-vae').map((row) => file('vae', row['filename'])),
    ...moduleNames(examples).map((name) => file('text_encoder', name)),
    ...listOf(examples, 'loras').map((row) =>
      file('lora', row['path'], { name: text(row['name']), metadata: row['metadata'] as Record<string, string> }),
    ),
    ...Object.entries(embeddings?.loaded ?? {}).map(([name, { shape, vectors }]) =>
      file('embedding', `embeddings/${name}.pt`, { vectors: { count: vectors, width: shape } }),
    ),
    ...listOf(examples, 'upscalers')
      .filter((row) => row['model_name'] !== null)
      .map((row) => file('upscaler', row['model_path'], { name: text(row['name']), scale: Number(row['scale']) })),
  ];
  return { files, skipped: [] };
}

export interface ApiServer {
  readonly url: string;
  ask(example: Pick<ApiExample, 'method' | 'path' | 'request'>, headers?: Record<string, string>): Promise<Response>;
  close(): Promise<void>;
}

const TOKEN = 'golden-token-golden-token-golden-token';

export async function openEngine(): Promise<CompanionEngine> {
  return createCompanionEngine({ backend: 'auto', threads: 1, folders: [], tokenizers: [] });
}

/** Every model of the lists is the built-in one: the API is on trial, not the model. */
export async function startApiServer(
  engine: CompanionEngine,
  examples: readonly ApiExample[],
  auth: Partial<AuthOptions> = {},
): Promise<ApiServer> {
  const catalogue = catalogueOf(examples);
  const styles = listOf(examples, 'prompt-styles').map((row) => ({
    name: text(row['name']),
    prompt: text(row['prompt']),
    negative: text(row['negative_prompt']),
  }));
  const proxied = new Proxy(engine, {
    get: (target, name) => {
      if (name === 'catalogue') return () => Promise.resolve(catalogue);
      if (name === 'openModel') {
        return (_source: unknown, onEvent: Parameters<CompanionEngine['openModel']>[1]) =>
          target.openModel({ kind: 'builtin', id: 'tiny-icons' }, onEvent);
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
    },
  });
  const server = await startCompanion({ engine: proxied, auth: { token: TOKEN, ...auth }, version: 'test', styles });
  const url = `http://127.0.0.1:${server.port}`;
  return {
    url,
    ask: ({ method, path, request }, headers = { Authorization: `Bearer ${TOKEN}` }) =>
      fetch(`${url}${path}`, {
        method,
        headers: { ...headers, ...(method === 'POST' ? { 'Content-Type': 'application/json' } : {}) },
        ...(method === 'POST' && request !== null ? { body: JSON.stringify(request) } : {}),
      }),
    close: () => server.close(),
  };
}
