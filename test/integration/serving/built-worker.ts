import { mkdir, rename } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Builds the inference thread, which starts from JavaScript; under a temporary name first, since tests run side by side. */
export async function buildInferenceWorker(): Promise<void> {
  const outfile = `${root}/dist/serving/inference-worker.js`;
  await mkdir(`${root}/dist/serving`, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: ['serving/inference-worker.ts'],
    outfile: `${outfile}.${process.pid}`,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
  });
  await rename(`${outfile}.${process.pid}`, outfile);
}
