import type { Interval } from '../evaluate/bootstrap.js';
import type { Report } from '../evaluate/report.js';

/** Both versions on the same rows. */
export interface ComparedMetric {
  readonly candidate: number | null;
  readonly baseline: number | null;
  /** Of candidate - baseline, turned so that larger is better; paired bootstrap. */
  readonly interval: Interval | null;
}

/** What an alias gave to compare with. */
export type Baseline =
  /** The alias points nowhere. */
  | { readonly kind: 'none' }
  /** The alias points at the candidate. */
  | { readonly kind: 'same' }
  | { readonly kind: 'incompatible'; readonly version: number; readonly reason: string }
  /** Fewer rows unseen by it than a comparison needs. */
  | { readonly kind: 'contaminated'; readonly version: number; readonly unseen: number; readonly rows: number }
  | {
      readonly kind: 'compared';
      readonly version: number;
      /** Rows that both were measured on. */
      readonly rows: number;
      /** Rows left out because the baseline has seen them; null where its version says nothing of what it saw. */
      readonly seen: number | null;
      /** True where rows that it has seen were kept, as the gate allows. */
      readonly keepsSeen: boolean;
      readonly metrics: Readonly<Record<string, ComparedMetric>>;
    };

/** Everything a judgement rests on, as data: `judge` is a pure function of it. */
export interface Evidence {
  readonly model: string;
  readonly bundle: string;
  /** The state that bars the version, or null. */
  readonly revoked: 'rejected' | 'rolledBack' | null;
  /** Digest of the champion's bundle, or null. */
  readonly champion: string | null;
  readonly report: Pick<Report, 'task' | 'rows' | 'metrics' | 'slices' | 'parity'>;
  /** By alias, for the conditions that name one. */
  readonly baselines: Readonly<Record<string, Baseline>>;
  /** Measured percentiles by `latencyKey`; empty where the candidate already is the champion. */
  readonly latencies: Readonly<Record<string, number>>;
}

export function latencyKey(condition: { readonly p: number; readonly batch: number }): string {
  return `latency(p${condition.p}, batch ${condition.batch})`;
}
