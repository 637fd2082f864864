import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { feedAddonPath } from './feed-addon.js';
import { packageRoot } from './package-root.js';

const run = promisify(execFile);

/**
 * Builds the feed's addon into `build/millrace_feed.node`, unless it is built from these very sources already.
 *
 * @throws TOOL_MISSING - no CMake or no compiler, with the command that installs it.
 */
export async function buildFeedAddon(
  options: { readonly onProgress?: (message: string) => void; readonly signal?: AbortSignal } = {},
): Promise<{ readonly path: string; readonly built: boolean }> {
  const target = feedAddonPath();
  const sources = join(packageRoot(), 'native', 'feed');
  const stamp = `${target}.sources`;
  const digest = await digestOfFolder(sources);
  if (existsSync(target) && existsSync(stamp) && (await readFile(stamp, 'utf8')) === (await stampOf(digest, target))) {
    return { path: target, built: false };
  }
  options.onProgress?.("building the feed's addon");
  const directory = join(dirname(target), `feed-${digest.slice(0, 16)}-${process.pid}`);
  await mkdir(directory, { recursive: true });
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  try {
    // npm may have put the headers into a folder above, where this package is a dependency.
    const modules = dirname(dirname(createRequire(import.meta.url).resolve('node-addon-api/package.json')));
    await run(
      'cmake',
      ['-S', sources, '-B', directory, '-DCMAKE_BUILD_TYPE=Release', `-DMILLRACE_NODE_MODULES=${modules}`],
      signal,
    );
    await run('cmake', ['--build', directory, '--parallel', '2'], { ...signal, maxBuffer: 64 * 2 ** 20 });
  } catch (error) {
    throw buildError(error);
  }
  const temporary = `${target}.${process.pid}`;
  await copyFile(join(directory, 'millrace_feed.node'), temporary);
  await rename(temporary, target);
  await writeFile(stamp, await stampOf(digest, target));
  await rm(directory, { recursive: true, force: true });
  return { path: target, built: true };
}

/** Another build may have put an addon of other sources there: the stamp names sources and result. */
async function stampOf(sources: string, target: string): Promise<string> {
  return `${sources} ${createHash('sha256')
    .update(await readFile(target))
    .digest('hex')}`;
}

async function digestOfFolder(directory: string): Promise<string> {
  const files = (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /\.(cpp|h|txt)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const file of files) hash.update(file.slice(directory.length)).update(await readFile(file));
  return hash.digest('hex');
}

function buildError(error: unknown): MillraceError {
  const { code, stderr, stdout, name } = error as {
    code?: string | number;
    stderr?: string;
    stdout?: string;
    name?: string;
  };
  if (name === 'AbortError')
    return new MillraceError('CANCELLED', {
      path: 'setup',
      expected: 'to finish the build',
      received: 'a cancellation',
      cause: error,
    });
  const output = `${stdout ?? ''}\n${stderr ?? ''}`;
  if (code === 'ENOENT' || /CMAKE_CXX_COMPILER|No CMAKE_CXX_COMPILER/.test(output)) {
    return new MillraceError('TOOL_MISSING', {
      path: 'setup',
      expected: 'CMake 3.20 or newer and a C++20 compiler',
      received: code === 'ENOENT' ? 'no cmake' : 'no compiler',
      hint: 'On Debian and Ubuntu: apt-get install cmake g++.',
      cause: error,
    });
  }
  return new MillraceError('INTERNAL', {
    path: 'native/feed',
    expected: 'sources that compile',
    received: lastLines(output),
    cause: error,
  });
}

function lastLines(output: string): string {
  const errors = output.split('\n').filter((line) => /error/i.test(line));
  return (errors.length > 0 ? errors : output.trim().split('\n').slice(-5)).slice(0, 5).join(' | ') || 'no output';
}
