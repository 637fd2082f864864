import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/**
 * The pinned Python of the peers, in two environments, because PyTorch is large (2.4 GB) and few tests need it:
 * - {@link python}: numpy, scikit-learn, scipy, onnx, onnxruntime, tensorboard, safetensors, pandas, polars, pyarrow,
 *   duckdb, fastapi, uvicorn, pydantic (about 45 s at the first need);
 * - {@link pythonWithTorch}: the same ones and torch.
 * They live in the user's cache, named by the digest of what they hold, and are made at the first need under a lock,
 * so that several test processes make them once. Start command line tools as modules (`python -m tensorboard.main`).
 */
const here = fileURLToPath(new URL('.', import.meta.url));

/** Path of the Python that has everything but torch. */
export function python(): Promise<string> {
  small ??= readFile(join(here, 'requirements.txt'), 'utf8').then((text) => environment('peers', text, null));
  return small;
}

/** Path of the Python that has torch too. */
export function pythonWithTorch(): Promise<string> {
  large ??= (async () => {
    const base = await python();
    const text = await readFile(join(here, 'requirements-torch.txt'), 'utf8');
    return environment('peers-torch', text, base);
  })();
  return large;
}

let small: Promise<string> | undefined;
let large: Promise<string> | undefined;

/**
 * Runs Python with `input` (parsed JSON) in scope; the script leaves its answer in `output`.
 * Both pass through files, so that size does not matter. A number that is not finite cannot pass: JSON has none.
 *
 * @param script - Python source, or the path of a .py file.
 */
export async function runPython(script: string, input: unknown, options: { torch?: boolean } = {}): Promise<unknown> {
  const executable = options.torch === true ? await pythonWithTorch() : await python();
  const directory = await mkdtemp(join(tmpdir(), 'millrace-python-'));
  try {
    const isFile = script.endsWith('.py') && !script.includes('\n');
    await writeFile(join(directory, 'script.py'), isFile ? await readFile(script, 'utf8') : script);
    await writeFile(join(directory, 'input.json'), JSON.stringify(input));
    await writeFile(join(directory, 'main.py'), MAIN);
    await runCommand(executable, [join(directory, 'main.py')]);
    return JSON.parse(await readFile(join(directory, 'output.json'), 'utf8')) as unknown;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const MAIN = `
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, 'input.json')) as file:
    scope = {'__name__': '__main__', 'input': json.load(file)}
path = os.path.join(here, 'script.py')
with open(path) as file:
    exec(compile(file.read(), path, 'exec'), scope)
with open(os.path.join(here, 'output.json'), 'w') as file:
    json.dump(scope['output'], file, allow_nan=False)
`;

async function environment(prefix: string, requirements: string, base: string | null): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'millrace', 'peers');
  const version = (await runCommand('python3', ['-c', 'import sys; print(sys.version.split()[0])'])).trim();
  const digest = createHash('sha256')
    .update([version, requirements, base ?? ''].join('\n'))
    .digest('hex')
    .slice(0, 16);
  const directory = join(cache, `${prefix}-${digest}`);
  const executable = join(directory, 'bin', 'python');
  if (existsSync(executable)) return executable;
  await mkdir(cache, { recursive: true });
  await withLock(`${directory}.lock`, async () => {
    if (existsSync(executable)) return;
    const temporary = `${directory}.${randomUUID()}.tmp`;
    try {
      process.stderr.write(`peers: making ${directory}\n`);
      // Without pip of its own: Debian's python3 has no ensurepip, and the system's pip can install into any environment.
      await runCommand('python3', ['-m', 'venv', '--without-pip', temporary]);
      await writeFile(join(temporary, 'requirements.txt'), requirements);
      await runCommand('python3', [
        ...['-m', 'pip', '--python', join(temporary, 'bin', 'python'), 'install', '--no-deps', '--no-cache-dir'],
        ...['--only-binary=:all:', '--progress-bar', 'off', '-q', '-r', join(temporary, 'requirements.txt')],
      ]);
      if (base !== null) await shareWith(temporary, base);
      await rename(temporary, directory).catch((error: unknown) => {
        if (!existsSync(executable)) throw error;
      });
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  });
  return executable;
}

/** Lets the environment import what `base` has: a .pth file names the other one's packages. */
async function shareWith(directory: string, base: string): Promise<void> {
  const [folder] = await readdir(join(directory, 'lib'));
  const packages = (await runCommand(base, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'])).trim();
  await writeFile(join(directory, 'lib', folder!, 'site-packages', 'millrace-peers.pth'), `${packages}\n`);
}

/** A directory is the lock and holds its owner's pid: a dead owner loses it. */
async function withLock(lock: string, body: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await mkdir(lock);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (await isAbandoned(lock)) {
        // Renamed first, so that of several waiters one alone takes the dead owner's lock away.
        const dead = `${lock}.${randomUUID()}`;
        await rename(lock, dead).then(
          () => rm(dead, { recursive: true, force: true }),
          () => undefined,
        );
      } else await sleep(200);
    }
  }
  try {
    await writeFile(join(lock, 'pid'), String(process.pid));
    await body();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function isAbandoned(lock: string): Promise<boolean> {
  const owner = Number(await readFile(join(lock, 'pid'), 'utf8').catch(() => '0'));
  if (owner > 0) return !isAlive(owner);
  // The owner died before it wrote its pid, or is about to write it.
  const made = await stat(lock).then(
    (found) => found.mtimeMs,
    () => Date.now(),
  );
  return Date.now() - made > 10_000;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Standard output of a command that must succeed; the error carries what it wrote to standard error. */
async function runCommand(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err = (err + text).slice(-8000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${err}`);
  return out;
}
