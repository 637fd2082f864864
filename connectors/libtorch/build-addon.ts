import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';
import { cacheFolder, makeFolder } from '../tools/cache-folder.js';
import { lastLines, runTool } from '../tools/run-tool.js';
import { sourceDigest } from './addon-stamp.js';
import { fetchLibtorch } from './fetch-libtorch.js';
import { type Libtorch, locateLibtorch } from './locate-libtorch.js';

const installBuildTools = 'sudo apt-get install cmake g++';
const products = ['millrace.node', 'millrace_feed.node'] as const;

export interface BuildOptions {
  /** Builds again though nothing changed. */
  readonly force?: boolean;
  readonly onProgress?: (message: string) => void;
  readonly signal?: AbortSignal;
}

export interface BuiltAddon {
  /** build/millrace.node of this package. */
  readonly path: string;
  readonly stamp: string;
  readonly libtorch: Libtorch;
  /** False where it was there already. */
  readonly built: boolean;
}

/**
 * Finds or fetches libtorch and builds `build/millrace.node` and `build/millrace_feed.node` where they are missing or
 * made from other sources, by another compiler or for another libtorch. `build/millrace.json` says what was built.
 *
 * @throws TOOL_MISSING, DOWNLOAD_FAILED, LIBTORCH_VERSION, CANCELLED
 */
export async function buildAddon(options: BuildOptions = {}): Promise<BuiltAddon> {
  const root = dirname(createRequire(import.meta.url).resolve('millrace/package.json'));
  const libtorch = (await locateLibtorch()) ?? (await fetchLibtorch(options));
  const compiler = await compilerVersion(options.signal);
  const stamp = stampOf({ sources: sourceDigest(join(root, 'native')), compiler, libtorch: libtorch.version });
  const key = createHash('sha256').update(`${stamp}\n${libtorch.directory}`).digest('hex');
  const target = join(root, 'build');
  const result = { path: join(target, products[0]), stamp, libtorch };
  if (options.force !== true && (await isBuilt(target, key))) return { ...result, built: false };

  const cached = join(cacheFolder(), 'addon', key.slice(0, 32));
  if (options.force === true) await rm(cached, { recursive: true, force: true });
  if (!existsSync(cached)) await makeFolder(cached, (folder) => compile(root, folder, libtorch, stamp, options));
  await mkdir(target, { recursive: true });
  for (const product of products) await replaceFile(join(cached, product), join(target, product));
  const about = { stamp, key, libtorch: libtorch.version, libtorchDirectory: libtorch.directory, compiler };
  await writeFile(join(target, 'millrace.json'), `${JSON.stringify(about, null, 2)}\n`);
  options.onProgress?.('the native addon is built');
  return { ...result, built: true };
}

/** In stage keys: equal stamps train equal bytes on equal CPUs. */
function stampOf(parts: Readonly<Record<'sources' | 'compiler' | 'libtorch', string>>): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

async function isBuilt(target: string, key: string): Promise<boolean> {
  try {
    const about = JSON.parse(await readFile(join(target, 'millrace.json'), 'utf8')) as { key?: string };
    return about.key === key && products.every((product) => existsSync(join(target, product)));
  } catch {
    return false;
  }
}

async function compile(
  root: string,
  folder: string,
  libtorch: Libtorch,
  stamp: string,
  options: BuildOptions,
): Promise<void> {
  const work = join(folder, 'work');
  // npm may have put the headers into a folder above, where this package is a dependency.
  const modules = dirname(dirname(createRequire(join(root, 'package.json')).resolve('node-addon-api/package.json')));
  const define = {
    CMAKE_BUILD_TYPE: 'Release',
    TORCH_DIR: libtorch.directory,
    MILLRACE_STAMP: stamp,
    MILLRACE_NODE_MODULES: modules,
  };
  const arguments_ = Object.entries(define).map(([name, value]) => `-D${name}=${value}`);
  const generator = (await hasNinja()) ? ['-G', 'Ninja'] : [];
  options.onProgress?.('building the native addon');
  const { signal } = options;
  await toolSucceeds('cmake', ['-S', join(root, 'native', 'cmake'), '-B', work, ...generator, ...arguments_], signal);
  await toolSucceeds('cmake', ['--build', work, '--parallel'], signal, (line) => {
    const step = /^\[\s*(\d+)\/(\d+)\]|^\[\s*(\d+)%\]/.exec(line);
    if (step === null) return;
    options.onProgress?.(
      `building the native addon: ${step[3] === undefined ? `${step[1]} of ${step[2]}` : `${step[3]} %`}`,
    );
  });
  await rename(join(work, 'millrace.node'), join(folder, 'millrace.node'));
  const feed = existsSync(join(work, 'feed', 'millrace_feed.node')) ? join(work, 'feed') : work;
  await rename(join(feed, 'millrace_feed.node'), join(folder, 'millrace_feed.node'));
  await rm(work, { recursive: true, force: true });
}

async function toolSucceeds(
  command: string,
  args: readonly string[],
  signal: AbortSignal | undefined,
  onLine?: (line: string) => void,
): Promise<void> {
  const { code, output } = await runTool(command, args, {
    install: installBuildTools,
    signal,
    ...(onLine === undefined ? {} : { onLine }),
  });
  if (code === 0) return;
  if (/CMAKE_CXX_COMPILER|no acceptable C\+\+ compiler/i.test(output)) {
    throw new MillraceError('TOOL_MISSING', {
      path: 'c++',
      expected: 'a C++20 compiler',
      received: 'none that CMake finds',
      hint: `Install it: ${installBuildTools}`,
    });
  }
  throw new MillraceError('INTERNAL', {
    path: 'native',
    expected: 'sources that compile',
    received: lastLines(output),
    details: { output },
  });
}

async function compilerVersion(signal: AbortSignal | undefined): Promise<string> {
  const { output } = await runTool(process.env['CXX'] ?? 'c++', ['--version'], { install: installBuildTools, signal });
  return (output.split('\n')[0] ?? '').trim();
}

async function hasNinja(): Promise<boolean> {
  try {
    return (await runTool('ninja', ['--version'], { install: 'sudo apt-get install ninja-build' })).code === 0;
  } catch (error) {
    if (isMillraceError(error) && error.code === 'TOOL_MISSING') return false;
    throw error;
  }
}

/** By rename: a process that has the old file mapped keeps it. */
async function replaceFile(from: string, to: string): Promise<void> {
  const temporary = `${to}.${process.pid}.tmp`;
  await copyFile(from, temporary);
  await rename(temporary, to);
}
