import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import './secret.js';

export const repository = fileURLToPath(new URL('../..', import.meta.url));
const entry = join(repository, 'dist', 'cli', 'main.js');

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The command's built entry; by default this repository's. */
  readonly entry?: string;
  /** In a process group of its own, as a terminal's command is. */
  readonly detached?: boolean;
}

/** Starts the real command; `done` resolves when it has ended. */
export function startCli(
  args: readonly string[],
  options: CliOptions = {},
): { readonly child: ChildProcess; readonly done: Promise<CliResult> } {
  const env = { ...process.env, ...options.env };
  delete env['MILLRACE_STORE'];
  const child = spawn(process.execPath, [options.entry ?? entry, ...args], {
    cwd: options.cwd ?? repository,
    env,
    detached: options.detached ?? false,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const done = new Promise<CliResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, done };
}

/** Runs the real command to its end. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(args, options).done;
}

/** Runs the command with --json and parses the one object it prints. */
export async function runJson<T>(
  args: readonly string[],
  options: CliOptions = {},
): Promise<T & { readonly exitCode: number | null }> {
  const result = await runCli([...args, '--json'], options);
  const lines = result.stdout.trim().split('\n');
  if (lines.length !== 1 || lines[0] === '')
    throw new Error(`expected one JSON object on stdout, got ${result.stdout || 'nothing'}\n${result.stderr}`);
  return { ...(JSON.parse(lines[0]!) as T), exitCode: result.code };
}

/** A directory that goes at the end of the test: `await using place = await temporaryDirectory()`. */
export async function temporaryDirectory(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export interface RunObject {
  readonly run: string;
  readonly status: string;
  readonly stages: readonly {
    readonly id: string;
    readonly operator: string;
    readonly status: string;
    readonly key: string | null;
    readonly durationMs: number;
    readonly outputs: readonly { readonly name: string; readonly digest: string }[];
    readonly error?: { readonly code: string; readonly message: string };
  }[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly gates: readonly {
    readonly name: string;
    readonly bar: unknown;
    readonly value: number | null;
    readonly interval: unknown;
    readonly passed: boolean;
  }[];
  readonly model: { readonly name: string; readonly version: number; readonly aliases: readonly string[] } | null;
}

/** Digests of what every stage left, by stage and output. */
export function digestsOf(run: RunObject): Record<string, string> {
  return Object.fromEntries(
    run.stages.flatMap((stage) => stage.outputs.map((output) => [`${stage.id}.${output.name}`, output.digest])),
  );
}
