import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The package that a file belongs to: the nearest directory with a package.json, else the file's own directory. */
export function packageRootOf(file: string): string {
  for (let directory = dirname(file); ; directory = dirname(directory)) {
    if (existsSync(join(directory, 'package.json'))) return directory;
    if (directory === dirname(directory)) return dirname(file);
  }
}
