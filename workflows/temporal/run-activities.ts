import { ApplicationFailure, Context } from '@temporalio/activity';
import { isMillraceError, MillraceError, serializeError } from '../../pipelines/contracts/errors.js';
import type { RunRecord, StageStatus } from '../../pipelines/contracts/metadata.js';
import type { Placement, Progress } from '../../pipelines/contracts/operator.js';
import { needsOf } from '../../pipelines/plan/compile.js';
import type { Plan } from '../../pipelines/plan/schema.js';
import type { Services } from '../services.js';
import { childRuns, openChildRun } from '../stages/child-runs.js';
import { codeDigests } from '../stages/code-digests.js';
import { openPlan } from '../stages/open-plan.js';
import type { RunEvent } from '../stages/stage-options.js';
import { StageRunner } from '../stages/stage-runner.js';
import { checkPayload } from './payload-limit.js';
import { maxPayloadBytes, type PagedStage, type RunActivities, type StageHeartbeat } from './protocol.js';

const endedWell: ReadonlySet<StageStatus> = new Set<StageStatus>(['succeeded', 'cached', 'fused', 'unchanged']);
/** Runs whose plans a worker holds in memory. */
const keptRuns = 32;
const heartbeatMs = 3000;
/** Room for the brackets and the cursor around the stages of a page. */
const pageBytes = maxPayloadBytes - 1024;

export interface ActivitiesOptions {
  readonly placement: Placement;
  /** Never throws. */
  readonly onEvent: (event: RunEvent) => void;
}

interface OpenedRun {
  readonly record: RunRecord;
  readonly plan: Plan;
}

/** What a worker does for the workflow: looks into the journal, and runs stages. */
export function createRunActivities(services: Services, options: ActivitiesOptions): RunActivities {
  const opened = new Map<string, Promise<OpenedRun>>();

  /** A run never changes its plan, so that it is read once. */
  const openRun = (id: string): Promise<OpenedRun> => {
    const known = opened.get(id);
    if (known !== undefined) return known;
    const opening = (async () => {
      const record = await services.metadata.run(id);
      return { record, plan: await openPlan(services, record.plan) };
    })();
    opened.set(id, opening);
    opening.catch(() => opened.delete(id));
    const oldest = opened.keys().next().value;
    if (opened.size > keptRuns && oldest !== undefined) opened.delete(oldest);
    return opening;
  };

  const runnerOf = async (
    id: string,
    stages: readonly string[],
    signal: AbortSignal,
    onEvent: (event: RunEvent) => void = () => {},
  ): Promise<StageRunner> => {
    const { record, plan } = await openRun(id);
    const journal = await Promise.all(stages.map((stage) => services.metadata.stage(id, stage)));
    const { useCache, from, device } = record.options as {
      useCache: boolean;
      from: string | null;
      device: Placement['device'];
    };
    return new StageRunner(
      plan,
      journal.filter((line) => line !== null),
      services,
      {
        run: id,
        pipeline: plan.pipeline,
        root: record.root,
        code: codeDigests(plan, record.bundle),
        placement: { ...options.placement, device: device === 'auto' ? options.placement.device : device },
        useCache,
        from,
        signal,
        onEvent: (event) => {
          onEvent(event);
          options.onEvent(event);
        },
      },
    );
  };

  return failures({
    async openRun({ run, offset, keep }) {
      const { plan } = await openRun(run);
      if (offset === 0) {
        await services.metadata.setRunStatus(run, 'running', null);
        const stages = plan.stages.map(({ id, operator }) => ({ id, operator }));
        options.onEvent({ kind: 'run', run, pipeline: plan.pipeline, stages, parent: null });
      }
      const journal = new Map((await services.metadata.stages(run)).map((record) => [record.stage, record]));
      const positions = new Map(plan.stages.map((stage, position) => [stage.id, position]));
      const stages: PagedStage[] = [];
      let bytes = 0;
      let position = offset;
      for (; position < plan.stages.length; position++) {
        const stage = plan.stages[position]!;
        const record = journal.get(stage.id);
        const stands =
          record !== undefined &&
          (keep === 'all' ||
            (endedWell.has(record.status) &&
              (await Promise.all(record.outputs.map(({ digest }) => services.artifacts.isWhole(digest)))).every(
                Boolean,
              )));
        const paged = {
          id: stage.id,
          needs: needsOf(stage).map((need) => positions.get(need)!),
          fused: stage.fused,
          ended: stands ? record.status : null,
        };
        bytes += Buffer.byteLength(JSON.stringify(paged)) + 1;
        if (bytes > pageBytes) break;
        stages.push(paged);
      }
      return { stages, next: position < plan.stages.length ? position : null };
    },

    async runStage({ run, stage, spawned }) {
      const context = Context.current();
      const { plan } = await openRun(run);
      const planned = plan.stages.find((one) => one.id === stage)!;
      let progress: Progress | null = null;
      const beat = (): void => {
        context.heartbeat(checkPayload(stage, { operator: planned.operator, progress } satisfies StageHeartbeat));
      };
      beat();
      const timer = setInterval(beat, heartbeatMs);
      try {
        const runner = await runnerOf(run, [stage, ...needsOf(planned)], context.cancellationSignal, (event) => {
          if (event.kind === 'stageProgress') progress = event.progress;
        });
        const children = spawned === null ? [] : await childRuns(services, run, stage, spawned);
        return await runner.run(stage, children, context.info.attempt);
      } finally {
        clearInterval(timer);
      }
    },

    async settleStages({ run, stages }) {
      const runner = await runnerOf(
        run,
        stages.map(({ id }) => id),
        new AbortController().signal,
      );
      for (const { id, status } of stages) await runner.settle(id, status);
    },

    async failStage({ run, stage, reason }) {
      const runner = await runnerOf(run, [stage], new AbortController().signal);
      await runner.fail(stage, workerLost(stage, reason));
    },

    async openChild({ run, stage, spawn, index }) {
      const { record } = await openRun(run);
      const child = await openChildRun(services, record, stage, spawn, index);
      return { run: child.run.id, status: child.run.status };
    },

    async setRunStatus({ run, status, reason }) {
      const failed = (await services.metadata.stages(run)).find((record) => record.error !== null)?.error ?? null;
      const error = reason === null ? failed : serializeError(new Error(reason));
      await services.metadata.setRunStatus(run, status, status === 'running' || status === 'waiting' ? null : error);
    },
  });
}

function workerLost(stage: string, reason: string): MillraceError {
  return new MillraceError('WORKER_LOST', {
    path: stage,
    expected: 'a worker that brings it to an end',
    received: `several that did not (${reason})`,
    hint: 'Look at the logs of the workers: the stage may need more memory than they have. Then resume the run.',
  });
}

/** Every failure that crosses Temporal has a type: the error's code, retried only where that error says so. */
function failures(activities: RunActivities): RunActivities {
  return Object.fromEntries(
    Object.entries(activities).map(([name, activity]) => [
      name,
      async (request: never) => {
        try {
          return checkPayload(name, await (activity as (request: never) => Promise<unknown>)(request));
        } catch (error) {
          if (!isMillraceError(error)) throw error;
          throw ApplicationFailure.create({
            message: error.message,
            type: error.code,
            nonRetryable: !error.retryable,
          });
        }
      },
    ]),
  ) as unknown as RunActivities;
}
