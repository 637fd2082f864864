import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonWithTorch } from '../peers/python.js';
import { alternate, type BenchOptions, type BenchResult, benchResult, seconds } from './bench-result.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cli = join(root, 'dist', 'cli', 'main.js');

/** How long the command takes from nothing: its help, and a run in which nothing changed. */
export async function run(options: BenchOptions = {}): Promise<BenchResult[]> {
  const { pairs = 7 } = options;
  const store = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const pipeline = [
    'run',
    'examples/subscription-churn/pipeline.ts',
    '-p',
    'customers=4000',
    '-p',
    'events=60000',
    '--store',
    store,
    '--json',
  ];
  try {
    await processTime(process.execPath, [cli, ...pipeline]);
    // Files must be two seconds old before their state is remembered.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await processTime(process.execPath, [cli, ...pipeline]);
    const python = await pythonWithTorch();
    const bare = await alternate(
      3,
      () => processTime(process.execPath, ['-e', '0']),
      () => processTime(process.execPath, ['-e', '0']),
    );
    const limit = Math.min(...bare.ours);
    const torch = (): Promise<number> => processTime(python, ['-c', 'import torch']);
    const help = await alternate(pairs, () => processTime(process.execPath, [cli, '--help']), torch);
    const cached = await alternate(pairs, () => processTime(process.execPath, [cli, ...pipeline]), torch);
    return [
      benchResult(
        {
          name: 'cold-start: millrace --help',
          unit: 's',
          limit,
          setting: `rival: python -c "import torch"; limit: node -e 0; target 0.150 s; ${pairs} pairs`,
        },
        help,
      ),
      benchResult(
        {
          name: 'cold-start: a run of 13 stages, all cached',
          unit: 's',
          limit,
          setting: `rival: python -c "import torch"; limit: node -e 0; target 0.400 s; ${pairs} pairs`,
        },
        cached,
      ),
    ];
  } finally {
    await rm(store, { recursive: true, force: true });
  }
}

async function processTime(command: string, args: readonly string[]): Promise<number> {
  return seconds(
    () =>
      new Promise<void>((resolve, reject) => {
        const child = spawn(command, args, { cwd: root, stdio: 'ignore' });
        child.once('error', reject);
        child.once('exit', (code) =>
          code === 0 ? resolve() : reject(new Error(`${command} ${args.join(' ')} ended with exit code ${code}`)),
        );
      }),
  );
}
