// Builds dist/: one bundle per entrance (chunks shared), operator digests, and declarations with --types.
import { existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Every file that runs by itself: the public entrances, the command, and what is started as a child process. */
const entries = [
  'pipelines/index.ts',
  'pipelines/nn.ts',
  'pipelines/types.ts',
  'workflows/run.ts',
  'workflows/testing.ts',
  'workflows/children/compile-main.ts',
  'workflows/children/custom-main.ts',
  'native/ts/rank-main.ts',
  'native/ts/feed-main.ts',
  'connectors/metadata-store/sqlite-worker.ts',
  'cli/main.ts',
].filter((entry) => existsSync(`${root}/${entry}`));

rmSync(`${root}/dist/chunks`, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: entries,
  outdir: 'dist',
  outbase: '.',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  chunkNames: 'chunks/[name]-[hash]',
  sourcemap: true,
  logLevel: 'warning',
});
