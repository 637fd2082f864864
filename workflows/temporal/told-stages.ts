import type { StageRecord } from '../../pipelines/contracts/metadata.js';

const doneStatuses: ReadonlySet<StageRecord['status']> = new Set(['succeeded', 'cached', 'fused', 'unchanged']);

/**
 * Which ends of stages were told to those who follow a run. The journal of a resumed run still holds how its stages
 * ended before: that is no news, and such a stage is told once it has ended again, or the run has.
 */
export class ToldStages {
  readonly #told = new Map<string, number>();
  #earlier: ReadonlyMap<string, string> | null = null;

  has(stage: string): boolean {
    return this.#told.has(stage);
  }

  /** The ends that were not told yet; from now on they are. */
  news(records: readonly StageRecord[], hasEnded: boolean): readonly StageRecord[] {
    this.#earlier ??= new Map(
      records
        .filter((record) => !doneStatuses.has(record.status))
        .map((record) => [record.stage, JSON.stringify(record)]),
    );
    const earlier = this.#earlier;
    const fresh = records.filter(
      (record) =>
        this.#told.get(record.stage) !== record.attempt &&
        (hasEnded || earlier.get(record.stage) !== JSON.stringify(record)),
    );
    for (const record of fresh) this.#told.set(record.stage, record.attempt);
    return fresh;
  }
}
