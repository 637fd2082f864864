import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DevServer, startDevServer } from '../../connectors/temporal/dev-server.js';
import { setupTemporal } from '../../connectors/temporal/fetch-server.js';
import { workflowBundle } from '../../workflows/temporal/worker.js';
import { type CliOptions, startCli } from './cli.js';
import './secret.js';

/** A real Temporal server of this test's own, with what commands need to find it. */
export interface TestTemporal extends AsyncDisposable {
  readonly address: string;
  /** The environment of commands that use it. */
  readonly env: Readonly<Record<string, string>>;
  /** kill -9, and a new start on the same file and port. */
  killAndRestart(): Promise<void>;
  kill(): Promise<void>;
  restart(): Promise<void>;
}

/**
 * @param directory - where it keeps its state.
 * @param settings - further `key=value` settings of the server.
 */
export async function startTemporal(directory: string, settings: readonly string[] = []): Promise<TestTemporal> {
  const { path } = await setupTemporal();
  const start = (port: number): Promise<DevServer> =>
    startDevServer({
      executable: path,
      port,
      uiPort: null,
      file: join(directory, 'temporal.sqlite'),
      isDurable: false,
      settings,
    });
  let server = await start(0);
  const { address } = server;
  const restart = async (): Promise<void> => {
    server = await start(Number(address.split(':')[1]));
  };
  return {
    address,
    env: { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: 'default' },
    kill: () => server.stop('SIGKILL'),
    restart,
    async killAndRestart() {
      await server.stop('SIGKILL');
      await restart();
    },
    [Symbol.asyncDispose]: () => server.stop('SIGKILL'),
  };
}

/** A worker process: `millrace worker start`, once it works. */
export interface TestWorker extends AsyncDisposable {
  readonly pid: number;
  /** @param signal - default SIGTERM, which drains. Resolves with the exit code when it has ended. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** @param store - null where a configuration says it. */
export async function startWorker(
  temporal: Pick<TestTemporal, 'env'>,
  store: string | null,
  args: readonly string[] = [],
  options: CliOptions = {},
): Promise<TestWorker> {
  const { child, done } = startCli(
    ['worker', 'start', ...(store === null ? [] : ['--store', store]), '--grace', '5', ...args],
    {
      ...options,
      env: { ...temporal.env, ...options.env },
    },
  );
  await new Promise<void>((resolve, reject) => {
    child.stdout!.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('Working for')) resolve();
    });
    done.then(({ code, stderr }) => reject(new Error(`the worker ended with ${code}: ${stderr}`)), reject);
  });
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return (await done).code;
  };
  return {
    pid: child.pid!,
    stop,
    async [Symbol.asyncDispose]() {
      await stop('SIGKILL');
    },
  };
}

/** Writes today's workflow, changed so that it asks for other activities: no history replays on it. @returns its path. */
export function changedWorkflow(directory: string): string {
  const code = readFileSync(workflowBundle().codePath, 'utf8');
  const changed = code
    .replaceAll("['runStage']", "['runStageDifferently']")
    .replaceAll('{ runStage }', '{ runStageDifferently: runStage }');
  if (changed === code) throw new Error('the workflow does not ask for runStage in these words any more');
  const path = join(directory, 'changed-workflow.js');
  writeFileSync(path, changed);
  return path;
}
