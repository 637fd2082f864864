import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cacheFolder } from '../tools/cache-folder.js';

/** The pinned release of Temporal's command line, whose `server start-dev` is a whole server. */
export const pinnedTemporal = '1.5.1';

export interface TemporalBinary {
  readonly path: string;
  readonly source: 'TEMPORAL_CLI_PATH' | 'PATH' | 'cache';
}

/** Where `millrace setup temporal` puts it. */
export function cachedTemporal(): string {
  return join(cacheFolder(), 'temporal', pinnedTemporal, 'temporal');
}

/** The `temporal` command: TEMPORAL_CLI_PATH, then the PATH, then the user's cache; null where none is. */
export function locateTemporal(): TemporalBinary | null {
  const named = process.env['TEMPORAL_CLI_PATH'];
  if (named !== undefined && named !== '')
    return existsSync(named) ? { path: named, source: 'TEMPORAL_CLI_PATH' } : null;
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(directory, 'temporal');
    if (directory !== '' && existsSync(path)) return { path, source: 'PATH' };
  }
  return existsSync(cachedTemporal()) ? { path: cachedTemporal(), source: 'cache' } : null;
}
