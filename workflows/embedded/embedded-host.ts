import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Artifact } from '../../pipelines/contracts/artifacts.js';
import { isMillraceError, MillraceError, serializeError } from '../../pipelines/contracts/errors.js';
import type { Json } from '../../pipelines/contracts/json.js';
import type {
  KeyReason,
  RunStatus,
  StageOutput,
  StageRecord,
  StageStatus,
} from '../../pipelines/contracts/metadata.js';
import type {
  ChildRun,
  Operator,
  OperatorContext,
  OperatorResult,
  Placement,
  Progress,
  StageInput,
} from '../../pipelines/contracts/operator.js';
import type { DriveHost, Spawn, StageOutcome, WaitFor } from '../../pipelines/drive/drive-plan.js';
import { digestOf } from '../../pipelines/plan/digest.js';
import type { Plan, PlanStage } from '../../pipelines/plan/schema.js';
import { operators } from '../operators.js';
import type { Services } from '../services.js';
import { keyReason } from './key-reason.js';
import { Semaphore } from './semaphore.js';
import { inputParts, type StageKey, stageKey } from './stage-key.js';

/** What a run tells while it goes on. */
export type RunEvent =
  | {
      readonly kind: 'run';
      readonly run: string;
      readonly pipeline: string;
      readonly stages: readonly { readonly id: string; readonly operator: string }[];
    }
  | { readonly kind: 'stageStarted'; readonly stage: string; readonly operator: string; readonly attempt: number }
  | { readonly kind: 'stageProgress'; readonly stage: string; readonly progress: Progress }
  | { readonly kind: 'stageLog'; readonly stage: string; readonly message: string }
  | { readonly kind: 'stageRetry'; readonly stage: string; readonly message: string; readonly delayMs: number }
  | { readonly kind: 'stageFinished'; readonly record: StageRecord };

export interface HostOptions {
  readonly run: string;
  readonly pipeline: string;
  readonly root: string;
  readonly placement: Placement;
  /** Stages that run at once, by weight. */
  readonly slots: { readonly sql: number; readonly train: number };
  /** false computes every pure stage again. */
  readonly useCache: boolean;
  /** Stages that are computed again though they are cached: this one and all behind it. */
  readonly from: string | null;
  readonly signal: AbortSignal;
  /** Never throws. */
  readonly onEvent: (event: RunEvent) => void;
  /** Runs a nested plan and answers how it ended; with `index` for an instance of a template. */
  readonly spawn: (stage: string, spawn: Spawn, index: number) => Promise<ChildRun>;
}

const maxAttempts = 4;
const leaseTtlMs = 30_000;
const good: ReadonlySet<string> = new Set(['succeeded', 'cached', 'fused', 'unchanged']);

/**
 * The embedded host: runs the stages of one plan in this process, with its journal in the metadata store.
 * What finished is durable before `run` answers, so that a kill at any moment loses nothing finished.
 */
export class EmbeddedHost implements DriveHost {
  readonly spawnLimit = 4;
  readonly #stages: ReadonlyMap<string, PlanStage>;
  readonly #records = new Map<string, StageRecord>();
  readonly #children = new Map<string, ChildRun[]>();
  readonly #rerun: ReadonlySet<string>;
  readonly #slots: Readonly<Record<'sql' | 'train', Semaphore>>;

  constructor(
    plan: Plan,
    journal: readonly StageRecord[],
    private readonly services: Services,
    private readonly options: HostOptions,
  ) {
    this.#stages = new Map(plan.stages.map((stage) => [stage.id, stage]));
    for (const record of journal) this.#records.set(record.stage, record);
    this.#rerun = options.from === null ? new Set() : stagesBehind(plan, options.from);
    this.#slots = { sql: new Semaphore(options.slots.sql), train: new Semaphore(options.slots.train) };
  }

  get isCancelled(): boolean {
    return this.options.signal.aborted;
  }

