import { availableParallelism } from 'node:os';
import type { Services } from '../../workflows/services.js';
import { boundPlacement } from '../../workflows/stages/placement.js';
import type { TemporalAddress } from '../../workflows/temporal/temporal-address.js';
import { type RunningWorker, startWorker } from '../../workflows/temporal/worker.js';
import { eventLogger } from '../event-logger.js';
import { type CommonOptions, integerOption, openStore, printJson } from '../open.js';
import { configuredQueue, configuredTemporal } from './temporal-config.js';

export interface WorkerOptions extends CommonOptions {
  readonly queue?: string;
  readonly concurrency?: string;
  readonly grace: string;
}

/** Works for a Temporal server until SIGINT or SIGTERM; then what runs may end within the grace. */
export async function start(options: WorkerOptions): Promise<void> {
  const graceMs = integerOption(options.grace, '--grace', 0, 86_400) * 1000;
  const concurrency =
    options.concurrency === undefined ? undefined : integerOption(options.concurrency, '--concurrency', 1, 1000);
  // Before anyone hears that it works: a signal that comes at once drains too.
  const asked = new Promise<'asked'>((resolve) => {
    process.once('SIGINT', () => resolve('asked'));
    process.once('SIGTERM', () => resolve('asked'));
  });
  await using services = await openStore(options);
  const temporal = await configuredTemporal();
  const worker = await openWorker(services, temporal, {
    queue: await configuredQueue(options.queue),
    graceMs,
    concurrency,
  });
  if (options.json === true) printJson({ ...temporal, queue: worker.queue, buildId: worker.buildId, pid: process.pid });
  else
    process.stdout.write(
      `Working for ${temporal.address} on queue ${worker.queue} with workflow code ${worker.buildId}. Ctrl-C drains.\n`,
    );
  if ((await Promise.race([asked, worker.stopped])) === 'asked') {
    process.stderr.write('Draining: nothing new is taken, what runs may end. Press Ctrl-C again to stop at once.\n');
    process.once('SIGINT', () => process.exit(130));
    await worker.drain();
  }
}

/** A worker of this process with the machine's placement. */
export async function openWorker(
  services: Services,
  temporal: TemporalAddress,
  options: { readonly queue: string; readonly graceMs: number; readonly concurrency?: number | undefined },
): Promise<RunningWorker> {
  return startWorker(services, {
    temporal,
    queue: options.queue,
    placement: boundPlacement(undefined),
    concurrency: options.concurrency ?? Math.max(16, 4 * availableParallelism()),
    graceMs: options.graceMs,
    onEvent: withoutThrowing(eventLogger(services.directory)),
    log: (message) => process.stderr.write(`${message}\n`),
  });
}

/** A log on a full disk decides nothing about the run. */
function withoutThrowing<T>(body: (value: T) => void): (value: T) => void {
  return (value) => {
    try {
      body(value);
    } catch {
      // What is not logged is still in the journal.
    }
  };
}
