import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

let found: string | null = null;

/** The directory of the installed package `millrace`, whether this code runs from its sources or from dist. */
export function packageRoot(): string {
  if (found !== null) return found;
  for (
    let directory = dirname(fileURLToPath(import.meta.url));
    directory !== dirname(directory);
    directory = dirname(directory)
  ) {
    const file = join(directory, 'package.json');
    if (existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'millrace') {
      found = directory;
      return directory;
    }
  }
  throw new Error('the package millrace has no package.json above its own code');
}

/** The built JavaScript of a file that is started as a child process: `builtEntry('native/ts/rank-main')`. */
export function builtEntry(name: string): string {
  return join(packageRoot(), 'dist', `${name}.js`);
}
