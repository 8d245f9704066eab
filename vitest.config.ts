import { defineConfig } from 'vitest/config';
import { kernelProject } from './tests/kernels/vitest_project.ts';

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'unit', environment: 'node', include: ['tests/unit/**/*.test.ts'], testTimeout: 60_000 },
      },
      {
        extends: true,
        test: { name: 'golden', environment: 'node', include: ['tests/golden/**/*.test.ts'], testTimeout: 300_000 },
      },
      kernelProject,
    ],
    maxWorkers: 2,
  },
});
