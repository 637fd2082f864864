import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import {
  Client,
  Connection,
  defaultPayloadConverter,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { MillraceError, serializeError } from '../../pipelines/contracts/errors.js';
import type { Json } from '../../pipelines/contracts/json.js';
import type { RunRecord } from '../../pipelines/contracts/metadata.js';
import type { PreparedPipeline } from '../bundle/prepare-pipeline.js';
import type { RunResult } from '../embedded/run-plan.js';
import type { Services } from '../services.js';
import { checkUnfinished } from '../stages/check-unfinished.js';
import { openPlan } from '../stages/open-plan.js';
import { newRunId } from '../stages/run-id.js';
import type { RunEvent } from '../stages/stage-options.js';
import { type DriveRunInput, decisionSignal, type StageHeartbeat, workflowIdOf, workflowType } from './protocol.js';
import { serverUnreachable, type TemporalAddress } from './temporal-address.js';
import { ToldStages } from './told-stages.js';

const connectTimeoutMs = 5000;
const pollMs = 250;

export interface SubmitOptions {
  readonly queue: string;
  readonly useCache: boolean;
  readonly from: string | null;
  readonly device: 'auto' | 'cpu' | 'cuda';
}

/** Runs on a Temporal server: what a command asks of it. The journal of a run is in the metadata store. */
export class TemporalRuns implements AsyncDisposable {
  private constructor(
    private readonly services: Services,
    private readonly temporal: TemporalAddress,
    private readonly client: Client,
  ) {}

  /** @throws SERVER_UNREACHABLE - within 5 s */
  static async connect(services: Services, temporal: TemporalAddress): Promise<TemporalRuns> {
    try {
      await isListening(temporal.address);
      const connection = await Connection.connect({ address: temporal.address, connectTimeout: connectTimeoutMs });
      return new TemporalRuns(services, temporal, new Client({ connection, namespace: temporal.namespace }));
    } catch (error) {
      throw serverUnreachable(temporal, error);
    }
  }

  /** Makes a run of a compiled pipeline and starts its workflow. */
  async submit(
    prepared: Pick<PreparedPipeline, 'plan' | 'digest' | 'bundle' | 'root'>,
    options: SubmitOptions,
  ): Promise<RunRecord> {
    const { queue, useCache, from, device } = options;
    const run = await this.services.metadata.createRun({
      id: newRunId(),
      pipeline: prepared.plan.pipeline,
      plan: prepared.digest,
      bundle: prepared.bundle,
      params: prepared.plan.params as Json,
      root: prepared.root,
      parent: null,
      options: { useCache, from, device, host: 'temporal', queue },
    });
    try {
      await this.#start(run, queue);
    } catch (error) {
      await this.services.metadata.setRunStatus(run.id, 'failed', serializeError(error));
      throw error;
    }
    return run;
  }

  /** Goes on with a run that failed, was cancelled or lost its workflow. @throws RUN_ACTIVE, RUN_FINISHED */
  async resume(idOrPrefix: string): Promise<RunRecord> {
    const run = await this.services.metadata.run(idOrPrefix);
    checkUnfinished(run);
    await this.#start(run, (run.options as { queue: string }).queue);
    return run;
  }

  async #start(run: RunRecord, queue: string): Promise<void> {
    const { namespace } = this.services.metadata;
    const input: DriveRunInput = { run: run.id, namespace, keep: 'good', decided: [] };
    try {
      await this.client.workflow.start(workflowType, {
        workflowId: workflowIdOf(namespace, run.id),
        taskQueue: queue,
        args: [input],
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw serverUnreachable(this.temporal, error);
      throw new MillraceError('RUN_ACTIVE', {
        path: run.id,
        expected: 'a run that no workflow drives',
        received: 'one that is being driven',
        hint: `Follow it with millrace runs attach ${run.id}, or cancel it with millrace runs cancel.`,
      });
    }
  }

  /** Asks a run to stop; its stages are cancelled by their next heartbeat. @throws RUN_FINISHED */
  async cancel(run: string): Promise<void> {
    try {
      await this.#handle(run).cancel();
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw serverUnreachable(this.temporal, error);
      throw new MillraceError('RUN_FINISHED', {
        path: run,
        expected: 'a run that a workflow drives',
        received: 'one that has ended',
        hint: 'There is nothing to cancel.',
      });
    }
  }

  /** Settles a wait for a decision of this run. */
  async decide(run: string, decision: string): Promise<void> {
    await this.#handle(run).signal(decisionSignal, decision);
  }

  /**
   * Follows a run to its end and tells what happens, as the embedded host would. Whoever follows decides nothing:
   * the run goes on without them.
   *
   * @throws CANCELLED - the signal was aborted: the run goes on.
   */
  async follow(idOrPrefix: string, signal: AbortSignal, onEvent: (event: RunEvent) => void): Promise<RunResult> {
    const { metadata } = this.services;
    const run = await metadata.run(idOrPrefix);
    const plan = await openPlan(this.services, run.plan);
    onEvent({
      kind: 'run',
      run: run.id,
      pipeline: run.pipeline,
      stages: plan.stages.map(({ id, operator }) => ({ id, operator })),
      parent: null,
    });
    const told = new ToldStages();
    const started = new Set<string>();
    for (;;) {
      if (signal.aborted) {
        throw new MillraceError('CANCELLED', {
          path: run.id,
          expected: 'to follow it to its end',
          received: 'a wish to stop',
        });
      }
      // Asked before the journal is read, so that what was written last is told too.
      const workflow = await this.#describe(run.id);
      for (const { stage, attempt, heartbeat } of workflow.running) {
        if (told.has(stage)) continue;
        if (!started.has(`${stage}/${attempt}`)) {
          started.add(`${stage}/${attempt}`);
          onEvent({ kind: 'stageStarted', run: run.id, stage, operator: heartbeat?.operator ?? '', attempt });
        }
        if (heartbeat?.progress) onEvent({ kind: 'stageProgress', run: run.id, stage, progress: heartbeat.progress });
      }
      const stages = await metadata.stages(run.id);
      for (const record of told.news(stages, workflow.hasEnded))
        onEvent({ kind: 'stageFinished', run: run.id, record });
      if (workflow.hasEnded) {
        const { status } = await metadata.run(run.id);
        return { run: run.id, status, stages, metrics: await metadata.metrics(run.id) };
      }
      await delay(pollMs, undefined, { signal }).catch(() => {});
    }
  }

  async #describe(run: string): Promise<{
    readonly hasEnded: boolean;
    readonly running: readonly {
      readonly stage: string;
      readonly attempt: number;
      readonly heartbeat: StageHeartbeat | null;
    }[];
  }> {
    try {
      const { status, raw } = await this.#handle(run).describe();
      const running = (raw.pendingActivities ?? []).map(({ activityId, attempt, heartbeatDetails }) => ({
        stage: String(activityId).replace(/#\d+$/, ''),
        attempt: Number(attempt ?? 1),
        heartbeat: (heartbeatDetails?.payloads?.[0] === undefined
          ? null
          : defaultPayloadConverter.fromPayload(heartbeatDetails.payloads[0])) as StageHeartbeat | null,
      }));
      return { hasEnded: status.name !== 'RUNNING' && status.name !== 'CONTINUED_AS_NEW', running };
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return { hasEnded: true, running: [] };
      throw serverUnreachable(this.temporal, error);
    }
  }

  #handle(run: string): ReturnType<Client['workflow']['getHandle']> {
    return this.client.workflow.getHandle(workflowIdOf(this.services.metadata.namespace, run));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.connection.close();
  }
}

/** The client tries a refused connection until its time is over; this says at once that nobody listens. */
async function isListening(address: string): Promise<void> {
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  const socket = connect({ host, port: Number(port), timeout: connectTimeoutMs });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
      socket.once('timeout', () => reject(new Error('timed out')));
    });
  } finally {
    socket.destroy();
  }
}
