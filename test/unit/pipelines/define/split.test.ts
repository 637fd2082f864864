import { describe, expect, test } from 'vitest';
import { csv, split } from '../../../../pipelines/index.js';
import { fractions, people } from '../churn.js';
import { thrown } from '../thrown.js';
import { untyped } from '../untyped.js';

const texts = (body: () => unknown, code = 'CONFIG_INVALID'): readonly string[] =>
  thrown(body).map(([is, text]) => {
    expect(is).toBe(code);
    return text;
  });
const all = 'id, plan, age, score, at, part, churned';

describe('split', () => {
  test('says every unknown column and wrong fraction at once', () => {
    const options = {
      by: ['id', 'pan'],
      stratify: 'churnd',
      fractions: { train: 0.9, validation: 0, test: 0.2 },
      seed: 1,
    };
    expect(texts(() => untyped(split)(people(), options))).toEqual([
      `split.by: expected a column of the dataset (${all}); received 'pan'. Did you mean 'plan'?`,
      `split.stratify: expected a column of the dataset (${all}); received 'churnd'. Did you mean 'churned'?`,
      'split.fractions: expected fractions that sum to at most 1; received 1.1.',
      'split.fractions.validation: expected more than 0; received 0.',
    ]);
  });

  test('checks times', () => {
    expect(texts(() => untyped(split)(people(), { time: 'plan', cuts: ['2026-02-30', 'now'] }))).toEqual([
      "split.time: expected a date or timestamp column; received 'plan', which is string.",
      "split.cuts.0: expected a date as YYYY-MM-DD or a time as ISO 8601 with a zone, to the millisecond; received '2026-02-30'.",
      "split.cuts.1: expected a date as YYYY-MM-DD or a time as ISO 8601 with a zone, to the millisecond; received 'now'.",
    ]);
    expect(texts(() => split(people(), { time: 'at', cuts: ['2026-02-01', '2026-02-02T00:00:00.0001Z'] }))).toEqual([
      "split.cuts.1: expected a date as YYYY-MM-DD or a time as ISO 8601 with a zone, to the millisecond; received '2026-02-02T00:00:00.0001Z'.",
    ]);
    split(people(), { time: 'at', cuts: ['2026-02-01T00:00:00.5+01:00', '2026-02-02T00:00:00.123Z'] });
    expect(texts(() => split(people(), { time: 'at', cuts: ['2026-02-01', '2026-02-01'] }))).toEqual([
      "split.cuts: expected ascending cuts; received '2026-02-01' and '2026-02-01'.",
    ]);
    expect(texts(() => split(people(), { time: 'at', cuts: ['2026-02-01', '2026-03-01'], purgeHours: -1 }))).toEqual([
      'split.purgeHours: expected at least 0; received -1.',
    ]);
  });

  test('checks a column that says the part', () => {
    expect(texts(() => split(people(), { column: 'id', validation: { fraction: 1, seed: 1 } }))).toEqual([
      "split.column: expected a string column that says train, validation or test; received 'id', which is int64.",
      'split.validation.fraction: expected a number between 0 and 1; received 1.',
    ]);
  });

  test('refuses options of no kind and of two', () => {
    expect(texts(() => untyped(split)(people(), { seed: 3 }))).toEqual([
      'split: expected { fractions, seed }, { time, cuts } or { column }; received the keys seed.',
    ]);
    expect(texts(() => untyped(split)(people()))).toEqual([
      'split: expected { fractions, seed }, { time, cuts } or { column }; received nothing.',
    ]);
    expect(
      texts(() => untyped(split)(people(), { time: 'at', cuts: ['2026-01-01', '2026-02-01'], fractions })),
    ).toEqual(["split.fractions: expected one of the keys time, cuts, purgeHours; received 'fractions'. Remove it."]);
    expect(texts(() => split(people(), { by: [], fractions, seed: 1 }))).toEqual([
      'split.by: expected at least 1 entry; received an empty array.',
    ]);
  });

  test('refuses a dataset without declared columns', () => {
    expect(texts(() => untyped(split)(csv('x.csv'), { fractions, seed: 1 }), 'PIPELINE_INVALID')).toEqual([
      'split.rows: expected a dataset with declared columns; received an undeclared one. Declare them with .as({ … }).',
    ]);
  });
});
