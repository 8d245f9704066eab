import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vite';

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
});
