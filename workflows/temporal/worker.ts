import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { builtEntry } from '../../native/ts/package-root.js';
import type { Placement } from '../../pipelines/contracts/operator.js';
import type { Services } from '../services.js';
import type { RunEvent } from '../stages/stage-options.js';
import { createActivities } from './activities.js';
import { serverUnreachable, type TemporalAddress } from './temporal-address.js';

export interface WorkerOptions {
  readonly temporal: TemporalAddress;
  readonly queue: string;
  readonly placement: Placement;
  /** Stages of all kinds that run at once, light ones included. */
  readonly concurrency: number;
  /** How long stages that run at a shutdown may go on before they are cancelled. */
  readonly graceMs: number;
  /** Never throws. */
  readonly onEvent: (event: RunEvent) => void;
  readonly log: (message: string) => void;
}

export interface RunningWorker {
  /** Digest of the workflow code that it runs. */
  readonly buildId: string;
  readonly queue: string;
  /** Takes nothing new, lets what runs end within the grace, then cancels it. Resolves when all has ended. */
  drain(): Promise<void>;
  /** Settles when the worker has stopped by itself or by `drain`. */
  readonly stopped: Promise<void>;
}

/** The workflow's code, bundled by the build. */
export function workflowBundle(): { readonly codePath: string; readonly buildId: string } {
  const codePath = builtEntry('workflows/temporal/workflows.bundle');
  const buildId = createHash('sha256').update(readFileSync(codePath)).digest('hex').slice(0, 16);
  return { codePath, buildId };
}

/**
 * Starts a worker of this process: it drives runs and computes their stages.
 *
 * @throws SERVER_UNREACHABLE
 */
export async function startWorker(services: Services, options: WorkerOptions): Promise<RunningWorker> {
  installRuntime(options.log);
  const { codePath, buildId } = workflowBundle();
  const { address, namespace } = options.temporal;
  let connection: NativeConnection;
  try {
    connection = await NativeConnection.connect({ address });
  } catch (error) {
    throw serverUnreachable(options.temporal, error);
  }
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: options.queue,
    identity: `${process.pid}@${hostname()}`,
    buildId,
    workflowBundle: { codePath },
    activities: createActivities(services, options),
    maxConcurrentActivityTaskExecutions: options.concurrency,
    // Cancellation comes with the answer to a heartbeat.
    maxHeartbeatThrottleInterval: '1 s',
    defaultHeartbeatThrottleInterval: '1 s',
    shutdownGraceTime: options.graceMs,
  }).catch(async (error: unknown) => {
    await connection.close();
    throw isTransportError(error) ? serverUnreachable(options.temporal, error) : error;
  });
  const stopped = worker.run().finally(() => connection.close());
  // Whoever drains asks for the end; until then nobody may be listening.
  stopped.catch(() => {});
  return {
    buildId,
    queue: options.queue,
    stopped,
    async drain() {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await stopped;
    },
  };
}

/** Of the native client: its other errors are about what it was given. */
function isTransportError(error: unknown): boolean {
  return error instanceof Error && /TransportError|NotFound|not found/i.test(`${error.name} ${error.message}`);
}

let isInstalled = false;

/** One runtime a process: its warnings go where ours go, and signals are ours to handle. */
function installRuntime(log: (message: string) => void): void {
  if (isInstalled) return;
  isInstalled = true;
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger('WARN', ({ level, message, meta }) => {
      const cause = meta?.['error'] instanceof Error ? `: ${meta['error'].message}` : '';
      log(`temporal ${level.toLowerCase()}: ${message}${cause}`);
    }),
  });
}
