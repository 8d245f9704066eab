/** The engine's thread: the runtime computes inside calls that block it, while the server goes on answering. */
import { workerData } from 'node:worker_threads';
import { expose, proxy } from 'comlink';
import { installErrorTransfer } from '../../lib/rpc/error_transfer';
import { eventsFirst } from '../../lib/rpc/events_first';
import { createCompanionEngine, type CompanionEngine, type NodeEngineOptions } from './companion_engine';

export interface EngineThread {
  open(options: NodeEngineOptions): Promise<CompanionEngine>;
}

installErrorTransfer();
const thread: EngineThread = {
  open: async (options) => proxy(eventsFirst(await createCompanionEngine(options))),
};
expose(thread, (workerData as { readonly port: MessagePort }).port);
