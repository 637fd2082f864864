import { createInterface } from 'node:readline/promises';
import { isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';
import type { PreparedPipeline } from '../../workflows/bundle/prepare-pipeline.js';
import type { Services } from '../../workflows/services.js';
import { type SubmitOptions, TemporalRuns } from '../../workflows/temporal/client.js';
import { isOnTemporal } from '../../workflows/temporal/protocol.js';
import { type CommonOptions, openStore, printJson } from '../open.js';
import { RunProgress } from '../render/progress.js';
import { tellResult } from '../render/tell-result.js';
import { configuredQueue, configuredTemporal } from './temporal-config.js';

/** Submits a compiled pipeline to a Temporal server; follows it unless `detach` is asked for. */
export async function submitRun(
  services: Services,
  prepared: PreparedPipeline,
  options: CommonOptions &
    Omit<SubmitOptions, 'queue'> & { readonly queue: string | undefined; readonly detach: boolean },
): Promise<void> {
  await using runs = await TemporalRuns.connect(services, await configuredTemporal());
  const run = await runs.submit(prepared, { ...options, queue: await configuredQueue(options.queue) });
  process.stderr.write(`Submitted run ${run.id}.\n`);
  if (options.detach) {
    if (options.json === true) printJson({ run: run.id, status: 'running' });
    else process.stdout.write(`Follow it with: millrace runs attach ${run.id}\n`);
    return;
  }
  await followRun(services, runs, run.id, options);
}

/** Goes on with a run that a Temporal server drove, and follows it. */
export async function resumeSubmitted(services: Services, id: string, options: CommonOptions): Promise<void> {
  await using runs = await TemporalRuns.connect(services, await configuredTemporal());
  const run = await runs.resume(id);
  await followRun(services, runs, run.id, options);
}

/** Follows a run of a Temporal server that this or another process submitted. */
export async function attach(id: string, options: CommonOptions): Promise<void> {
  await using services = await openStore(options);
  const run = await services.metadata.run(id);
  if (!isOnTemporal(run)) {
    throw new MillraceError('CONFIG_INVALID', {
      path: run.id,
      expected: 'a run that a Temporal server drives',
      received: 'one that a command drives itself',
      hint: `Follow it with millrace runs logs --follow ${run.id}.`,
    });
  }
  await using runs = await TemporalRuns.connect(services, await configuredTemporal());
  await followRun(services, runs, run.id, options);
}

export async function cancelSubmitted(services: Services, run: string): Promise<void> {
  await using runs = await TemporalRuns.connect(services, await configuredTemporal());
  await runs.cancel(run);
}

/** Progress until the run has ended. Ctrl-C asks whether to leave it or to cancel it; without a terminal it is left. */
async function followRun(services: Services, runs: TemporalRuns, id: string, options: CommonOptions): Promise<void> {
  const leave = new AbortController();
  const progress = new RunProgress();
  let isAsking = false;
  const interrupt = (): void => {
    if (isAsking) {
      leave.abort();
      return;
    }
    isAsking = true;
    void (async () => {
      if ((await askDetachOrCancel(leave.signal)) === 'cancel') {
        process.stderr.write('Cancelling: what finished stays.\n');
        await runs.cancel(id).catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
      } else leave.abort();
      isAsking = false;
    })();
  };
  process.on('SIGINT', interrupt);
  const terminate = (): void => leave.abort();
  process.on('SIGTERM', terminate);
  try {
    const result = await runs.follow(id, leave.signal, (event) => progress.onEvent(event));
    progress.close();
    await tellResult(services, result, options.json === true);
  } catch (error) {
    if (!leave.signal.aborted || !isMillraceError(error) || error.code !== 'CANCELLED') throw error;
    progress.close();
    process.stderr.write(`The run goes on. Follow it with: millrace runs attach ${id}\n`);
    if (options.json === true) printJson({ run: id, status: 'running' });
  } finally {
    progress.close();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', terminate);
  }
}

async function askDetachOrCancel(signal: AbortSignal): Promise<'detach' | 'cancel'> {
  if (!process.stdin.isTTY) return 'detach';
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question('\nDetach (the run goes on) or cancel it? [D/c] ', { signal });
    return /^c/i.test(answer.trim()) ? 'cancel' : 'detach';
  } catch {
    return 'detach';
  } finally {
    lines.close();
  }
}
