import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { Placement } from '../../pipelines/contracts/operator.js';
import { preparePipeline } from '../../workflows/bundle/prepare-pipeline.js';
import { checkPlan } from '../../workflows/check/check-plan.js';
import { checkStage, type RunResult, resumeRun, startRun } from '../../workflows/embedded/run-plan.js';
import type { Services } from '../../workflows/services.js';
import type { RunEvent } from '../../workflows/stages/stage-options.js';
import { isOnTemporal } from '../../workflows/temporal/protocol.js';
import { eventLogger } from '../event-logger.js';
import { type CommonOptions, compileTimeoutMs, integerOption, openStore, paramTexts } from '../open.js';
import { RunProgress } from '../render/progress.js';
import { SlowStep } from '../render/slow-step.js';
import { tellResult } from '../render/tell-result.js';

interface RunOptions extends CommonOptions {
  readonly param?: readonly string[];
  readonly cache: boolean;
  readonly from?: string;
  readonly threads?: string;
  readonly device: string;
  readonly temporal?: boolean;
  readonly queue?: string;
  readonly detach?: boolean;
}

export async function run(file: string, options: RunOptions): Promise<void> {
  const placement = placementOf(options);
  await using services = await openStore(options);
  if (options.temporal === true) {
    await runOnTemporal(services, file, options);
    return;
  }
  await withInterrupt(services, options, async (signal, onEvent) => {
    using step = new SlowStep();
    step.begin('compiling the pipeline');
    const prepared = await preparePipeline(services, file, {
      params: { kind: 'texts', values: paramTexts(options.param) },
      signal,
      timeoutMs: compileTimeoutMs(),
    });
    await checkPlan(services, prepared.plan, prepared.root, signal, (stage) =>
      step.begin(`checking the SQL of ${stage} against its sources`),
    );
    step.end();
    return startRun(services, prepared, {
      root: prepared.root,
      bundle: prepared.bundle,
      useCache: options.cache,
      from: options.from ?? null,
      placement,
      signal,
      onEvent,
    });
  });
}

async function runOnTemporal(services: Services, file: string, options: RunOptions): Promise<void> {
  const prepared = await preparePipeline(services, file, {
    params: { kind: 'texts', values: paramTexts(options.param) },
    timeoutMs: compileTimeoutMs(),
  });
  await checkPlan(services, prepared.plan, prepared.root, new AbortController().signal);
  if (options.from !== undefined) checkStage(prepared.plan, options.from);
  const { submitRun } = await import('./temporal-run.js');
  await submitRun(services, prepared, {
    queue: options.queue,
    useCache: options.cache,
    from: options.from ?? null,
    device: deviceOption(options.device),
    detach: options.detach === true,
    json: options.json === true,
  });
}

export async function resume(id: string, options: CommonOptions & { readonly threads?: string }): Promise<void> {
  const placement = placementOf(options);
  await using services = await openStore(options);
  if (isOnTemporal(await services.metadata.run(id))) {
    await (await import('./temporal-run.js')).resumeSubmitted(services, id, options);
    return;
  }
  await withInterrupt(services, options, (signal, onEvent) => resumeRun(services, id, { signal, onEvent, placement }));
}

/** Runs with progress on stderr and a log in the store; the first Ctrl-C cancels, the second one ends at once. */
async function withInterrupt(
  services: Services,
  options: CommonOptions,
  body: (signal: AbortSignal, onEvent: (event: RunEvent) => void) => Promise<RunResult>,
): Promise<void> {
  const controller = new AbortController();
  const progress = new RunProgress();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write('\nCancelling: what finished stays. Press Ctrl-C again to stop at once.\n');
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const log = eventLogger(services.directory);
  try {
    const result = await body(controller.signal, (event) => {
      log(event);
      progress.onEvent(event);
    });
    progress.close();
    await tellResult(services, result, options.json === true);
  } finally {
    progress.close();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

function placementOf(options: { readonly threads?: string; readonly device?: string }): Partial<Placement> {
  return {
    ...(options.threads === undefined ? {} : { threads: integerOption(options.threads, '--threads', 1, 1024) }),
    ...(options.device === undefined ? {} : { device: deviceOption(options.device) }),
  };
}

/** @throws CONFIG_INVALID */
function deviceOption(device: string): Placement['device'] {
  if (device === 'auto' || device === 'cpu' || device === 'cuda') return device;
  throw new MillraceError('CONFIG_INVALID', {
    path: '--device',
    expected: "'auto', 'cpu' or 'cuda'",
    received: `'${device}'`,
  });
}
