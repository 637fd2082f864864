import type { RunStatus, StageRecord, StageStatus } from '../../pipelines/contracts/metadata.js';
import type { ChildRun } from '../../pipelines/contracts/operator.js';
import type { DriveHost, Spawn, StageOutcome, WaitFor } from '../../pipelines/drive/drive-plan.js';
import type { Plan } from '../../pipelines/plan/schema.js';
import type { Services } from '../services.js';
import { abortableDelay } from '../stages/abortable-delay.js';
import type { StageOptions } from '../stages/stage-options.js';
import { StageRunner } from '../stages/stage-runner.js';

/** Runs a nested plan and answers how it ended; with `index` for an instance of a template. */
export type SpawnRun = (stage: string, spawn: Spawn, index: number) => Promise<ChildRun>;

/** The embedded host: runs the stages of one plan in this process. */
export class EmbeddedHost implements DriveHost {
  readonly spawnLimit = 4;
  readonly #children = new Map<string, ChildRun[]>();
  readonly #runner: StageRunner;
  readonly #signal: AbortSignal;

  constructor(
    plan: Plan,
    journal: readonly StageRecord[],
    services: Services,
    options: StageOptions,
    private readonly spawnRun: SpawnRun,
  ) {
    this.#runner = new StageRunner(plan, journal, services, options);
    this.#signal = options.signal;
  }

  get isCancelled(): boolean {
    return this.#signal.aborted;
  }

  get records(): readonly StageRecord[] {
    return this.#runner.records;
  }

  run(id: string): Promise<StageOutcome> {
    return this.#runner.run(id, this.#children.get(id) ?? []);
  }

  async spawn(id: string, spawn: Spawn, index: number): Promise<RunStatus> {
    const child = await this.spawnRun(id, spawn, index);
    const children = this.#children.get(id) ?? [];
    children[index] = child;
    this.#children.set(id, children);
    return child.status;
  }

  async wait(_id: string, waitFor: WaitFor): Promise<boolean> {
    // A decision is made elsewhere and a far point in time is not waited for in this process: the run ends `waiting`.
    if (waitFor.kind === 'decision' || waitFor.until - Date.now() > 60_000) return false;
    await abortableDelay(Math.max(0, waitFor.until - Date.now()), this.#signal);
    return !this.isCancelled;
  }

  settle(id: string, status: StageStatus): Promise<void> {
    return this.#runner.settle(id, status);
  }
}