  get records(): readonly StageRecord[] {
    return [...this.#stages.keys()].flatMap((id) => this.#records.get(id) ?? []);
  }

  async run(id: string): Promise<StageOutcome> {
    const stage = this.#stages.get(id)!;
    const before = this.#records.get(id);
    if (before !== undefined && good.has(before.status) && (await this.#isWhole(before.outputs)))
      return { status: before.status };
    const operator = operators[stage.operator];
    if (operator === undefined) {
      throw new MillraceError('PLAN_INVALID', {
        path: id,
        expected: `an operator of this version (${Object.keys(operators).join(', ')})`,
        received: `'${stage.operator}'`,
        hint: 'Run it with the version of Millrace that made the plan.',
      });
    }
    const started = performance.now();
    const startedAt = new Date().toISOString();
    const attempt = (before?.attempt ?? 0) + 1;
    let key: StageKey | null = null;
    let settled: Settled;
    const record = (status: StageStatus, rest: Partial<StageRecord>): StageRecord => ({
      run: this.options.run,
      stage: id,
      operator: stage.operator,
      status,
      attempt,
      key: key?.key ?? null,
      keyParts: key?.parts ?? {},
      reason: null,
      outputs: [],
      summary: null,
      startedAt,
      durationMs: Math.round((performance.now() - started) * 1000) / 1000,
      error: null,
      ...rest,
    });
    try {
      const inputs = await this.#inputs(stage);
      const options = operator.options.parse(stage.options);
      key = await this.#key(operator, stage, options, inputs);
      settled = await this.#settle(operator, stage, options, inputs, key, attempt);
      if (settled.spawn !== undefined || settled.waitFor !== undefined) {
        return {
          status: 'waiting',
          ...(settled.spawn === undefined ? {} : { spawn: settled.spawn }),
          ...(settled.waitFor === undefined ? {} : { waitFor: settled.waitFor }),
        };
      }
    } catch (error) {
      const cancelled = this.isCancelled || (isMillraceError(error) && error.code === 'CANCELLED');
      await this.#finish(
        record(cancelled ? 'cancelled' : 'failed', { error: cancelled ? null : serializeError(error) }),
        {},
      );
      return { status: cancelled ? 'cancelled' : 'failed' };
    }
    // Outside the try: a stage that ended well is never rewritten as failed.
    const { status, outputs, summary, reason } = settled;
    await this.#finish(record(status, { outputs, summary, reason }), settled.metrics);
    await rm(this.#scratch(key), { recursive: true, force: true });
    return { status };
  }

  async spawn(id: string, spawn: Spawn, index: number): Promise<RunStatus> {
    const child = await this.options.spawn(id, spawn, index);
    const children = this.#children.get(id) ?? [];
    children[index] = child;
    this.#children.set(id, children);
    return child.status;
  }

  async wait(_id: string, waitFor: WaitFor): Promise<boolean> {
    // A decision is made elsewhere and a far point in time is not waited for in this process: the run ends `waiting`.
    if (waitFor.kind === 'decision' || waitFor.until - Date.now() > 60_000) return false;
    await abortableDelay(Math.max(0, waitFor.until - Date.now()), this.options.signal);
    return !this.isCancelled;
  }

  async settle(id: string, status: StageStatus): Promise<void> {
    const before = this.#records.get(id);
    if (before?.status === status) return;
    const stage = this.#stages.get(id)!;
    await this.#finish(
      {
        run: this.options.run,
        stage: id,
        operator: stage.operator,
        status,
        attempt: (before?.attempt ?? 0) + 1,
        key: null,
        keyParts: {},
        reason: null,
        outputs: [],
        summary: null,
        startedAt: new Date().toISOString(),
        durationMs: 0,
        error: null,
      },
      {},
    );
  }

  /** Finds a stage's result under its key, or computes it; acts always run, under their idempotency key. */
  async #settle(
    operator: Operator,
    stage: PlanStage,
    options: unknown,
    inputs: Readonly<Record<string, StageInput>>,
    key: StageKey,
    attempt: number,
  ): Promise<Settled> {
    const before = await this.services.metadata.lastStage(this.options.pipeline, stage.id, this.options.run);
    if (operator.class !== 'pure') {
      const result = await this.#compute(operator, stage, options, inputs, key, attempt, this.options.signal);
      return {
        ...complete(result),
        reason: keyReason(
          false,
          key.parts,
          before,
          operator.class === 'acts' ? 'an act: its effect is checked in every run' : 'reads what may have changed',
        ),
      };
    }
    const mayUseCache = this.options.useCache && !this.#rerun.has(stage.id);
    const hit = async (): Promise<Settled | null> => {
      // Asked for in any case: an entry whose artifacts are gone or torn is dropped.
      const found = await this.#cached(key.key);
      if (found === null || !mayUseCache) return null;
      return { status: 'cached', ...found, reason: keyReason(true, key.parts, before, null) };
    };
    for (;;) {
      this.options.signal.throwIfAborted();
      const found = await hit();
      if (found !== null) return found;
      const lease = await this.services.metadata.acquireLease(`key/${key.key}`, leaseTtlMs);
      if (lease === null) {
        this.options.onEvent({
          kind: 'stageLog',
          stage: stage.id,
          message: 'another run computes the same stage: waiting for it',
        });
        await this.#waitForLease(`key/${key.key}`);
        continue;
      }
      await using _held = lease;
      const meanwhile = await hit();
      if (meanwhile !== null) return meanwhile;
      const signal = AbortSignal.any([this.options.signal, lease.signal]);
      const done = complete(
        await this.#compute(operator, stage, options, inputs, key, attempt, signal).catch((error: unknown) => {
          throw lease.signal.aborted && !this.isCancelled ? leaseLost(stage.id, error) : error;
        }),
      );
      const note = this.options.useCache
        ? this.#rerun.has(stage.id)
          ? `asked for by --from ${this.options.from}`
          : null
        : 'asked for by --no-cache';
      if (done.spawn === undefined && done.waitFor === undefined && done.status === 'succeeded') {
        const kept = await this.services.metadata.insertCached(key.key, done.outputs, {
          summary: done.summary,
          metrics: done.metrics,
        });
        return {
          ...done,
          outputs: kept.outputs,
          ...(kept.summary as Pick<Settled, 'summary' | 'metrics'>),
          reason: keyReason(false, key.parts, before, note),
        };
      }
      return { ...done, reason: keyReason(false, key.parts, before, note) };
    }
  }

  async #compute(
    operator: Operator,
    stage: PlanStage,
    options: unknown,
    inputs: Readonly<Record<string, StageInput>>,
    key: StageKey,
    attempt: number,
    signal: AbortSignal,
  ): Promise<OperatorResult> {
    const scratch = this.#scratch(key);
    const records = join(this.services.directory, 'records', this.options.run, ...stage.id.split('/'));
    const compute = async (): Promise<OperatorResult> => {
      signal.throwIfAborted();
      this.options.onEvent({ kind: 'stageStarted', stage: stage.id, operator: stage.operator, attempt });
      await mkdir(scratch, { recursive: true });
      await mkdir(records, { recursive: true });
      return this.#withRetries(stage, signal, (tries) =>
        operator.run(this.#context(stage, attempt * 100 + tries, scratch, records, signal), { options, inputs }),
      );
    };
    return operator.weight === 'light' ? compute() : this.#slots[operator.weight].run(compute);
  }

  async #withRetries(
    stage: PlanStage,
    signal: AbortSignal,
    body: (tries: number) => Promise<OperatorResult>,
  ): Promise<OperatorResult> {
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted();
      try {
        return await body(tries);
      } catch (error) {
        if (signal.aborted || !isMillraceError(error) || !error.retryable || tries >= maxAttempts) throw error;
        const delayMs = 200 * 2 ** (tries - 1);
        this.options.onEvent({ kind: 'stageRetry', stage: stage.id, message: error.message, delayMs });
        await abortableDelay(delayMs, signal);
      }
    }
  }

  /** Outlives attempts of a key, so that training goes on where it was; goes after the result is in the journal. */
  #scratch(key: StageKey): string {
    return join(this.services.directory, 'scratch', digestOf(key.key).slice(0, 32));
  }

  #context(stage: PlanStage, attempt: number, scratch: string, records: string, signal: AbortSignal): OperatorContext {
    const { artifacts, sql, infer, metadata, custom, events } = this.services;
    return {
      run: this.options.run,
      stage: stage.id,
      attempt,
      root: this.options.root,
      placement: this.options.placement,
      artifacts,
      sql,
      infer,
      registry: metadata.registry,
      custom,
      events,
      records,
      scratch,
      signal,
      children: this.#children.get(stage.id) ?? [],
      sources: (pattern, path) => this.services.sources(this.options.root, pattern, path),
      progress: (progress) => this.options.onEvent({ kind: 'stageProgress', stage: stage.id, progress }),
      log: (message) => this.options.onEvent({ kind: 'stageLog', stage: stage.id, message }),
    };
  }

  async #key(
    operator: Operator,
    stage: PlanStage,
    options: unknown,
    inputs: Readonly<Record<string, StageInput>>,
  ): Promise<StageKey> {
    if (operator.class === 'acts') {
      return { key: `act/${this.options.run}/${stage.id}`, parts: inputParts(inputs) };
    }
    return stageKey(
      operator,
      { options, inputs },
      {
        ...this.services.keyEnvironment,
        deviceClass: this.options.placement.device,
        context: this.services.keyContext(this.options.root),
      },
    );
  }

  async #inputs(stage: PlanStage): Promise<Readonly<Record<string, StageInput>>> {
    const entries = await Promise.all(
      Object.entries(stage.inputs).map(async ([name, { stage: from, output }]) => {
        const record = this.#records.get(from);
        const reference = record?.outputs.find((one) => one.name === output);
        if (record === undefined || reference === undefined) {
          throw new MillraceError('INTERNAL', {
            path: `${stage.id}.${name}`,
            expected: `an output '${output}' of ${from}`,
            received:
              record === undefined
                ? 'no record of that stage'
                : `the outputs ${record.outputs.map((one) => one.name).join(', ')}`,
          });
        }
        const artifact: Artifact = await this.services.artifacts.open(reference.digest);
        return [
          name,
          { stage: from, operator: record.operator, artifacts: { [output]: artifact }, summary: record.summary },
        ] as const;
      }),
    );
    return Object.fromEntries(entries);
  }

  async #cached(key: string): Promise<Pick<Settled, 'outputs' | 'summary' | 'metrics'> | null> {
    const found = await this.services.metadata.cached(key);
    if (found === null) return null;
    if (await this.#isWhole(found.outputs)) {
      return { outputs: found.outputs, ...(found.summary as unknown as Pick<Settled, 'summary' | 'metrics'>) };
    }
    await this.services.metadata.dropCached(key);
    return null;
  }

  async #isWhole(outputs: readonly StageOutput[]): Promise<boolean> {
    const whole = await Promise.all(outputs.map((output) => this.services.artifacts.isWhole(output.digest)));
    return whole.every(Boolean);
  }

  async #waitForLease(key: string): Promise<void> {
    while ((await this.services.metadata.leaseHolder(key)) !== null) {
      this.options.signal.throwIfAborted();
      await abortableDelay(100, this.options.signal);
    }
  }

  async #finish(record: StageRecord, metrics: Readonly<Record<string, number>>): Promise<void> {
    const points = Object.entries(metrics).map(([name, value]) => ({ stage: record.stage, name, value }));
    // Started in one turn: one transaction, so that no finished stage lacks its metrics.
    await Promise.all([
      this.services.metadata.putStage(record),
      ...(points.length > 0 ? [this.services.metadata.putMetrics(this.options.run, points)] : []),
    ]);
    this.#records.set(record.stage, record);
    this.options.onEvent({ kind: 'stageFinished', record });
  }
}

