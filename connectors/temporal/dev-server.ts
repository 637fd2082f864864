import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { MillraceError } from '../../pipelines/contracts/errors.js';

const readyTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;

/**
 * By default the development server dispatches some 20 tasks a second, each hop after 50 ms: these settings let it go as
 * fast as it can.
 */
const fastDispatch = [
  'history.transferProcessorMaxPollRPS=2000',
  'history.timerProcessorMaxPollRPS=2000',
  'history.visibilityProcessorMaxPollRPS=2000',
  'matching.numTaskqueueReadPartitions=1',
  'matching.numTaskqueueWritePartitions=1',
  'system.enableActivityEagerExecution=true',
];

export interface DevServerOptions {
  /** The `temporal` command. */
  readonly executable: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Port of Temporal's web pages, or null for none. */
  readonly uiPort: number | null;
  /** Where it keeps its state; null for memory, which goes with it. */
  readonly file: string | null;
  /** false gives up what a power cut would keep, for speed: a kill of the server loses nothing. Default true. */
  readonly isDurable?: boolean;
  /** Further `key=value` settings of the server. */
  readonly settings?: readonly string[];
}

export interface DevServer {
  /** `127.0.0.1:7233` */
  readonly address: string;
  readonly pid: number;
  /** Settles when it has ended, by itself or by `stop`. */
  readonly ended: Promise<void>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/**
 * Starts Temporal's own development server on this machine and resolves when it answers.
 *
 * @throws PORT_IN_USE, SERVER_UNREACHABLE - it ended, or did not answer within 30 s, with what it said.
 */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  const port = options.port === 0 ? await freePort() : options.port;
  if (options.port !== 0 && !(await isFree(port))) {
    throw new MillraceError('PORT_IN_USE', {
      path: '--temporal-port',
      expected: 'a free port',
      received: `${port}, on which something listens`,
      hint: 'Take another one, or point TEMPORAL_ADDRESS to the server that runs there.',
    });
  }
  const child = spawn(options.executable, argumentsOf(options, port), { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const take = (text: string): void => {
    output = (output + text).slice(-8192);
  };
  child.stdout.setEncoding('utf8').on('data', take);
  child.stderr.setEncoding('utf8').on('data', take);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', (error) => {
      take(error.message);
      resolve();
    });
  });
  const address = `127.0.0.1:${port}`;
  const isReady = await Promise.race([answers(address), ended.then(() => false)]);
  if (!isReady) {
    child.kill('SIGKILL');
    throw new MillraceError('SERVER_UNREACHABLE', {
      path: options.executable,
      expected: `a Temporal server that answers at ${address} within ${readyTimeoutMs / 1000} s`,
      received: lastLine(output) || 'none',
      hint: 'Run millrace setup temporal, or set TEMPORAL_CLI_PATH to a temporal command that works.',
    });
  }
  return { address, pid: child.pid!, ended, stop: (signal = 'SIGTERM') => stop(child, signal) };
}

function argumentsOf({ file, uiPort, isDurable, settings = [] }: DevServerOptions, port: number): string[] {
  return [
    'server',
    'start-dev',
    '--ip',
    '127.0.0.1',
    '--port',
    String(port),
    ...(uiPort === null ? ['--headless'] : ['--ui-port', String(uiPort)]),
    ...(file === null ? [] : ['--db-filename', file]),
    '--log-level',
    'error',
    '--sqlite-pragma=journal_mode=WAL',
    ...(isDurable === false ? ['--sqlite-pragma=synchronous=OFF'] : []),
    ...[...fastDispatch, ...settings].flatMap((value) => ['--dynamic-config-value', value]),
  ];
}

async function answers(address: string): Promise<boolean> {
  const until = performance.now() + readyTimeoutMs;
  while (performance.now() < until) {
    try {
      const connection = await Connection.connect({ address, connectTimeout: 1000 });
      try {
        await connection.workflowService.describeNamespace({ namespace: 'default' });
        return true;
      } finally {
        await connection.close();
      }
    } catch {
      await delay(50);
    }
  }
  return false;
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
  await ended;
  clearTimeout(timer);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return true;
  } catch {
    return false;
  }
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1)?.trim().replace(/\.$/, '') ?? '';
}
