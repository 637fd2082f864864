import { MillraceError, nearestName, serializeError } from '../../pipelines/contracts/errors.js';
import type { Json } from '../../pipelines/contracts/json.js';
import type { MetricPoint, RunRecord, RunStatus, StageRecord } from '../../pipelines/contracts/metadata.js';
import type { ChildRun, Placement } from '../../pipelines/contracts/operator.js';
import { drivePlan, type Spawn } from '../../pipelines/drive/drive-plan.js';
import { needsOf } from '../../pipelines/plan/compile.js';
import type { Plan } from '../../pipelines/plan/schema.js';
import type { Services } from '../services.js';
import { checkUnfinished } from '../stages/check-unfinished.js';
import { openChildRun, outputsOf } from '../stages/child-runs.js';
import { codeDigests } from '../stages/code-digests.js';
import { openPlan } from '../stages/open-plan.js';
import { boundPlacement } from '../stages/placement.js';
import { newRunId } from '../stages/run-id.js';
import type { RunEvent, StageOptions } from '../stages/stage-options.js';
import { EmbeddedHost } from './embedded-host.js';

/** How a run ended, and what its stages left. */
export interface RunResult {
  readonly run: string;
  readonly status: RunStatus;
  readonly stages: readonly StageRecord[];
  readonly metrics: readonly MetricPoint[];
}

export interface RunPlanOptions {
  readonly root: string;
  readonly bundle: string | null;
  /** false computes every pure stage again. */
  readonly useCache: boolean;
  readonly from: string | null;
  readonly placement?: Partial<Placement>;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
  readonly parent?: { readonly run: string; readonly stage: string; readonly index: number };
}

const runLeaseTtlMs = 15_000;

/** Runs a plan on the embedded host, from its first stage to its last. */
export async function startRun(
  services: Services,
  plan: { readonly plan: Plan; readonly digest: string },
  options: RunPlanOptions,
): Promise<RunResult> {
  if (options.from !== null) checkStage(plan.plan, options.from);
  const run = await services.metadata.createRun({
    id: newRunId(),
    pipeline: plan.plan.pipeline,
    plan: plan.digest,
    bundle: options.bundle,
    params: plan.plan.params as Json,
    root: options.root,
    parent: null,
    options: { useCache: options.useCache, from: options.from, device: options.placement?.device ?? 'auto' },
  });
  return driveRun(services, run, plan.plan, options);
}

/**
 * Goes on with a run that was killed, failed, cancelled or waits. What finished stays.
 *
 * @throws RUN_ACTIVE - its process is alive; RUN_FINISHED - it succeeded.
 */
export async function resumeRun(
  services: Services,
  idOrPrefix: string,
  options: Pick<RunPlanOptions, 'signal' | 'onEvent' | 'placement'>,
): Promise<RunResult> {
  const run = await services.metadata.run(idOrPrefix);
  checkUnfinished(run);
  const plan = await openPlan(services, run.plan);
  const { useCache, from, device } = run.options as unknown as StartOptions;
  const placement = { ...options.placement, device };
  return driveRun(services, run, plan, { ...options, root: run.root, bundle: run.bundle, useCache, from, placement });
}

/** What a run was started with, as its record keeps it. */
interface StartOptions {
  readonly useCache: boolean;
  readonly from: string | null;
  readonly device: Placement['device'];
}

