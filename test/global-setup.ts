import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Builds dist/ and the addon from the sources as they are: child processes and threads start from built files. */
export default function setup(): void {
  execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: root, stdio: 'inherit' });
  execFileSync(process.execPath, ['dist/cli/main.js', 'setup'], { cwd: root, stdio: 'inherit' });
}
