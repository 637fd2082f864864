import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^millrace$/, replacement: source('pipelines/index.ts') },
      { find: /^millrace\/nn$/, replacement: source('pipelines/nn.ts') },
      { find: /^millrace\/types$/, replacement: source('pipelines/types.ts') },
      { find: /^millrace\/run$/, replacement: source('workflows/run.ts') },
      { find: /^millrace\/testing$/, replacement: source('workflows/testing.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', './test/summary-reporter.ts'],
  },
});
