import type { Condition, MetricBar, NoWorseThan, PerSlice } from '../../pipelines/define/conditions.js';
import { metricDirection } from '../evaluate/metrics/metric-table.js';
import type { MetricValue } from '../evaluate/report.js';
import { type Evidence, latencyKey } from './evidence.js';
import type { GateLine, Verdict } from './verdict.js';

/** Fewer unseen rows than this are no comparison. */
export const LEAST_UNSEEN_ROWS = 200;

/**
 * Holds the evidence against the conditions. Pure: a promotion that meets another champion judges again with it.
 * A version that was rejected or rolled back does not pass, whatever it measures.
 */
export function judge(conditions: readonly Condition[], evidence: Evidence): Verdict {
  const gates = conditions.flatMap((condition) => judgeCondition(condition, evidence));
  if (evidence.revoked !== null) gates.unshift(revokedLine(evidence.revoked));
  return {
    formatVersion: 1,
    model: evidence.model,
    bundle: evidence.bundle,
    passed: gates.every((gate) => gate.passed),
    gates,
    baseline: evidence.champion,
  };
}

function judgeCondition(condition: Condition, evidence: Evidence): GateLine[] {
  switch (condition.kind) {
    case 'atLeast':
    case 'atMost':
      return [
        judgeBar(condition, `${condition.kind}(${condition.metric})`, evidence.report.metrics[condition.metric], null),
      ];
    case 'noWorseThan':
      return [judgeComparison(condition, evidence)];
    case 'perSlice':
      return judgeSlices(condition, evidence);
    case 'parity': {
      const value = evidence.report.parity?.largestDifference ?? null;
      const note = value === null ? 'the report has no comparison with the native model' : null;
      return [
        line({
          name: 'parity',
          bar: condition.atMost,
          value,
          passed: value !== null && value <= condition.atMost,
          note,
        }),
      ];
    }
    case 'latency': {
      const name = latencyKey(condition);
      const value = evidence.latencies[name] ?? null;
      const isChampion = evidence.champion === evidence.bundle;
      if (value === null && isChampion) {
        return [
          line({
            name,
            bar: condition.atMostMs,
            value,
            passed: true,
            note: 'already the champion: not measured again',
          }),
        ];
      }
      const note = value === null ? 'not measured' : 'ms';
      return [
        line({ name, bar: condition.atMostMs, value, passed: value !== null && value <= condition.atMostMs, note }),
      ];
    }
  }
}

function judgeBar(condition: MetricBar, name: string, metric: MetricValue | undefined, rows: number | null): GateLine {
  const value = metric?.value ?? null;
  const interval = metric?.interval ?? null;
  const notes = rows === null ? [] : [`${rows} rows`];
  const isLower = condition.kind === 'atLeast';
  let judged = value;
  if (condition.confidence !== null) {
    judged = interval === null ? null : isLower ? interval.low : interval.high;
    notes.push(
      interval === null
        ? 'it has no interval to judge'
        : `judged by the ${isLower ? 'lower' : 'upper'} end of its 95% interval`,
    );
  }
  if (value === null) notes.push('it has no value on these rows');
  const passed = judged !== null && (isLower ? judged >= condition.bar : judged <= condition.bar);
  return line({ name, bar: condition.bar, value, interval, passed, note: notes.join('; ') || null });
}

function judgeSlices({ column, condition, minimumRows }: PerSlice, { report }: Evidence): GateLine[] {
  const slice = report.slices.find((candidate) => candidate.column === column);
  const judged = (slice?.values ?? []).filter((value) => value.rows >= minimumRows);
  if (judged.length === 0) {
    const note = `no value of ${column} has ${minimumRows} rows`;
    return [
      line({ name: `perSlice(${column}, ${condition.metric})`, bar: condition.bar, value: null, passed: true, note }),
    ];
  }
  return judged.map(({ value, rows, metrics }) =>
    judgeBar(
      condition,
      `perSlice(${column} = ${value ?? 'missing'}, ${condition.metric})`,
      metrics[condition.metric],
      rows,
    ),
  );
}

function judgeComparison(condition: NoWorseThan, evidence: Evidence): GateLine {
  const { alias, metric, margin } = condition;
  const baseline = evidence.baselines[alias] ?? { kind: 'none' };
  const shared = { name: `noWorseThan(${alias}, ${metric})`, bar: margin === 0 ? 0 : -margin };
  switch (baseline.kind) {
    case 'none':
      return line({ ...shared, value: null, passed: true, note: 'no-baseline' });
    case 'same':
      return line({ ...shared, value: 0, passed: true, note: `already the ${alias}` });
    case 'incompatible':
      return line({
        ...shared,
        value: null,
        passed: false,
        note: `${alias} (version ${baseline.version}) cannot be scored on these rows: ${baseline.reason}`,
        code: 'GATE_BASELINE_INCOMPATIBLE',
      });
    case 'contaminated':
      return line({
        ...shared,
        value: null,
        passed: false,
        note: `${alias} (version ${baseline.version}) has not seen ${baseline.unseen} of ${baseline.rows} test rows; a comparison needs ${LEAST_UNSEEN_ROWS}`,
        code: 'GATE_BASELINE_CONTAMINATED',
      });
    case 'compared': {
      const compared = baseline.metrics[metric];
      const candidate = compared?.candidate ?? null;
      const other = compared?.baseline ?? null;
      const sign = metricDirection(evidence.report.task, metric) === 'higher' ? 1 : -1;
      const value = candidate === null || other === null ? null : sign * (candidate - other);
      const interval = compared?.interval ?? null;
      const judged = condition.confidence === null ? value : (interval?.low ?? null);
      const notes = [
        value === null
          ? 'it has no value on these rows'
          : `${metric} ${digits(candidate!)} against ${digits(other!)} of version ${baseline.version}, on ${baseline.rows} rows`,
        seenNote(baseline),
        ...(condition.confidence === null ? [] : ['judged by the lower end of the 95% interval of the difference']),
      ].filter((note) => note !== null);
      return line({ ...shared, value, interval, passed: judged !== null && judged >= -margin, note: notes.join('; ') });
    }
  }
}

function seenNote({ seen, keepsSeen }: { readonly seen: number | null; readonly keepsSeen: boolean }): string | null {
  if (seen === null) return 'which rows it has seen is not known';
  if (seen === 0) return null;
  return keepsSeen ? `${seen} of them seen by it, as the gate allows` : `without ${seen} that it has seen`;
}

function revokedLine(state: 'rejected' | 'rolledBack'): GateLine {
  const what = state === 'rejected' ? 'rejected' : 'rolled back';
  return line({
    name: 'version',
    bar: null,
    value: null,
    passed: false,
    note: `this version was ${what}; \`millrace models promote MODEL VERSION --reason TEXT\` admits it again`,
    code: 'GATE_VERSION_REVOKED',
  });
}

function line(fields: Pick<GateLine, 'name' | 'bar' | 'value' | 'passed' | 'note'> & Partial<GateLine>): GateLine {
  return { interval: null, code: null, ...fields };
}

function digits(value: number): string {
  return String(Number(value.toPrecision(4)));
}
