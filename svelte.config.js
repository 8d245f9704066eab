import adapter from '@sveltejs/adapter-static';
import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

/** @type {import('@sveltejs/kit').Config} */
export default {
  preprocess: vitePreprocess(),
  kit: {
    adapter: adapter({ pages: 'build', assets: 'build' }),
    alias: { $wgsl: 'wgsl', $workers: 'workers' },
    serviceWorker: { register: false },
    typescript: {
      // Kit's generated tsconfig does not look at these folders; without this they are never type-checked.
      config: (config) => {
        config.include.push('../workers/**/*.ts', '../tests/**/*.ts', '../*.config.ts', '../src/companion/**/*.ts');
        return config;
      },
    },
  },
};
