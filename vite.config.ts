import { sveltekit } from '@sveltejs/kit/vite';
import { defaultClientConditions, defineConfig } from 'vite';

/** Cross-origin isolation: SharedArrayBuffer (WASM threads) and precise timers need both headers. */
export const isolationHeaders = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export default defineConfig({
  plugins: [sveltekit()],
  worker: { format: 'es' },
  server: { headers: isolationHeaders, fs: { allow: ['workers', 'wgsl', 'static'] } },
  preview: { headers: isolationHeaders },
  build: { target: 'es2023' },
  // The WASM runtime's files are assets of ours (src/lib/backends/onnx/wasm_assets.ts), not bundled a second time.
  resolve: { conditions: ['onnxruntime-web-use-extern-wasm', ...defaultClientConditions] },
  optimizeDeps: { exclude: ['onnxruntime-web'] },
});
