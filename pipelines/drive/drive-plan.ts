import { MillraceError } from '../contracts/errors.js';
import type { RunStatus, StageStatus } from '../contracts/metadata.js';
import { driveSpawned } from './drive-spawned.js';

/** A stage as the interpreter sees it. */
export interface DrivenStage {
  readonly id: string;
  readonly needs: readonly string[];
  /** Held inside its consumers: never runs by itself. */
  readonly fused: boolean;
}

/** A plan to run inside a stage: one by digest, or `count` instances of a template by index. */
export type Spawn =
  | { readonly kind: 'plan'; readonly plan: string }
  | { readonly kind: 'template'; readonly template: string; readonly count: number };

/** What a stage waits for: a person's decision, or a point in time (ms since the epoch, from the host's clock). */
export type WaitFor =
  | { readonly kind: 'decision'; readonly decision: string }
  | { readonly kind: 'until'; readonly until: number };

/** At most 1 KiB. Once a spawn or wait is settled the host's `run` is called again. */
export interface StageOutcome {
  readonly status: StageStatus | 'waiting';
  readonly spawn?: Spawn;
  readonly waitFor?: WaitFor;
}

/** What drives a plan: it runs stages, retries them by its own rules, and answers when they are settled. */
export interface DriveHost {
  /** Runs one stage. Rejects only where the host itself cannot go on. */
  run(id: string): Promise<StageOutcome>;
  /** Runs child plan number `index` of a stage. */
  spawn(id: string, spawn: Spawn, index: number): Promise<RunStatus>;
  /** true once the wait is over; false where the run ends as `waiting` and is resumed later. */
  wait(id: string, waitFor: WaitFor): Promise<boolean>;
  /** Notes a stage that never runs: fused, skipped or cancelled. */
  settle(id: string, status: StageStatus): Promise<void>;
  readonly isCancelled: boolean;
  /** How many child plans of one stage run at once. */
  readonly spawnLimit: number;
}

export interface DriveResult {
  readonly status: RunStatus;
  readonly stages: Readonly<Record<string, StageStatus | 'waiting'>>;
}

const wellEnded: ReadonlySet<string> = new Set(['succeeded', 'cached', 'fused', 'unchanged']);

/**
 * Decides what runs next: the one deterministic interpreter of both hosts. No clock, no I/O, no Node built-in.
 * Independent stages run at once, started in the plan's order; after `blocked` or `failed` the dependents are skipped
 * and other branches go on.
 *
 * @throws PLAN_INVALID, PLAN_CYCLE - needs that are no stages, ids that are not unique, a circle; nothing has run then.
 * @throws what the host rejected with, once every stage that was running has settled; nothing new starts meanwhile.
 */
export async function drivePlan(stages: readonly DrivenStage[], host: DriveHost): Promise<DriveResult> {
  checkStages(stages);
  const settled = new Map<string, StageStatus | 'waiting'>();
  const running = new Map<string, Promise<void>>();
  const pending = new Map(stages.map((stage) => [stage.id, stage]));
  const rejections: unknown[] = [];

  const start = (stage: DrivenStage): void => {
    pending.delete(stage.id);
    const driven = driveStage(stage, settled, host)
      .then((status) => {
        settled.set(stage.id, status);
      })
      .catch((error: unknown) => {
        rejections.push(error);
      })
      .finally(() => running.delete(stage.id));
    running.set(stage.id, driven);
  };

  for (;;) {
    if (rejections.length === 0) {
      for (const stage of [...pending.values()]) {
        if (stage.needs.every((need) => settled.has(need))) start(stage);
      }
    }
    if (running.size === 0) break;
    await Promise.race(running.values());
  }
  if (rejections.length > 0) throw rejections[0];
  return {
    status: statusOf(settled, host.isCancelled),
    stages: Object.fromEntries(stages.map((stage) => [stage.id, settled.get(stage.id)!])),
  };
}

async function driveStage(
  stage: DrivenStage,
  settled: ReadonlyMap<string, StageStatus | 'waiting'>,
  host: DriveHost,
): Promise<StageStatus | 'waiting'> {
  const needs = stage.needs.map((need) => settled.get(need)!);
  const settle = async (status: StageStatus): Promise<StageStatus> => {
    await host.settle(stage.id, status);
    return status;
  };
  // A need that is lost decides before one that waits: no decision brings this stage back.
  const lost = needs.filter((status) => status !== 'waiting' && !wellEnded.has(status));
  if (lost.length > 0) return settle(lost.includes('cancelled') ? 'cancelled' : 'skipped');
  if (needs.includes('waiting')) return 'waiting';
  if (stage.fused) return settle('fused');
  for (;;) {
    if (host.isCancelled) return settle('cancelled');
    const outcome = await host.run(stage.id);
    if (outcome.spawn !== undefined) {
      await driveSpawned(stage.id, outcome.spawn, host);
    } else if (outcome.waitFor !== undefined) {
      if (!(await host.wait(stage.id, outcome.waitFor))) return host.isCancelled ? settle('cancelled') : 'waiting';
    } else {
      return outcome.status;
    }
  }
}

function checkStages(stages: readonly DrivenStage[]): void {
  const ids = new Set(stages.map((stage) => stage.id));
  const done = new Set<string>();
  let left = stages;
  for (const stage of stages) {
    const unknown = stage.needs.find((need) => !ids.has(need));
    if (unknown === undefined) continue;
    throw new MillraceError('PLAN_INVALID', {
      path: `plan.stages.${stage.id}`,
      expected: 'needs that are stages of the plan',
      received: `'${unknown}'`,
    });
  }
  if (ids.size < stages.length) {
    throw new MillraceError('PLAN_INVALID', {
      path: 'plan.stages',
      expected: 'ids that are unique in the plan',
      received: `${stages.length} stages with ${ids.size} ids`,
    });
  }
  while (left.length > 0) {
    const ready = left.filter((stage) => stage.needs.every((need) => done.has(need)));
    if (ready.length === 0) {
      throw new MillraceError('PLAN_CYCLE', {
        path: `plan.stages.${left[0]!.id}`,
        expected: 'a graph without circles',
        received: `${left.map((stage) => stage.id).join(', ')}, which need each other`,
      });
    }
    for (const stage of ready) done.add(stage.id);
    left = left.filter((stage) => !done.has(stage.id));
  }
}

function statusOf(settled: ReadonlyMap<string, StageStatus | 'waiting'>, isCancelled: boolean): RunStatus {
  const all = new Set(settled.values());
  // A cancel that comes once everything has ended well changes nothing.
  const isDone = [...all].every((status) => wellEnded.has(status));
  if (all.has('cancelled') || (isCancelled && !isDone)) return 'cancelled';
  if (all.has('failed')) return 'failed';
  if (all.has('blocked')) return 'blocked';
  return all.has('waiting') ? 'waiting' : 'succeeded';
}
