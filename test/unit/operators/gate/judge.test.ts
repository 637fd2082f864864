import { describe, expect, it } from 'vitest';
import type { Baseline, Evidence } from '../../../../operators/gate/evidence.js';
import { judge } from '../../../../operators/gate/judge.js';
import { type GateLine, summarizeGates, verdictSchema } from '../../../../operators/gate/verdict.js';
import {
  atLeast,
  atMost,
  type Condition,
  conditionSchema,
  latency,
  noWorseThan,
  parity,
  perSlice,
} from '../../../../pipelines/define/conditions.js';

const evidence: Evidence = {
  model: 'churn',
  bundle: 'candidate',
  revoked: null,
  champion: null,
  report: {
    task: 'binary',
    rows: 1000,
    metrics: {
      auc: { value: 0.85, interval: { low: 0.81, high: 0.88 } },
      logLoss: { value: 0.4, interval: { low: 0.37, high: 0.43 } },
      brier: { value: 0.1, interval: null },
    },
    slices: [
      {
        column: 'plan',
        values: [
          { value: 'basic', rows: 700, metrics: { auc: { value: 0.86, interval: null } } },
          { value: 'pro', rows: 250, metrics: { auc: { value: 0.74, interval: null } } },
          { value: null, rows: 50, metrics: { auc: { value: null, interval: null } } },
        ],
        omitted: { values: 0, rows: 0 },
      },
    ],
    parity: { rows: 1000, largestDifference: 3e-7 },
  },
  baselines: {},
  latencies: {},
};

function lines(condition: Condition, changes: Partial<Evidence> = {}) {
  const verdict = judge([conditionSchema.parse(condition)], { ...evidence, ...changes });
  expect(verdictSchema.parse(verdict)).toEqual(verdict);
  expect(verdict.passed).toBe(verdict.gates.every((gate) => gate.passed));
  return verdict.gates;
}

function against(baseline: Baseline, options: { margin?: number; confidence?: 0.95 } = {}, metric = 'auc') {
  return lines(noWorseThan('champion', metric, options), { baselines: { champion: baseline } })[0]!;
}

const compared = (
  candidate: number | null,
  baseline: number | null,
  interval: { low: number; high: number } | null,
): Baseline => ({
  kind: 'compared',
  version: 3,
  rows: 900,
  seen: 100,
  keepsSeen: false,
  metrics: { auc: { candidate, baseline, interval }, logLoss: { candidate, baseline, interval } },
});

