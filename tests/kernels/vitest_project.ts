/** The `kernels` test project: WGSL on the software adapter of a headless Chromium. */
import { playwright } from '@vitest/browser-playwright';
import type { TestProjectConfiguration } from 'vitest/config';
import { goldenDir } from '../golden/golden_dir.ts';

const chromium = process.env['CHROME_PATH'];

declare module 'vitest' {
  export interface ProvidedContext {
    /** Folder of golden data on the machine that serves the tests. */
    goldenDir: string;
  }
}

export const kernelProject: TestProjectConfiguration = {
  extends: true,
  // Golden data may lie beside the project.
  server: { fs: { allow: ['.', goldenDir] } },
  optimizeDeps: { include: [] },
  test: {
    name: 'kernels',
    include: ['tests/kernels/**/*.test.ts'],
    testTimeout: 120_000,
    provide: { goldenDir },
    // One page at a time: SwiftShader uses every core by itself.
    fileParallelism: false,
    // All files in one frame share the device and its compiled kernels, see `shared_gpu.ts`.
    isolate: false,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      instances: [{ browser: 'chromium' }],
      provider: playwright({
        launchOptions: {
          ...(chromium ? { executablePath: chromium } : {}),
          args: [
            '--no-sandbox',
            '--enable-unsafe-webgpu',
            '--use-webgpu-adapter=swiftshader',
            '--enable-features=Vulkan',
          ],
        },
      }),
    },
  },
};
