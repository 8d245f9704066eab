/** The engine in a thread of its own, seen from the server; a thread that dies is replaced at the next call. */
import { Worker, type TransferListItem } from 'node:worker_threads';
import { proxy, wrap, type Remote } from 'comlink';
import { AppError } from '../../lib/base/errors';
import { installErrorTransfer } from '../../lib/rpc/error_transfer';
import type { CompanionEngine, NodeEngineOptions } from './companion_engine';
import type { EngineThread } from './engine_thread_entry';

interface Running {
  readonly worker: Worker;
  readonly engine: Remote<CompanionEngine>;
  /** Rejects when the thread ends. */
  readonly ended: Promise<never>;
}

/**
 * Starts the thread and its engine.
 * @returns the engine's contract; every call throws what the engine throws, or 'backend/run' when its thread dies
 * @throws AppError as `createCompanionEngine`
 */
export async function startEngineThread(
  options: NodeEngineOptions,
  onDeath: (error: AppError) => void = () => undefined,
): Promise<{ engine: CompanionEngine; stop(): Promise<void> }> {
  installErrorTransfer();
  let stopped = false;
  let running: Promise<Running> | undefined;
  const current = (): Promise<Running> => {
    running ??= open(options, (error) => {
      running = undefined;
      if (!stopped) onDeath(error);
    });
    running.catch(() => (running = undefined));
    return running;
  };
  await current();
  const call = async (name: keyof CompanionEngine, args: readonly unknown[]): Promise<unknown> => {
    const { engine, ended } = await current();
    const method = engine[name] as unknown as (...given: unknown[]) => Promise<unknown>;
    const sent = args.map((arg) => (typeof arg === 'function' ? proxy(arg as () => void) : arg));
    return Promise.race([ended, method(...sent)]);
  };
  const engine = new Proxy({} as CompanionEngine, {
    // Not a promise, although every other name is a method.
    get: (_target, name) =>
      name === 'then' || typeof name === 'symbol'
        ? undefined
        : (...args: unknown[]) => call(name as keyof CompanionEngine, args),
  });
  return {
    engine,
    stop: async () => {
      stopped = true;
      await (await running)?.worker.terminate();
    },
  };
}

async function open(options: NodeEngineOptions, onEnd: (error: AppError) => void): Promise<Running> {
  // Comlink speaks to a port as it is; a Worker of Node has other events than a browser's.
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL('./engine_boot.mjs', import.meta.url), {
    execArgv: [],
    workerData: { entry: new URL('./engine_thread_entry.ts', import.meta.url).href, port: port2 },
    transferList: [port2 as unknown as TransferListItem],
  });
  const ended = new Promise<never>((_resolve, reject) => {
    const end = (reason: string) => {
      const error = new AppError('backend/run', `engine: its thread ended (${reason}); the next job starts a new one.`);
      onEnd(error);
      reject(error);
    };
    worker.once('error', (error) => end(error.message));
    worker.once('exit', (code) => end(`code ${code}`));
  });
  ended.catch(() => undefined);
  const thread = wrap<EngineThread>(port1);
  const engine = await Promise.race([ended, thread.open(options)]);
  return { worker, engine: engine as unknown as Remote<CompanionEngine>, ended };
}
