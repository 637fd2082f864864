import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import pc from 'picocolors';
import { locateLibtorch } from '../../connectors/libtorch/locate-libtorch.js';
import { packageRoot } from '../../native/ts/package-root.js';
import { isMillraceError } from '../../pipelines/contracts/errors.js';
import { storeDirectory } from '../../workflows/store-directory.js';
import { type CommonOptions, openStore, printJson } from '../open.js';

interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  /** What mends it, or null. */
  readonly mend: string | null;
}

/** Prints versions, what is missing and how to mend it; exit code 1 where something that training needs is missing. */
export async function doctor(options: CommonOptions): Promise<void> {
  const findings = [
    node(),
    tool('python3', ['--version'], 'python3 python3-pip python3-venv'),
    tool('pip', ['--version'], 'python3-pip', ['python3', '-m', 'pip', '--version']),
    tool('cmake', ['--version'], 'cmake'),
    tool('c++', ['--version'], 'g++'),
    await libtorch(),
    addon(),
    machine(),
    await store(options),
  ];
  if (options.json === true) printJson({ findings });
  else
    for (const { name, ok, found, mend } of findings)
      process.stdout.write(
        `${ok ? pc.green('✓') : pc.red('✗')} ${name.padEnd(10)} ${found}${mend === null ? '' : `\n  ${mend}`}\n`,
      );
  if (findings.some((finding) => !finding.ok)) process.exitCode = 1;
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > 20 || (major === 20 && minor >= 3);
  return {
    name: 'node',
    ok,
    found: process.version,
    mend: ok ? null : 'Install Node.js 20.3 or newer.',
  };
}

function tool(
  command: string,
  args: readonly string[],
  debianPackage: string,
  fallback?: readonly [string, ...string[]],
): Finding {
  const tried = [[command, ...args], ...(fallback === undefined ? [] : [fallback])];
  for (const [executable = '', ...rest] of tried) {
    const { status, stdout } = spawnSync(executable, rest, { encoding: 'utf8' });
    if (status === 0) return { name: command, ok: true, found: (stdout.split('\n')[0] ?? '').trim(), mend: null };
  }
  return { name: command, ok: false, found: 'missing', mend: `Install it: sudo apt-get install ${debianPackage}` };
}

async function libtorch(): Promise<Finding> {
  const found = await locateLibtorch();
  return found === null
    ? { name: 'libtorch', ok: false, found: 'missing', mend: 'Fetch it: millrace setup' }
    : { name: 'libtorch', ok: true, found: `${found.version} in ${found.directory} (${found.source})`, mend: null };
}

function addon(): Finding {
  const file = join(packageRoot(), 'build', 'millrace.node');
  return existsSync(file)
    ? { name: 'addon', ok: true, found: file, mend: null }
    : { name: 'addon', ok: false, found: 'not built', mend: 'Build it: millrace setup' };
}

function machine(): Finding {
  return {
    name: 'machine',
    ok: true,
    found: `${availableParallelism()} cores, ${(totalmem() / 1024 ** 3).toFixed(1)} GiB of memory`,
    mend: null,
  };
}

async function store(options: CommonOptions): Promise<Finding> {
  const directory = storeDirectory(options.store);
  if (!existsSync(directory))
    return { name: 'store', ok: true, found: `${directory} (made by the first run)`, mend: null };
  try {
    await using _services = await openStore(options);
    return { name: 'store', ok: true, found: directory, mend: null };
  } catch (error) {
    return { name: 'store', ok: false, found: directory, mend: isMillraceError(error) ? error.message : String(error) };
  }
}
