import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/**
 * Where the store is: `--store`, then MILLRACE_STORE, then what millrace.config.ts says, then `.millrace/` beside the
 * nearest package.json, then in the working directory.
 */
export function storeDirectory(
  option: string | undefined,
  from: string = process.cwd(),
  configured: string | undefined = undefined,
): string {
  if (option !== undefined && option !== '') return resolve(option);
  const variable = process.env['MILLRACE_STORE'];
  if (variable !== undefined && variable !== '') return resolve(variable);
  if (configured !== undefined) return configured;
  for (let directory = resolve(from); ; directory = dirname(directory)) {
    if (existsSync(join(directory, 'package.json'))) return join(directory, '.millrace');
    if (directory === dirname(directory)) return join(resolve(from), '.millrace');
  }
}
