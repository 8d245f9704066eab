/** What an extension is: a manifest and functions by hook name. Version 1 of the contract. */
import { AppError } from '../base/errors';
import type { GenerateRequest } from '../rpc/engine';
import type { HookName, HookPayloads } from './hooks';
import { orderNames } from './order';

/** Raised when a payload changes its meaning or a hook disappears; new hooks and fields do not raise it. */
export const EXTENSION_API_VERSION = 1;

/** The job that a hook is called in; what the web UIs hand over as `p`. */
export interface HookJob {
  readonly request: GenerateRequest;
}

export type HookFunction<K extends HookName> = (payload: HookPayloads[K], job: HookJob) => void | Promise<void>;

export interface Extension {
  /** Unique; letters, digits, dots and dashes. */
  readonly id: string;
  readonly label: string;
  readonly apiVersion: typeof EXTENSION_API_VERSION;
  readonly hooks: { readonly [K in HookName]?: HookFunction<K> };
  /** Ids that this one runs before or after, where they are installed too. */
  readonly before?: readonly string[];
  readonly after?: readonly string[];
}

/** One hook of one extension failed; the job went on. */
export interface HookFailure {
  readonly extension: string;
  readonly hook: HookName;
  readonly cause: unknown;
}

/**
 * Runs hooks in order; a failing one is reported with its owner while the rest continues.
 * Cancellation is no failure: it is passed on.
 */
export class HookRunner {
  readonly #extensions: readonly Extension[];
  readonly #onFailure: (failure: HookFailure) => void;
  readonly #job: HookJob;

  /**
   * @param first  ids that the user wants to run before all others, in this order
   * @throws AppError 'argument/invalid' for an id given twice, a malformed id or another API version
   */
  constructor(
    extensions: readonly Extension[],
    job: HookJob,
    { first, onFailure }: { first?: readonly string[] | undefined; onFailure: (failure: HookFailure) => void },
  ) {
    const ids = new Set<string>();
    for (const { id, apiVersion } of extensions) {
      const version: number = apiVersion;
      if (!/^[\w.-]{1,64}$/.test(id) || ids.has(id) || version !== EXTENSION_API_VERSION) {
        throw new AppError(
          'argument/invalid',
          `extension "${id.slice(0, 64)}": needs a unique id of letters, digits, dots and dashes and API version ${EXTENSION_API_VERSION}, got version ${version}; update or remove it.`,
          { details: { id, apiVersion: version } },
        );
      }
      ids.add(id);
    }
    const byId = new Map(extensions.map((extension) => [extension.id, extension]));
    const wishes = extensions.map(({ id, before = [], after = [] }) => ({ name: id, before, after }));
    this.#extensions = orderNames([...byId.keys()], wishes, first).flatMap((id) => byId.get(id) ?? []);
    this.#job = job;
    this.#onFailure = onFailure;
  }

  has(hook: HookName): boolean {
    return this.#extensions.some(({ hooks }) => hooks[hook] !== undefined);
  }

  /** Calls every extension's hook one after another and returns the payload, changed or not. */
  async emit<K extends HookName>(hook: K, payload: HookPayloads[K]): Promise<HookPayloads[K]> {
    for (const { id, hooks } of this.#extensions) {
      const run = hooks[hook];
      if (!run) continue;
      try {
        await run(payload, this.#job);
      } catch (cause) {
        if (cause instanceof AppError && cause.code.startsWith('job/')) throw cause;
        this.#onFailure({ extension: id, hook, cause });
      }
    }
    return payload;
  }
}
