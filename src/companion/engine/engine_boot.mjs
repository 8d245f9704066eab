/** First module of the engine's thread: Node does not pass the TypeScript loader on to threads. */
import { workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
await import(workerData.entry);