interface Settled {
  readonly status: StageStatus;
  readonly outputs: readonly StageOutput[];
  readonly summary: Json;
  readonly metrics: Readonly<Record<string, number>>;
  readonly reason: KeyReason;
  readonly spawn?: Spawn;
  readonly waitFor?: WaitFor;
}

function leaseLost(stage: string, cause: unknown): MillraceError {
  return new MillraceError('STORE_LOCKED', {
    path: stage,
    expected: 'to keep the lease of its key while it computes',
    received: 'a lease that was lost: this process stood still for longer than it lasts',
    hint: 'Resume the run.',
    cause,
  });
}

function complete(result: OperatorResult): Omit<Settled, 'reason'> {
  return {
    status: result.status ?? ('succeeded' as const),
    outputs: result.outputs,
    summary: result.summary,
    metrics: result.metrics ?? {},
    ...(result.spawn === undefined ? {} : { spawn: result.spawn }),
    ...(result.waitFor === undefined ? {} : { waitFor: result.waitFor }),
  };
}

/** A stage and everything that needs it. */
function stagesBehind(plan: Plan, from: string): ReadonlySet<string> {
  const behind = new Set([from]);
  for (const stage of plan.stages) {
    if (
      Object.values(stage.inputs).some((input) => behind.has(input.stage)) ||
      stage.after.some((need) => behind.has(need))
    )
      behind.add(stage.id);
  }
  return behind;
}

async function abortableDelay(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
