// The one workflow that drives every plan. It runs in Temporal's sandbox and is replayed from its history:
// it imports pipelines alone, and every change of what it asks for goes through `patched()`.
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  patched,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { RunStatus, StageStatus } from '../../pipelines/contracts/metadata.js';
import {
  type DriveHost,
  drivePlan,
  type Spawn,
  type StageOutcome,
  type WaitFor,
} from '../../pipelines/drive/drive-plan.js';
import { checkPayload } from './payload-limit.js';
import {
  type DriveRunInput,
  decisionSignal,
  type PagedStage,
  type RunActivities,
  type StagePage,
  workflowIdOf,
} from './protocol.js';

/** Short looks at the journal, in the worker that drives the run: no hop over the server. */
const journal = proxyLocalActivities<RunActivities>({
  startToCloseTimeout: '1 minute',
  retry: { initialInterval: '200 ms', maximumInterval: '10 s' },
});

/** How often a stage is started again whose worker died under it. */
const maxStarts = 5;

const decided = defineSignal<[string]>(decisionSignal);

/** Ends the driving of this history: nothing new starts, and what runs is waited for. */
class HistoryFull extends Error {}

/** Drives one run's plan to its end. */
export async function driveRun(input: DriveRunInput): Promise<{ readonly status: RunStatus }> {
  // The first version of this interpreter; the next change asks for a patch of its own.
  patched('drive-run-1');
  const host = new TemporalHost(input);
  setHandler(decided, (decision) => host.decide(decision));
  try {
    const { status } = await drivePlan(await host.open(), host);
    await host.close(status, null);
    return { status };
  } catch (error) {
    if (error instanceof HistoryFull && !host.isCancelled) {
      return continueAsNew<typeof driveRun>({ ...input, keep: 'all', decided: host.decisions });
    }
    const status = isCancellation(error) || error instanceof HistoryFull ? 'cancelled' : 'failed';
    const reason = error instanceof Error ? error.message : String(error);
    await host.close(status, status === 'failed' ? reason : null);
    if (status === 'cancelled') return { status };
    throw ApplicationFailure.create({ message: reason, type: 'RUN_FAILED', nonRetryable: true });
  }
}

class TemporalHost implements DriveHost {
  readonly spawnLimit = 16;
  readonly #ended = new Map<string, StageStatus>();
  readonly #spawned = new Map<string, Spawn>();
  readonly #calls = new Map<string, number>();
  readonly #decided: Set<string>;
  #settling: { id: string; status: StageStatus }[] = [];
  #flush: Promise<void> | null = null;
  #isCancelled = false;

  constructor(private readonly input: DriveRunInput) {
    this.#decided = new Set(input.decided);
    CancellationScope.current().cancelRequested.catch(() => {
      this.#isCancelled = true;
    });
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  get decisions(): readonly string[] {
    return [...this.#decided];
  }

  decide(decision: string): void {
    this.#decided.add(decision);
  }

  async open(): Promise<{ id: string; needs: string[]; fused: boolean }[]> {
    const { run, keep } = this.input;
    const stages: PagedStage[] = [];
    for (let offset: number | null = 0; offset !== null; ) {
      const page: StagePage = checkPayload('openRun', await journal.openRun({ run, offset, keep }));
      stages.push(...page.stages);
      offset = page.next;
    }
    for (const { id, ended } of stages) if (ended !== null) this.#ended.set(id, ended);
    return stages.map(({ id, needs, fused }) => ({ id, needs: needs.map((need) => stages[need]!.id), fused }));
  }

  async run(id: string): Promise<StageOutcome> {
    const ended = this.#ended.get(id);
    if (ended !== undefined) return { status: ended };
    if (workflowInfo().continueAsNewSuggested) throw new HistoryFull();
    const calls = (this.#calls.get(id) ?? 0) + 1;
    this.#calls.set(id, calls);
    const { runStage } = proxyActivities<Pick<RunActivities, 'runStage'>>({
      activityId: calls === 1 ? id : `${id}#${calls}`,
      startToCloseTimeout: '30 days',
      heartbeatTimeout: '15 s',
      retry: { initialInterval: '500 ms', maximumInterval: '30 s', maximumAttempts: maxStarts },
    });
    const request = { run: this.input.run, stage: id, spawned: this.#spawned.get(id) ?? null };
    try {
      const outcome = checkPayload(id, await runStage(checkPayload(id, request)));
      if (outcome.spawn !== undefined) this.#spawned.set(id, outcome.spawn);
      return outcome;
    } catch (error) {
      if (isCancellation(error)) {
        await this.settle(id, 'cancelled');
        return { status: 'cancelled' };
      }
      if (!(error instanceof ActivityFailure)) throw error;
      const reason = `${error.cause?.message ?? error.message}`;
      await CancellationScope.nonCancellable(() => journal.failStage({ run: this.input.run, stage: id, reason }));
      return { status: 'failed' };
    }
  }

  async spawn(id: string, spawn: Spawn, index: number): Promise<RunStatus> {
    const child = await journal.openChild({ run: this.input.run, stage: id, spawn, index });
    if (child.status === 'succeeded' || child.status === 'blocked') return child.status;
    const { status } = await executeChild(driveRun, {
      workflowId: workflowIdOf(this.input.namespace, child.run),
      args: [{ run: child.run, namespace: this.input.namespace, keep: 'good', decided: [] }],
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
    });
    return status;
  }

  async wait(_id: string, waitFor: WaitFor): Promise<boolean> {
    const { run } = this.input;
    if (waitFor.kind === 'decision' && this.#decided.has(waitFor.decision)) return true;
    await journal.setRunStatus({ run, status: 'waiting', reason: null });
    try {
      if (waitFor.kind === 'until') await sleep(Math.max(0, waitFor.until - Date.now()));
      else await condition(() => this.#decided.has(waitFor.decision));
    } catch (error) {
      if (isCancellation(error)) return false;
      throw error;
    }
    await journal.setRunStatus({ run, status: 'running', reason: null });
    return true;
  }

  /** What is settled in one turn goes to the journal in one call. */
  async settle(id: string, status: StageStatus): Promise<void> {
    if (this.#ended.get(id) === status) return;
    this.#ended.set(id, status);
    this.#settling.push({ id, status });
    this.#flush ??= Promise.resolve().then(async () => {
      const stages = this.#settling;
      this.#settling = [];
      this.#flush = null;
      for (let at = 0; at < stages.length; at += 500) {
        const request = { run: this.input.run, stages: stages.slice(at, at + 500) };
        await CancellationScope.nonCancellable(() => journal.settleStages(request));
      }
    });
    await this.#flush;
  }

  async close(status: RunStatus, reason: string | null): Promise<void> {
    await CancellationScope.nonCancellable(() => journal.setRunStatus({ run: this.input.run, status, reason }));
  }
}
