import { expect, test } from 'vitest';
import { metricsObject } from '../../../../cli/render/run-summary.js';
import type { StageRecord } from '../../../../pipelines/contracts/metadata.js';

function evaluated(stage: string, metrics: Readonly<Record<string, { readonly value: number | null }>>): StageRecord {
  return {
    run: 'run',
    stage,
    operator: 'evaluate',
    status: 'succeeded',
    attempt: 1,
    key: null,
    keyParts: {},
    reason: null,
    outputs: [],
    summary: { metrics },
    startedAt: '2026-01-01T00:00:00.000Z',
    durationMs: 1,
    error: null,
  };
}

test('the metrics of one evaluate stage keep their names, of several they begin with the stage', () => {
  const report = evaluated('report', { auc: { value: 0.9 }, f1: { value: null } });
  const other = evaluated('other', { auc: { value: 0.8 } });
  expect(metricsObject({ stages: [report] })).toEqual({ auc: 0.9, f1: null });
  expect(metricsObject({ stages: [report, other] })).toEqual({
    'report.auc': 0.9,
    'report.f1': null,
    'other.auc': 0.8,
  });
});
