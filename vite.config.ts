import { sveltekit } from '@sveltejs/kit/vite';
import { defaultClientConditions, defineConfig, type Plugin } from 'vite';
import isolationHeaders from './src/lib/base/isolation_headers.json' with { type: 'json' };

const workerFiles = new Set<string>();

/** Files of the worker bundles: Kit's list for the service worker has their entries only. */
const collectWorkerFiles = (): Plugin => ({
  name: 'sketchforge-collect-worker-files',
  generateBundle(_options, bundle) {
    for (const name of Object.keys(bundle)) workerFiles.add(name);
  },
});

/** Writes that list where the service worker finds it. */
const writeWorkerFiles = (): Plugin => ({
  name: 'sketchforge-write-worker-files',
  apply: 'build',
  generateBundle() {
    if (this.environment.name !== 'client') return;
    this.emitFile({
      type: 'asset',
      fileName: '_app/worker-files.json',
      source: JSON.stringify([...workerFiles].sort()),
    });
  },
});

/** Which plugin took how long is of no use to who starts the app. */
const quiet = { checks: { bundlerTimings: false } };

/**
 * Keeps a worker's entry apart from all that it imports, so that its lazily loaded parts never import the entry: WebKit
 * runs the entry of a module worker a second time when they do, and two engines answered every call of the page.
 */
const entryApart = {
  codeSplitting: { groups: [{ name: 'initial', tags: ['$initial' as const], test: /^(?!.*\/workers\/[a-z]+\.ts$)/ }] },
};

export default defineConfig({
  plugins: [sveltekit(), writeWorkerFiles()],
  worker: {
    format: 'es',
    plugins: () => [collectWorkerFiles()],
    rolldownOptions: { ...quiet, output: entryApart },
  },
  server: { headers: isolationHeaders, fs: { allow: ['workers', 'wgsl', 'static'] } },
  preview: { headers: isolationHeaders },
  build: { target: 'es2023', rolldownOptions: quiet },
  // The WASM runtime's files are assets of ours (src/lib/backends/onnx/wasm_assets.ts), not bundled a second time.
  resolve: { conditions: ['onnxruntime-web-use-extern-wasm', ...defaultClientConditions] },
  optimizeDeps: { exclude: ['onnxruntime-web'] },
});