async function driveRun(services: Services, run: RunRecord, plan: Plan, options: RunPlanOptions): Promise<RunResult> {
  const lease = await services.metadata.acquireLease(`run/${run.id}`, runLeaseTtlMs);
  if (lease === null) {
    const holder = await services.metadata.leaseHolder(`run/${run.id}`);
    throw new MillraceError('RUN_ACTIVE', {
      path: run.id,
      expected: 'a run that no process drives',
      received: holder === null ? 'one that was just taken' : `one that process ${holder.pid} drives`,
      hint: 'Wait for it, or cancel it with millrace runs cancel.',
    });
  }
  await using _held = lease;
  // An earlier wish to cancel was for the process before this one.
  await Promise.all([
    services.metadata.putMemo('cancel', run.id, false),
    services.metadata.setRunStatus(run.id, 'running', null),
  ]);
  const cancel = new AbortController();
  const signal = AbortSignal.any([options.signal, lease.signal, cancel.signal]);
  const watch = setInterval(() => {
    services.metadata.memo('cancel', run.id).then(
      (asked) => {
        if (asked === true) cancel.abort(cancelled(run.id));
      },
      // A store that is busy or full for a moment: asked again at the next turn.
      () => {},
    );
  }, 500);
  watch.unref();
  const onEvent = (event: RunEvent): void => {
    try {
      options.onEvent(event);
    } catch {
      // Whoever watches (a log on a full disk, a callback of a program) decides nothing about the run.
    }
  };
  onEvent({
    kind: 'run',
    run: run.id,
    pipeline: plan.pipeline,
    stages: plan.stages.map(({ id, operator }) => ({ id, operator })),
    parent: options.parent ?? null,
  });
  const stageOptions: StageOptions = {
    run: run.id,
    pipeline: plan.pipeline,
    root: options.root,
    code: codeDigests(plan, run.bundle),
    placement: boundPlacement(options.placement),
    useCache: options.useCache,
    from: options.from,
    signal,
    onEvent,
  };
  try {
    const journal = await services.metadata.stages(run.id);
    const host = new EmbeddedHost(plan, journal, services, stageOptions, (stage, spawn, index) =>
      spawnRun(services, run, stage, spawn, index, { ...options, onEvent, signal }),
    );
    const driven = plan.stages.map((stage) => ({ id: stage.id, needs: needsOf(stage), fused: stage.fused }));
    const { status } = await drivePlan(driven, host);
    lease.signal.throwIfAborted();
    const failed = host.records.find((record) => record.error !== null)?.error ?? null;
    await services.metadata.setRunStatus(run.id, status, failed);
    return { run: run.id, status, stages: host.records, metrics: await services.metadata.metrics(run.id) };
  } catch (error) {
    // Another process may drive the run by now: its status is not ours to write.
    if (lease.signal.aborted) throw leaseLost(run.id, error);
    // A store that refuses this too must not hide why the run failed.
    await services.metadata.setRunStatus(run.id, 'failed', serializeError(error)).catch(() => {});
    throw error;
  } finally {
    clearInterval(watch);
  }
}

function leaseLost(run: string, cause: unknown): MillraceError {
  return new MillraceError('STORE_LOCKED', {
    path: run,
    expected: 'to keep the lease of the run while it goes on',
    received: 'a lease that was lost: this process stood still for longer than it lasts',
    hint: `Go on with millrace runs resume ${run}.`,
    cause,
  });
}

function cancelled(run: string): MillraceError {
  return new MillraceError('CANCELLED', { path: run, expected: 'to go on', received: 'millrace runs cancel' });
}

/** @throws STAGE_NOT_FOUND - with the nearest id */
export function checkStage(plan: Plan, id: string): void {
  const ids = plan.stages.map((stage) => stage.id);
  if (ids.includes(id)) return;
  const nearest = nearestName(id, ids);
  throw new MillraceError('STAGE_NOT_FOUND', {
    path: '--from',
    expected: `a stage of the plan (${ids.join(', ')})`,
    received: `'${id}'`,
    ...(nearest === null ? {} : { hint: `Did you mean '${nearest}'?` }),
  });
}

/** Runs one child plan of a stage; a run of the same parent, stage and index that ended is found again. */
async function spawnRun(
  services: Services,
  parent: RunRecord,
  stage: string,
  spawn: Spawn,
  index: number,
  options: RunPlanOptions,
): Promise<ChildRun> {
  const { run, plan } = await openChildRun(services, parent, stage, spawn, index);
  if (run.status === 'succeeded' || run.status === 'blocked') {
    return { run: run.id, status: run.status, outputs: outputsOf(await services.metadata.stages(run.id)) };
  }
  const childOptions = { ...options, from: null, parent: { run: parent.id, stage, index } };
  const result = await driveRun(services, run, plan, childOptions);
  return { run: result.run, status: result.status, outputs: outputsOf(result.stages) };
}
