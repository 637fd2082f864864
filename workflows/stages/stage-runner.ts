import type { Artifact } from '../../pipelines/contracts/artifacts.js';
import {
  isMillraceError,
  MillraceError,
  type SerializedError,
  serializeError,
} from '../../pipelines/contracts/errors.js';
import type { StageRecord, StageStatus } from '../../pipelines/contracts/metadata.js';
import type { ChildRun, StageInput } from '../../pipelines/contracts/operator.js';
import type { StageOutcome } from '../../pipelines/drive/drive-plan.js';
import type { Plan, PlanStage } from '../../pipelines/plan/schema.js';
import type { Services } from '../services.js';
import { type Settled, StageComputer } from './stage-computer.js';
import type { StageKey } from './stage-key.js';
import type { StageOptions } from './stage-options.js';

const good: ReadonlySet<string> = new Set(['succeeded', 'cached', 'fused', 'unchanged']);

/**
 * Runs the stages of one run, one at a time or side by side, with its journal in the metadata store: what every host calls.
 * What finished is durable before `run` answers, so that a kill at any moment loses nothing finished.
 */
export class StageRunner {
  readonly #stages: ReadonlyMap<string, PlanStage>;
  readonly #records = new Map<string, StageRecord>();
  readonly #computer: StageComputer;

  constructor(
    plan: Plan,
    journal: readonly StageRecord[],
    private readonly services: Services,
    private readonly options: StageOptions,
  ) {
    this.#stages = new Map(plan.stages.map((stage) => [stage.id, stage]));
    for (const record of journal) this.#records.set(record.stage, record);
    const rerun = options.from === null ? new Set<string>() : stagesBehind(plan, options.from);
    this.#computer = new StageComputer(services, options, rerun);
  }

  get records(): readonly StageRecord[] {
    return [...this.#stages.keys()].flatMap((id) => this.#records.get(id) ?? []);
  }

  /**
   * Runs a stage, or finds that it has ended well before.
   *
   * @param children - the runs that it spawned, once they are settled.
   * @param start - how often a host has begun with it: what an earlier start that is still alive writes later counts for nothing.
   */
  async run(id: string, children: readonly ChildRun[], start = 1): Promise<StageOutcome> {
    const stage = this.#stages.get(id)!;
    const before = this.#records.get(id);
    if (before !== undefined && good.has(before.status) && (await this.#computer.isWhole(before.outputs)))
      return { status: before.status };
    const { operators } = this.services;
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
    const attempt = (before?.attempt ?? 0) + start;
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
      key = await this.#computer.key(operator, stage, options, inputs);
      settled = await this.#computer.settle({ operator, stage, options, inputs, key, attempt, children });
      if (settled.spawn !== undefined || settled.waitFor !== undefined) {
        return {
          status: 'waiting',
          ...(settled.spawn === undefined ? {} : { spawn: settled.spawn }),
          ...(settled.waitFor === undefined ? {} : { waitFor: settled.waitFor }),
        };
      }
    } catch (error) {
      const cancelled = this.options.signal.aborted || (isMillraceError(error) && error.code === 'CANCELLED');
      await this.#finish(
        record(cancelled ? 'cancelled' : 'failed', { error: cancelled ? null : serializeError(error) }),
        {},
      );
      return { status: cancelled ? 'cancelled' : 'failed' };
    }
    // Outside the try: a stage that ended well is never rewritten as failed.
    const { status, outputs, summary, reason } = settled;
    await this.#finish(record(status, { outputs, summary, reason }), settled.metrics);
    return { status };
  }

  /** Notes a stage that never runs: fused, skipped or cancelled. */
  async settle(id: string, status: StageStatus): Promise<void> {
    if (this.#records.get(id)?.status !== status) await this.#note(id, status, null);
  }

  /** Notes a stage that its host could not bring to an end. */
  async fail(id: string, error: MillraceError): Promise<void> {
    await this.#note(id, 'failed', serializeError(error));
  }

  async #note(id: string, status: StageStatus, error: SerializedError | null): Promise<void> {
    const before = this.#records.get(id);
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
        error,
      },
      {},
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

  async #finish(record: StageRecord, metrics: Readonly<Record<string, number>>): Promise<void> {
    const points = Object.entries(metrics).map(([name, value]) => ({ stage: record.stage, name, value }));
    // Started in one turn: one transaction, so that no finished stage lacks its metrics.
    await Promise.all([
      this.services.metadata.putStage(record),
      ...(points.length > 0 ? [this.services.metadata.putMetrics(this.options.run, points)] : []),
    ]);
    this.#records.set(record.stage, record);
    this.options.onEvent({ kind: 'stageFinished', run: this.options.run, record });
  }
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
