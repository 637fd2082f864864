import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';
import type { Json } from '../../pipelines/contracts/json.js';
import type { KeyReason, StageOutput, StageStatus } from '../../pipelines/contracts/metadata.js';
import type {
  ChildRun,
  Operator,
  OperatorContext,
  OperatorResult,
  StageInput,
} from '../../pipelines/contracts/operator.js';
import type { Spawn, WaitFor } from '../../pipelines/drive/drive-plan.js';
import type { PlanStage } from '../../pipelines/plan/schema.js';
import type { Services } from '../services.js';
import { abortableDelay } from './abortable-delay.js';
import { keyReason } from './key-reason.js';
import { ScratchFolder } from './scratch-folders.js';
import { type Slots, slotsOf } from './slots.js';
import { inputParts, type StageKey, stageKey } from './stage-key.js';
import type { StageEvent, StageOptions } from './stage-options.js';

const maxAttempts = 4;
const leaseTtlMs = 30_000;

/** How a stage ended, and what it left. */
export interface Settled {
  readonly status: StageStatus;
  readonly outputs: readonly StageOutput[];
  readonly summary: Json;
  readonly metrics: Readonly<Record<string, number>>;
  readonly reason: KeyReason;
  readonly spawn?: Spawn;
  readonly waitFor?: WaitFor;
}

/** One stage of a run, ready to be settled. */
export interface StageWork {
  readonly operator: Operator;
  readonly stage: PlanStage;
  readonly options: unknown;
  readonly inputs: Readonly<Record<string, StageInput>>;
  readonly key: StageKey;
  readonly attempt: number;
  /** The runs that it spawned, once they are settled. */
  readonly children: readonly ChildRun[];
}

/** Finds results under their keys or computes them: cache, leases, retries, bounded slots. */
export class StageComputer {
  readonly #slots: Slots;

  constructor(
    private readonly services: Services,
    private readonly options: StageOptions,
    /** Stages that are computed again though they are cached. */
    private readonly rerun: ReadonlySet<string>,
  ) {
    this.#slots = slotsOf(services.directory);
  }

  async key(
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
        context: this.services.keyContext(this.options.root, this.options.signal),
      },
    );
  }

  /** Finds a stage's result under its key, or computes it; acts always run, under their idempotency key. */
  async settle(work: StageWork): Promise<Settled> {
    const { operator, stage, key } = work;
    const before = await this.services.metadata.lastStage(this.options.pipeline, stage.id, this.options.run);
    if (operator.class !== 'pure') {
      const result = await this.#compute(work, this.options.signal);
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
    const mayUseCache = this.options.useCache && !this.rerun.has(stage.id);
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
        this.#tell({
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
        await this.#compute(work, signal).catch((error: unknown) => {
          throw lease.signal.aborted && !this.options.signal.aborted ? leaseLost(stage.id, error) : error;
        }),
      );
      const note = this.options.useCache
        ? this.rerun.has(stage.id)
          ? `asked for by --from ${this.options.from}`
          : null
        : 'asked for by --no-cache';
      if (done.spawn === undefined && done.waitFor === undefined && done.status === 'succeeded') {
        const kept = await this.services.metadata.insertCached(key.key, done.outputs, {
          summary: done.summary,
          metrics: done.metrics,
        });
        await this.#scratch(work).remove();
        return {
          ...done,
          outputs: kept.outputs,
          ...(kept.summary as Pick<Settled, 'summary' | 'metrics'>),
          reason: keyReason(false, key.parts, before, kept.differs ? nondeterministic(note, done, kept) : note),
        };
      }
      return { ...done, reason: keyReason(false, key.parts, before, note) };
    }
  }

  async #compute(work: StageWork, signal: AbortSignal): Promise<OperatorResult> {
    const { operator, stage, options, inputs, attempt } = work;
    const scratch = this.#scratch(work);
    const records = join(this.services.directory, 'records', this.options.run, ...stage.id.split('/'));
    const compute = async (): Promise<OperatorResult> => {
      signal.throwIfAborted();
      this.#tell({ kind: 'stageStarted', stage: stage.id, operator: stage.operator, attempt });
      await scratch.create();
      await mkdir(records, { recursive: true });
      try {
        return await this.#withRetries(stage, signal, (tries) =>
          operator.run(this.#context(work, attempt * 100 + tries, scratch.directory, records, signal), {
            options,
            inputs,
          }),
        );
      } finally {
        if (operator.resumes !== true) await scratch.remove();
      }
    };
    return operator.weight === 'light' ? compute() : this.#slots[operator.weight].run(signal, compute);
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
        this.#tell({ kind: 'stageRetry', stage: stage.id, message: error.message, delayMs });
        await abortableDelay(delayMs, signal);
      }
    }
  }

  #scratch({ operator, stage, key }: StageWork): ScratchFolder {
    const { run } = this.options;
    // Who computes a pure stage holds its key's lease; others may share a key with a run beside them.
    const used =
      operator.class === 'pure'
        ? { key: key.key, lease: `key/${key.key}` }
        : { key: `act/${run}/${stage.id}`, lease: `run/${run}` };
    return new ScratchFolder(this.services.directory, { ...used, resumes: operator.resumes === true });
  }

  #tell(event: StageEvent): void {
    this.options.onEvent({ ...event, run: this.options.run });
  }

  #context(
    { stage, children }: StageWork,
    attempt: number,
    scratch: string,
    records: string,
    signal: AbortSignal,
  ): OperatorContext {
    const { artifacts, sql, infer, metadata, custom, events } = this.services;
    return {
      run: this.options.run,
      stage: stage.id,
      attempt,
      root: this.options.root,
      code: this.options.code,
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
      children,
      sources: (pattern, path) => this.services.sources(this.options.root, pattern, path, signal),
      progress: (progress) => this.#tell({ kind: 'stageProgress', stage: stage.id, progress }),
      log: (message) => this.#tell({ kind: 'stageLog', stage: stage.id, message }),
    };
  }

  async #cached(key: string): Promise<Pick<Settled, 'outputs' | 'summary' | 'metrics'> | null> {
    const found = await this.services.metadata.cached(key);
    if (found === null) return null;
    if (await this.isWhole(found.outputs)) {
      return { outputs: found.outputs, ...(found.summary as unknown as Pick<Settled, 'summary' | 'metrics'>) };
    }
    await this.services.metadata.dropCached(key);
    return null;
  }

  async isWhole(outputs: readonly StageOutput[]): Promise<boolean> {
    const whole = await Promise.all(outputs.map((output) => this.services.artifacts.isWhole(output.digest)));
    return whole.every(Boolean);
  }

  async #waitForLease(key: string): Promise<void> {
    while ((await this.services.metadata.leaseHolder(key)) !== null) {
      this.options.signal.throwIfAborted();
      await abortableDelay(100, this.options.signal);
    }
  }
}

/** What `runs show --why` says of a result that is not the first one of its key. */
function nondeterministic(
  note: string | null,
  ours: { readonly outputs: readonly StageOutput[] },
  first: { readonly outputs: readonly StageOutput[] },
): string {
  const other = ours.outputs
    .filter(({ name, digest }) => first.outputs.find((one) => one.name === name)?.digest !== digest)
    .map(({ name, digest }) => `${name} ${digest.slice(0, 12)}`);
  return [
    ...(note === null ? [] : [note]),
    `nondeterministic: the same key gave another result (${other.join(', ')}); the first one stays`,
  ].join('; ');
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
