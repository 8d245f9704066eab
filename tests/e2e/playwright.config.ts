import { defineConfig } from '@playwright/test';

/**
 * The built app in a real Chromium. Two files at a time: most tests wait for pages, timers and the network, and one file
 * alone leaves half of two cores idle.
 */
export default defineConfig({
  testDir: '.',
  testMatch: '*.spec.ts',
  outputDir: '../../.cache/e2e',
  workers: 2,
  fullyParallel: false,
  timeout: 120_000,
  // Crowded CI machines miss a deadline now and then; a second failure is a failure, and the list names what was flaky.
  retries: process.env['CI'] ? 1 : 0,
  expect: { timeout: 60_000 },
  reporter: [['list'], ['json']],
  use: {
    browserName: 'chromium',
    viewport: { width: 1280, height: 800 },
    // Every frame of an animation is drawn by the processor here, a second of it in every start.
    contextOptions: { reducedMotion: 'reduce' },
    launchOptions: {
      ...(process.env['CHROME_PATH'] ? { executablePath: process.env['CHROME_PATH'] } : {}),
      args: [
        '--no-sandbox',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--enable-unsafe-webgpu',
        '--use-webgpu-adapter=swiftshader',
        '--enable-features=Vulkan',
      ],
    },
  },
});
