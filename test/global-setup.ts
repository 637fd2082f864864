import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { python, pythonWithTorch } from './peers/python.js';
import { setupS3Server } from './support/s3.js';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Builds dist/ and the addon from the sources as they are: child processes and threads start from built files.
 * The Temporal and the S3 server and the Python peers are got here too, so that no single test pays for them within its own time.
 */
export default async function setup(): Promise<void> {
  execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: root, stdio: 'inherit' });
  execFileSync(process.execPath, ['dist/cli/main.js', 'setup'], { cwd: root, stdio: 'inherit' });
  execFileSync(process.execPath, ['dist/cli/main.js', 'setup', 'temporal'], { cwd: root, stdio: 'inherit' });
  await Promise.all([python(), setupS3Server()]);
  if (process.env['MILLRACE_LONG'] === '1') await pythonWithTorch();
}
