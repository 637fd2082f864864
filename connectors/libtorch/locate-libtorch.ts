import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';
import { cacheFolder } from '../tools/cache-folder.js';
import { runTool } from '../tools/run-tool.js';
import { isSupported, pinnedVersion, supportedVersions, versionOfFolder } from './libtorch-version.js';

export interface Libtorch {
  /** Holds include/ and lib/. */
  readonly directory: string;
  readonly version: string;
  readonly source: 'LIBTORCH' | 'cache' | 'python' | 'download';
}

/** Where the pinned version lies in the user's cache. */
export function cachedLibtorch(): string {
  return join(cacheFolder(), 'libtorch', pinnedVersion, 'torch');
}

/**
 * Finds a libtorch of a supported version: `LIBTORCH`, the user's cache, the installed Python torch; null where there is none.
 *
 * @throws LIBTORCH_VERSION - the environment variable LIBTORCH names something else.
 */
export async function locateLibtorch(): Promise<Libtorch | null> {
  const given = process.env['LIBTORCH'];
  if (given !== undefined && given !== '') return fromEnvironment(resolve(given));
  const cached = usable(cachedLibtorch(), 'cache');
  if (cached !== null) return cached;
  return fromPython();
}

function fromEnvironment(directory: string): Libtorch {
  const version = versionOfFolder(directory);
  const found = usable(directory, 'LIBTORCH');
  if (found !== null) return found;
  throw new MillraceError('LIBTORCH_VERSION', {
    path: 'LIBTORCH',
    expected: `a folder with include/ and lib/ of libtorch ${supportedVersions}`,
    received: version === null ? `${directory}, which is none` : `libtorch ${version}`,
    hint: 'Unset LIBTORCH to let `millrace setup` fetch one.',
  });
}

function usable(directory: string, source: Libtorch['source']): Libtorch | null {
  const version = versionOfFolder(directory);
  if (version === null || !isSupported(version)) return null;
  const extension = process.platform === 'darwin' ? 'dylib' : 'so';
  const whole = ['c10', 'torch_cpu'].every((name) => existsSync(join(directory, 'lib', `lib${name}.${extension}`)));
  return whole ? { directory, version, source } : null;
}

/** Asks for the place alone: importing torch takes seconds. */
async function fromPython(): Promise<Libtorch | null> {
  const script = "import importlib.util as u; s = u.find_spec('torch'); print(s.origin if s and s.origin else '')";
  try {
    const { code, output } = await runTool('python3', ['-c', script], { install: 'sudo apt-get install python3' });
    const origin = output.trim();
    return code === 0 && origin.endsWith('__init__.py') ? usable(join(origin, '..'), 'python') : null;
  } catch (error) {
    if (isMillraceError(error) && error.code === 'TOOL_MISSING') return null;
    throw error;
  }
}
