/** The models worker: hashing, copying, downloading and reading headers, away from the page and the engine. */
import { expose } from 'comlink';
import { ModelLibrary } from './models/model_library';
import { installErrorTransfer } from '../src/lib/rpc/error_transfer';
import { eventsFirst } from '../src/lib/rpc/events_first';

installErrorTransfer();

const baseUrl = new URL(self.name === '' ? './' : self.name, self.location.href).href;
expose(eventsFirst(new ModelLibrary({ modelsUrl: new URL('models/', baseUrl).href })));
