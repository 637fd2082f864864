import type { RunStatus, StageStatus } from '../contracts/metadata.js';

/** A stage as the interpreter sees it. */
export interface DrivenStage {
  readonly id: string;
  readonly needs: readonly string[];
  /** Held inside its consumers: never runs by itself. */
  readonly fused: boolean;
}

/** A plan to run inside a stage: one by digest, or `count` instances of a template by index. */
export type Spawn = { readonly kind: 'plan'; readonly plan: string } | { readonly kind: 'template'; readonly template: string; readonly count: number };

/** What a stage waits for: a person's decision, or a point in time (ms since the epoch, from the host's clock). */
export type WaitFor = { readonly kind: 'decision'; readonly decision: string } | { readonly kind: 'until'; readonly until: number };

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
 * Independent stages run at once; after `blocked` or `failed` the dependents are skipped and other branches go on.
 */
export async function drivePlan(stages: readonly DrivenStage[], host: DriveHost): Promise<DriveResult> {
  const settled = new Map<string, StageStatus | 'waiting'>();
  const running = new Map<string, Promise<void>>();
  const waitingFor = new Map(stages.map((stage) => [stage.id, stage]));

  const start = (stage: DrivenStage): void => {
    waitingFor.delete(stage.id);
    running.set(
      stage.id,
      settleStage(stage, settled, host).then((status) => {
        settled.set(stage.id, status);
        running.delete(stage.id);
      }),
    );
  };

  while (waitingFor.size > 0 || running.size > 0) {
    for (const stage of [...waitingFor.values()]) {
      if (stage.needs.every((need) => settled.has(need))) start(stage);
    }
    if (running.size === 0) throw new Error(`the plan cannot go on: ${[...waitingFor.keys()].join(', ')} wait for each other`);
    await Promise.race(running.values());
  }
  return { status: statusOf(settled, host.isCancelled), stages: Object.fromEntries(stages.map((stage) => [stage.id, settled.get(stage.id)!])) };
}

async function settleStage(stage: DrivenStage, settled: ReadonlyMap<string, StageStatus | 'waiting'>, host: DriveHost): Promise<StageStatus | 'waiting'> {
  const needs = stage.needs.map((need) => settled.get(need)!);
  if (needs.includes('waiting')) return 'waiting';
  if (!needs.every((status) => wellEnded.has(status))) {
    const status = needs.includes('cancelled') ? 'cancelled' : 'skipped';
    await host.settle(stage.id, status);
    return status;
  }
  if (stage.fused) {
    await host.settle(stage.id, 'fused');
    return 'fused';
  }
  for (;;) {
    if (host.isCancelled) {
      await host.settle(stage.id, 'cancelled');
      return 'cancelled';
    }
    const outcome = await host.run(stage.id);
    if (outcome.spawn !== undefined) {
      await runSpawned(stage.id, outcome.spawn, host);
      continue;
    }
    if (outcome.waitFor !== undefined) {
      if (!(await host.wait(stage.id, outcome.waitFor))) return 'waiting';
      continue;
    }
    return outcome.status;
  }
}

async function runSpawned(id: string, spawn: Spawn, host: DriveHost): Promise<void> {
  const count = spawn.kind === 'plan' ? 1 : spawn.count;
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count && !host.isCancelled) {
      const index = next++;
      await host.spawn(id, spawn, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, host.spawnLimit) }, lane));
}

function statusOf(settled: ReadonlyMap<string, StageStatus | 'waiting'>, isCancelled: boolean): RunStatus {
  const all = new Set(settled.values());
  if (isCancelled || all.has('cancelled')) return 'cancelled';
  if (all.has('failed')) return 'failed';
  if (all.has('blocked')) return 'blocked';
  if (all.has('waiting')) return 'waiting';
  return 'succeeded';
}
