/**
 * The engine of a companion, behind the same contract as the worker's. Every call is one request; events of long calls
 * come as frames of its answer, and hanging up stops the job there.
 */
import { AppError, fromPlainError } from '../base/errors';
import {
  COMPANION_PATHS,
  FRAME_TYPE,
  MAX_FRAME_BYTES,
  type CompanionHello,
  type CompanionModel,
  type RemoteAnswer,
  type RemoteMethod,
} from './companion';
import type { EngineContract } from './engine';
import { encodeFrame, FrameReader } from './frame';

export interface CompanionAddress {
  /** Origin of the companion, without a path. */
  readonly url: string;
  readonly token: string;
}

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Every method of the contract must be named here; the compiler says which is missing. */
const METHODS: Readonly<Record<RemoteMethod, true>> = {
  status: true,
  openModel: true,
  generate: true,
  upscale: true,
  upscalers: true,
  interrupt: true,
  networks: true,
  countTokens: true,
};

export interface HttpEngine extends EngineContract {
  hello(): Promise<CompanionHello>;
  models(): Promise<readonly CompanionModel[]>;
}

/**
 * @param client names this page among the companion's clients
 * Every call throws the companion's AppError, or 'network/failed' when it cannot be reached or went away.
 */
export function httpEngine({ url, token }: CompanionAddress, client: string, fetch: Fetch): HttpEngine {
  const gone = new AbortController();
  const ask = async (path: string, init: RequestInit): Promise<Response> => {
    const response = await fetch(new URL(path, url).href, {
      ...init,
      signal: gone.signal,
      credentials: 'omit',
      headers: { ...init.headers, Authorization: `Bearer ${token}`, 'X-Sketchforge-Client': client },
    }).catch((cause: unknown) => {
      throw lost(url, cause);
    });
    if (!response.ok) throw await refusal(url, response);
    return response;
  };
  const call = async (method: RemoteMethod, args: readonly unknown[]): Promise<unknown> => {
    const onEvent = args.find((arg) => typeof arg === 'function') as ((event: unknown) => void) | undefined;
    const sent = args.map((arg) => (typeof arg === 'function' ? null : arg));
    refuseFiles(sent[0]);
    const body = await encodeFrame({ args: sent });
    const response = await ask(`${COMPANION_PATHS.engine}/${method}`, {
      method: 'POST',
      headers: { 'Content-Type': FRAME_TYPE },
      body,
    });
    let result: { readonly value: unknown } | undefined;
    for await (const answer of answers(response, url)) {
      if (answer.kind === 'event') onEvent?.(answer.event);
      else if (answer.kind === 'error') throw fromPlainError(answer.error);
      // Read to the end: hanging up now would look like a stop.
      else result = { value: answer.result };
    }
    if (!result) throw lost(url);
    return result.value;
  };
  const methods = Object.fromEntries(
    Object.keys(METHODS).map((name) => [name, (...args: unknown[]) => call(name as RemoteMethod, args)]),
  ) as unknown as Pick<EngineContract, RemoteMethod>;
  const get = async <T>(path: string): Promise<T> => (await (await ask(path, { method: 'GET' })).json()) as T;
  return {
    ...methods,
    /** The companion chose its backend when it started. */
    start: () => methods.status(),
    hold: async () => undefined,
    /** Others' jobs run there: it does nothing on a guess. */
    prepare: async () => undefined,
    dispose: async () => gone.abort(),
    hello: () => get(COMPANION_PATHS.hello),
    models: () => get(COMPANION_PATHS.models),
  };
}

async function* answers(response: Response, url: string): AsyncGenerator<RemoteAnswer> {
  const reader = response.body?.getReader();
  if (!reader) throw lost(url);
  const frames = new FrameReader(MAX_FRAME_BYTES);
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw lost(url, cause);
      });
      if (done) return;
      for (const frame of frames.push(value)) yield frame as RemoteAnswer;
    }
  } finally {
    // Ended early, by an error or by the caller: the companion sees it and stops the job.
    await reader.cancel().catch(() => undefined);
  }
}

async function refusal(url: string, response: Response): Promise<AppError> {
  if (response.status === 401) {
    return new AppError(
      'companion/refused',
      `companion ${url}: does not know this page's token; open the address that it printed at its start.`,
      { details: { status: 401 } },
    );
  }
  const body = (await response.json().catch(() => undefined)) as { detail?: unknown } | undefined;
  const said = typeof body?.detail === 'string' ? body.detail : response.statusText;
  return new AppError('companion/refused', `companion ${url}: refused the request (${response.status}): ${said}`, {
    details: { status: response.status },
  });
}

function lost(url: string, cause?: unknown): AppError {
  return new AppError('companion/lost', `companion ${url}: cannot be reached or went away; check that it still runs.`, {
    details: { url },
    cause,
  });
}

/** Files chosen in the browser stay in the browser. */
function refuseFiles(source: unknown): void {
  if (typeof source === 'object' && source !== null && 'kind' in source && source.kind === 'files') {
    throw new AppError(
      'model/unsupported',
      'companion: opens models of its own folder only; put the file there, or use the engine of this device.',
    );
  }
}