describe('judge', () => {
  it('passes a metric that reaches its bar exactly', () => {
    expect(lines(atLeast('auc', 0.85))).toEqual([
      {
        name: 'atLeast(auc)',
        bar: 0.85,
        value: 0.85,
        interval: { low: 0.81, high: 0.88 },
        passed: true,
        note: null,
        code: null,
      },
    ]);
    expect(lines(atMost('logLoss', 0.4))[0]!.passed).toBe(true);
  });

  it('blocks a metric that misses its bar', () => {
    expect(lines(atLeast('auc', 0.86))[0]!.passed).toBe(false);
    expect(lines(atMost('logLoss', 0.39))[0]!.passed).toBe(false);
  });

  it('judges the unfavorable end of the interval with confidence', () => {
    expect(lines(atLeast('auc', 0.82, { confidence: 0.95 }))[0]).toMatchObject({
      passed: false,
      value: 0.85,
      note: 'judged by the lower end of its 95% interval',
    });
    expect(lines(atLeast('auc', 0.81, { confidence: 0.95 }))[0]!.passed).toBe(true);
    expect(lines(atMost('logLoss', 0.42, { confidence: 0.95 }))[0]).toMatchObject({
      passed: false,
      note: 'judged by the upper end of its 95% interval',
    });
  });

  it('blocks with confidence where there is no interval', () => {
    expect(lines(atMost('brier', 0.5, { confidence: 0.95 }))[0]).toMatchObject({
      passed: false,
      note: 'it has no interval to judge',
    });
  });

  it('judges every slice value with enough rows', () => {
    expect(lines(perSlice('plan', atLeast('auc', 0.75)))).toEqual([
      {
        name: 'perSlice(plan = basic, auc)',
        bar: 0.75,
        value: 0.86,
        interval: null,
        passed: true,
        note: '700 rows',
        code: null,
      },
      {
        name: 'perSlice(plan = pro, auc)',
        bar: 0.75,
        value: 0.74,
        interval: null,
        passed: false,
        note: '250 rows',
        code: null,
      },
    ]);
    expect(lines(perSlice('plan', atLeast('auc', 0.75), { minimumRows: 300 }))).toHaveLength(1);
  });

  it('blocks a judged slice in which the metric is undefined', () => {
    expect(lines(perSlice('plan', atLeast('auc', 0.5), { minimumRows: 10 })).at(-1)).toMatchObject({
      name: 'perSlice(plan = missing, auc)',
      value: null,
      passed: false,
      note: '50 rows; it has no value on these rows',
    });
  });

  it('passes and says so where no slice value has enough rows', () => {
    expect(lines(perSlice('plan', atLeast('auc', 0.99), { minimumRows: 5000 }))).toEqual([
      {
        name: 'perSlice(plan, auc)',
        bar: 0.99,
        value: null,
        interval: null,
        passed: true,
        note: 'no value of plan has 5000 rows',
        code: null,
      },
    ]);
  });

  it('passes as no-baseline where the alias points nowhere', () => {
    expect(against({ kind: 'none' })).toMatchObject({ passed: true, value: null, note: 'no-baseline' });
  });

  it('allows the margin against the champion and no more', () => {
    expect(against(compared(0.848, 0.85, { low: -0.01, high: 0.005 }), { margin: 0.005 })).toMatchObject({
      name: 'noWorseThan(champion, auc)',
      bar: -0.005,
      passed: true,
      note: 'auc 0.848 against 0.85 of version 3, on 900 rows; without 100 that it has seen',
    });
    expect(against(compared(0.844, 0.85, null), { margin: 0.005 }).passed).toBe(false);
    expect(against(compared(0.85, 0.85, null)).passed).toBe(true);
  });

  it('turns a metric for which lower is better', () => {
    expect(against(compared(0.41, 0.4, null), { margin: 0.005 }, 'logLoss')).toMatchObject({ passed: false });
    expect(against(compared(0.39, 0.4, null), {}, 'logLoss').value).toBeCloseTo(0.01, 12);
  });

  it('judges the lower end of the difference with confidence', () => {
    expect(against(compared(0.86, 0.85, { low: -0.01, high: 0.03 }), { margin: 0.005, confidence: 0.95 }).passed).toBe(
      false,
    );
    expect(against(compared(0.86, 0.85, { low: -0.004, high: 0.03 }), { margin: 0.005, confidence: 0.95 }).passed).toBe(
      true,
    );
    expect(against(compared(0.86, 0.85, null), { confidence: 0.95 }).passed).toBe(false);
  });

  it('blocks a comparison without a value', () => {
    expect(against(compared(null, 0.85, null))).toMatchObject({ passed: false, value: null });
  });

  it('blocks by code where the champion has seen almost all rows', () => {
    expect(against({ kind: 'contaminated', version: 2, unseen: 12, rows: 1000 })).toMatchObject({
      passed: false,
      code: 'GATE_BASELINE_CONTAMINATED',
      note: 'champion (version 2) has not seen 12 of 1000 test rows; a comparison needs 200',
    });
  });

  it('blocks by code where the champion does not fit the rows', () => {
    expect(
      against({ kind: 'incompatible', version: 2, reason: 'it is a regression model, the candidate a binary one' }),
    ).toMatchObject({
      passed: false,
      code: 'GATE_BASELINE_INCOMPATIBLE',
      note: 'champion (version 2) cannot be scored on these rows: it is a regression model, the candidate a binary one',
    });
  });

  it('blocks a revoked version whatever it measures', () => {
    const verdict = judge([atLeast('auc', 0.1)], { ...evidence, revoked: 'rolledBack' });
    expect(verdict.passed).toBe(false);
    expect(verdict.gates[0]).toMatchObject({
      name: 'version',
      code: 'GATE_VERSION_REVOKED',
      note: 'this version was rolled back; `millrace models promote MODEL VERSION --reason TEXT` admits it again',
    });
    expect(verdict.gates[1]!.passed).toBe(true);
  });

  it('compares parity, and blocks where it was not measured', () => {
    expect(lines(parity())[0]).toMatchObject({ bar: 1e-5, value: 3e-7, passed: true });
    expect(lines(parity({ atMost: 1e-7 }))[0]!.passed).toBe(false);
    expect(lines(parity(), { report: { ...evidence.report, parity: null } })[0]!.passed).toBe(false);
  });

  it('compares latency, and does not measure the champion again', () => {
    const condition = latency({ atMostMs: 2, batch: 8 });
    expect(lines(condition, { latencies: { 'latency(p99, batch 8)': 1.5 } })[0]).toMatchObject({
      passed: true,
      bar: 2,
      value: 1.5,
    });
    expect(lines(condition, { latencies: { 'latency(p99, batch 8)': 2.5 } })[0]!.passed).toBe(false);
    expect(lines(condition)[0]!.passed).toBe(false);
    expect(lines(condition, { champion: 'candidate' })[0]!.passed).toBe(true);
  });

  it('names the champion that it saw', () => {
    expect(judge([atLeast('auc', 0.1)], { ...evidence, champion: 'other' }).baseline).toBe('other');
  });
});

