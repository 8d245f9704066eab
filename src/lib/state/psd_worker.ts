/** PSD files by a worker that lives as long as one file takes: its library and its pixels go with it. */
import { wrap, type Remote } from 'comlink';
import { AppError } from '../base/errors';
import type { PsdContract } from '../canvas/serial/psd_file';
import { installErrorTransfer } from '../rpc/error_transfer';
import type { WorkerFactory } from './engine.svelte';

/** @throws AppError `internal/unexpected` when the worker cannot start or dies, else what `work` throws */
export async function inPsdWorker<T>(
  createWorker: WorkerFactory,
  work: (psd: Remote<PsdContract>) => Promise<T>,
): Promise<T> {
  installErrorTransfer();
  const worker = createWorker();
  const died = new Promise<never>((_, reject) => {
    worker.addEventListener('error', ({ message }) => {
      reject(new AppError('internal/unexpected', `psd: its worker ended: ${message || 'no reason given'}; try again.`));
    });
  });
  try {
    return await Promise.race([work(wrap<PsdContract>(worker)), died]);
  } finally {
    worker.terminate();
  }
}
