import { mkdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Where bundles of test children go: inside the checkout, so that they find its packages. */
export const bundleDirectory = `${root}/dist/test-children`;

/** Bundles one entrance into `outfile`, whole, under a temporary name first: test processes build it side by side. */
export async function bundleEntry(entry: string, outfile: string): Promise<void> {
  await mkdir(dirname(outfile), { recursive: true });
  const temporary = `${outfile}.${process.pid}`;
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: temporary,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
  });
  await rename(temporary, outfile);
}