describe('conditions', () => {
  it('are what the resolved schema accepts, unchanged', () => {
    const conditions = [
      atLeast('auc', 0.8),
      atMost('brier', 0.2, { confidence: 0.95 }),
      noWorseThan('champion', 'auc', { margin: 0.01 }),
      perSlice('plan', atLeast('auc', 0.7), { minimumRows: 5 }),
      parity(),
      latency({ atMostMs: 5 }),
    ];
    for (const condition of conditions) expect(conditionSchema.parse(condition)).toEqual(condition);
  });

  it.each([
    [{ ...atLeast('auc', Number.NaN) }],
    [{ ...atLeast('auc', 0.5), confidence: 0.9 }],
    [{ ...noWorseThan('champion', 'auc'), margin: -1 }],
    [{ ...perSlice('plan', atLeast('auc', 0.5)), minimumRows: 0 }],
    [{ ...latency({ atMostMs: 1 }), p: 100 }],
    [{ ...parity(), atMostMs: 3 }],
  ])('refuses %j', (condition) => {
    expect(conditionSchema.safeParse(condition).success).toBe(false);
  });
});

describe('summarizeGates', () => {
  const gateLine = (name: string, passed: boolean): GateLine => ({
    name,
    bar: 0.5,
    value: 0.7,
    interval: null,
    passed,
    note: null,
    code: null,
  });

  it('keeps all lines of a short verdict', () => {
    const gates = [gateLine('atLeast(auc)', true), gateLine('atMost(logLoss)', false)];
    expect(summarizeGates(gates)).toEqual({ gates, gatesLeftOut: 0 });
  });

  it('keeps what fits of a long one, in its order, the missed ones first of all', () => {
    const gates = Array.from({ length: 5000 }, (_, index) =>
      gateLine(`perSlice(city = ${'x'.repeat(index % 200)}, auc)`, index % 1000 !== 999),
    );
    const { gates: kept, gatesLeftOut } = summarizeGates(gates);
    expect(JSON.stringify(kept).length).toBeLessThanOrEqual(32 * 1024 + 2);
    expect(kept.length + gatesLeftOut).toBe(5000);
    expect(kept.filter((line) => !line.passed)).toHaveLength(5);
    expect(kept).toEqual(gates.filter((line) => kept.includes(line)));
  });
});
