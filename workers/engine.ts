/** The engine worker: joins the engine with this browser's storage, backends and codecs. */
import { expose } from 'comlink';
import { createBrowserBackend } from './engine/browser_backend';
import { createBrowserFiles } from './engine/browser_files';
import { encodePicture } from './engine/encode_picture';
import { paintText } from './engine/paint_text';
import { browserNetworks } from './engine/browser_networks';
import { EngineService } from '../src/lib/pipeline/engine_service';
import { fetchAppBytes } from '../src/lib/storage/builtin_models';
import { NetworkLibrary } from '../src/lib/pipeline/network_library';
import { installErrorTransfer } from '../src/lib/rpc/error_transfer';
import { eventsFirst } from '../src/lib/rpc/events_first';

installErrorTransfer();

// The page names the app's base URL when it creates the worker: bundled workers live below it, in another folder.
const baseUrl = new URL(self.name === '' ? './' : self.name, self.location.href).href;
const files = createBrowserFiles(baseUrl);

expose(
  eventsFirst(
    new EngineService({
      createBackend: createBrowserBackend,
      openFiles: files.open,
      tokenizers: (kinds) => files.tokenizers(kinds),
      encodePicture,
      paintText,
      readAsset: (path) => fetchAppBytes(new URL(path, baseUrl).href),
      library: new NetworkLibrary(browserNetworks()),
      randomSeed: () => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0,
      isolated: self.crossOriginIsolated,
    }),
  ),
);
