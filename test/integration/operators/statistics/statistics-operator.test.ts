import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDataset } from '../../../../operators/split/read-dataset.js';
import { computeStatistics, statisticsOperator } from '../../../../operators/statistics/statistics-operator.js';
import type { StatisticsOptions } from '../../../../operators/statistics/statistics-options.js';
import type { Artifact } from '../../../../pipelines/contracts/artifacts.js';
import type { KeyContext } from '../../../../pipelines/contracts/operator.js';
import type { StatisticsDocument } from '../../../../pipelines/contracts/training.js';
import type { SlotSpec, Statistic } from '../../../../pipelines/network/graph.js';
import { type Fixture, openFixture } from '../feed/feed-fixture.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await openFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

function slot(
  name: string,
  column: string,
  statistic: Statistic,
  dtype: SlotSpec['dtype'] = 'float64',
  alsoColumns?: readonly string[],
): SlotSpec {
  const isList = statistic.kind === 'vocabulary' || statistic.kind === 'quantiles';
  return {
    name,
    column,
    statistic,
    dtype,
    shape: isList ? [{ constant: 0, terms: { [name]: 1 } }] : [],
    size: isList ? name : null,
    ...(alsoColumns === undefined ? {} : { alsoColumns }),
  };
}

const byPart = { kind: 'column', column: 'part', validation: null } as const;

async function compute(
  select: string,
  slots: readonly SlotSpec[],
  options: Partial<StatisticsOptions> = {},
  threads = 2,
): Promise<{ document: StatisticsDocument; summary: unknown }> {
  const dataset = readDataset(await fixture.dataset(select));
  return computeStatistics(fixture.context({ threads }), dataset, {
    split: byPart,
    slots: [...slots],
    label: { columns: ['y'], task: 'regression' },
    inputs: [],
    ...options,
  });
}

const values = (document: StatisticsDocument, name: string) => document.slots[name]!.values;

describe('statistics', () => {
  const numbers = `SELECT i AS id, CASE WHEN i < 1000 THEN 'train' WHEN i < 1100 THEN 'validation' ELSE 'test' END AS part, CASE WHEN i >= 1000 THEN 1e9 WHEN i % 10 = 0 THEN NULL ELSE sin(i) * 50 + i / 3 END AS x, i::DOUBLE AS y FROM range(1200) t(i) ORDER BY i`;
  const x = Array.from({ length: 1000 }, (_, i) => i)
    .filter((i) => i % 10 !== 0)
    .map((i) => Math.sin(i) * 50 + i / 3);

  it('come from the train split alone, missing values left out', async () => {
    const { document } = await compute(numbers, [
      slot('mean', 'x', { kind: 'mean', transform: 'none' }),
      slot('sd', 'x', { kind: 'standardDeviation', transform: 'none' }),
      slot('least', 'x', { kind: 'minimum' }),
      slot('most', 'x', { kind: 'maximum' }),
      slot('range', 'x', { kind: 'range' }),
    ]);
    const mean = x.reduce((sum, each) => sum + each, 0) / x.length;
    const sd = Math.sqrt(x.reduce((sum, each) => sum + (each - mean) ** 2, 0) / x.length);
    expect(values(document, 'mean')[0]).toBeCloseTo(mean, 10);
    expect(values(document, 'sd')[0]).toBeCloseTo(sd, 10);
    expect(values(document, 'least')[0]).toBeCloseTo(Math.min(...x), 10);
    expect(values(document, 'most')[0]).toBeCloseTo(Math.max(...x), 10);
    expect(values(document, 'range')[0]).toBeCloseTo(Math.max(...x) - Math.min(...x), 10);
    expect(document.rows).toEqual({ train: 1000, validation: 100, test: 100 });
    expect(document.classes).toEqual([]);
  });

  it('take quantiles by linear interpolation (type 7), distinct and ascending', async () => {
    const { document } = await compute(
      `SELECT 'train' AS part, i::DOUBLE AS y, CASE WHEN i < 5 THEN 0 ELSE i END AS x FROM range(11) t(i) UNION ALL SELECT 'validation', 0, 0`,
      [slot('edges', 'x', { kind: 'quantiles', bins: 4 })],
    );
    expect(values(document, 'edges')).toEqual([0, 5, 7.5, 10]);
    expect(document.sizes).toEqual({ edges: 4 });
  });

  it('take the logarithm before, where asked', async () => {
    const { document } = await compute(numbers.replace('sin(i) * 50 + i / 3', 'i'), [
      slot('mean', 'x', { kind: 'mean', transform: 'log1p' }),
    ]);
    const logs = Array.from({ length: 1000 }, (_, i) => i)
      .filter((i) => i % 10 !== 0)
      .map((i) => Math.log(1 + i));
    expect(values(document, 'mean')[0]).toBeCloseTo(logs.reduce((sum, each) => sum + each, 0) / logs.length, 12);
  });

  it('give a constant column deviation and range 1, and two edges', async () => {
    const { document } = await compute(
      `SELECT 'train' AS part, 3.5::DOUBLE AS x, 0::DOUBLE AS y FROM range(5) UNION ALL SELECT 'validation', 0, 0`,
      [
        slot('sd', 'x', { kind: 'standardDeviation', transform: 'none' }),
        slot('range', 'x', { kind: 'range' }),
        slot('edges', 'x', { kind: 'quantiles', bins: 8 }),
      ],
    );
    expect([values(document, 'sd'), values(document, 'range'), values(document, 'edges')]).toEqual([
      [1],
      [1],
      [3.5, 4.5],
    ]);
  });

  it('give a column without values mean 0 and deviation 1, and say so', async () => {
    const { document, summary } = await compute(
      `SELECT 'train' AS part, NULL::DOUBLE AS x, NULL::VARCHAR AS s, 0::DOUBLE AS y FROM range(5) UNION ALL SELECT 'validation', 0, 'a', 0`,
      [
        slot('mean', 'x', { kind: 'mean', transform: 'none' }),
        slot('sd', 'x', { kind: 'standardDeviation', transform: 'none' }),
        slot('edges', 'x', { kind: 'quantiles', bins: 4 }),
        slot('words', 's', { kind: 'vocabulary', minCount: 1, maxSize: 10 }, 'string'),
      ],
    );
    expect([
      values(document, 'mean'),
      values(document, 'sd'),
      values(document, 'edges'),
      values(document, 'words'),
    ]).toEqual([[0], [1], [0, 1], []]);
    expect(document.sizes).toEqual({ edges: 2, words: 0 });
    expect(summary).toMatchObject({
      allMissing: ['x'],
      missing: { x: 5 },
      vocabularies: { words: { size: 0, distinct: 0 } },
    });
  });

  it('keep the most frequent values, ties by value, in ascending order of their bytes', async () => {
    const words = [
      ...Array<string>(5).fill('z'),
      ...Array<string>(3).fill('a'),
      ...Array<string>(3).fill('ä'),
      ...Array<string>(3).fill('B'),
      'once',
      '',
    ];
    const rows = words.map((word) => `('train', '${word}', 0.0::DOUBLE)`).join(', ');
    const { document } = await compute(
      `SELECT * FROM (VALUES ${rows}, ('train', NULL, 0), ('validation', 'late', 0)) t(part, s, y)`,
      [
        slot('all', 's', { kind: 'vocabulary', minCount: 1, maxSize: 100 }, 'string'),
        slot('often', 's', { kind: 'vocabulary', minCount: 2, maxSize: 3 }, 'string'),
      ],
    );
    expect(values(document, 'all')).toEqual(['B', 'a', 'once', 'z', 'ä']);
    expect(values(document, 'often')).toEqual(['B', 'a', 'z']);
  });

  it('count shared vocabularies together, and integers as integers', async () => {
    const { document } = await compute(
      `SELECT CASE WHEN i = 9 THEN 'validation' ELSE 'train' END AS part, 'u' || i % 2 AS a, 'u' || i % 3 AS b, (9007199254740993 - i % 2)::BIGINT AS n, 0::DOUBLE AS y FROM range(10) t(i)`,
      [
        slot('shared', 'a', { kind: 'vocabulary', minCount: 4, maxSize: 10 }, 'string', ['b']),
        slot('whole', 'n', { kind: 'vocabulary', minCount: 1, maxSize: 10 }, 'int64'),
      ],
    );
    expect(values(document, 'shared')).toEqual(['u0', 'u1']);
    expect(values(document, 'whole')).toEqual(['9007199254740992', '9007199254740993']);
  });

  it('name the classes of bools, texts and integers in index order', async () => {
    const select = `SELECT CASE WHEN i = 0 THEN 'validation' ELSE 'train' END AS part, i % 2 = 0 AS b, 'c' || i % 3 AS t, (i % 2) * 10 AS n FROM range(20) t(i)`;
    const classes = async (column: string, task: 'binary' | 'multiclass') =>
      (await compute(select, [], { label: { columns: [column], task } })).document.classes;
    expect(await classes('b', 'binary')).toEqual(['false', 'true']);
    expect(await classes('t', 'multiclass')).toEqual(['c0', 'c1', 'c2']);
    expect(await classes('n', 'binary')).toEqual(['0', '10']);
    await expect(classes('t', 'binary')).rejects.toMatchObject({
      code: 'DATA_OUT_OF_RANGE',
      message: "column t: expected two classes for a binary label; received 3. Write task: 'multiclass'.",
    });
  });

  it('have the same bits at 1, 2, 3 and 8 threads', async () => {
    const select = `SELECT CASE WHEN i % 10 = 0 THEN 'validation' ELSE 'train' END AS part, sin(i) * 1e6 AS x, cos(i)::FLOAT AS y, 'w' || (i * 7919) % 5000 AS s FROM range(300000) t(i) ORDER BY i`;
    const slots = [
      slot('mean', 'x', { kind: 'mean', transform: 'none' }),
      slot('sd', 'y', { kind: 'standardDeviation', transform: 'none' }),
      slot('edges', 'x', { kind: 'quantiles', bins: 64 }),
      slot('words', 's', { kind: 'vocabulary', minCount: 50, maxSize: 1000 }, 'string'),
    ];
    const dataset = readDataset(await fixture.dataset(select));
    const seen = new Set<string>();
    for (const threads of [1, 2, 3, 8]) {
      const { document } = await computeStatistics(fixture.context({ threads }), dataset, {
        split: byPart,
        slots,
        label: { columns: ['y'], task: 'regression' },
        inputs: ['x'],
      });
      seen.add(JSON.stringify(document));
    }
    expect(seen.size).toBe(1);
  });

  it('report every problem of the train split at once', async () => {
    const select = `SELECT CASE WHEN i >= 90 THEN 'validation' ELSE 'train' END AS part, CASE WHEN i IN (7, 9) THEN 'inf'::FLOAT ELSE i END AS x, CASE WHEN i = 3 THEN -1 ELSE i END AS z, CASE WHEN i = 5 THEN 1e200 ELSE i END AS w, CASE WHEN i = 11 THEN NULL ELSE i::DOUBLE END AS y FROM range(100) t(i) ORDER BY i`;
    await expect(
      compute(
        select,
        [
          slot('m', 'z', { kind: 'mean', transform: 'log1p' }),
          slot('d', 'w', { kind: 'standardDeviation', transform: 'none' }),
        ],
        { inputs: ['x'] },
      ),
    ).rejects.toMatchObject({
      code: 'DATA_NULL',
      message: [
        'column y: expected a value in every row; received 1 of 100 rows that are missing, the first in row 11 (from 0). Filter these rows out in the SQL that makes the dataset.',
        'column x: expected finite numbers; received 2 of 100 rows that are NaN or infinite, the first in row 7 (from 0). Filter these rows out, or write NULL where a value is missing.',
        'column z: expected numbers above -1, for log1p; received 1 of 100 rows that are -1 or less, the first in row 3 (from 0). Use standardize(), or shift the column in SQL.',
        'column w: expected numbers from -1e150 to 1e150, whose squares float64 holds; received 1 of 100 rows that are beyond that, the first in row 5 (from 0). Scale the column in SQL.',
      ].join('\n'),
    });
  });

  it('name every class that the loss weights and the train split lacks', async () => {
    const select = `SELECT CASE WHEN i < 6 THEN 'train' ELSE 'validation' END AS part, ['low', 'high'][1 + i % 2] AS y, 10 * (i % 3) AS n FROM range(10) t(i)`;
    const label = (column: string, weightedClasses: string[]) => ({
      label: { columns: [column], task: 'multiclass' as const, weightedClasses },
    });
    await expect(compute(select, [], label('y', ['high', 'lwo', 'other thing']))).rejects.toMatchObject({
      code: 'DATA_OUT_OF_RANGE',
      message: [
        "fit.loss.classWeights.lwo: expected a class that y has in the train split ('high', 'low'); received 'lwo'. Did you mean 'low'?",
        "fit.loss.classWeights.other thing: expected a class that y has in the train split ('high', 'low'); received 'other thing'. Remove it, or look at the SQL that makes the label.",
      ].join('\n'),
    });
    await expect(compute(select, [], label('n', ['10', '20', '3']))).rejects.toMatchObject({
      code: 'DATA_OUT_OF_RANGE',
      message:
        "fit.loss.classWeights.3: expected a class that n has in the train split ('0', '10', '20'); received '3'. Remove it, or look at the SQL that makes the label.",
    });
    expect((await compute(select, [], label('n', ['10', '020']))).document.classes).toEqual(['0', '10', '20']);
  });

  it('name the values of a given column that are no part', async () => {
    const select = `SELECT CASE WHEN i < 6 THEN 'Train' WHEN i < 9 THEN NULL ELSE 'train' END AS part, i::DOUBLE AS y FROM range(10) t(i)`;
    await expect(compute(select, [])).rejects.toMatchObject({
      code: 'SPLIT_EMPTY',
      message:
        "split.validation: expected at least one row in validation; received 0 of 10 rows (train 1, validation 0, test 0); the column also holds 'Train' (6 rows), NULL (3 rows). Write 'train', 'validation' or 'test' into the column.",
    });
  });
});

describe('the key of statistics', () => {
  it('holds the columns that they read and no others', async () => {
    const dataset = await fixture.dataset(
      `SELECT i AS id, i::DOUBLE AS x, i::DOUBLE AS y, i AS unused FROM range(5) t(i)`,
      { key: ['id'] },
    );
    const options: StatisticsOptions = {
      split: { kind: 'hash', by: [], train: 0.5, validation: 0.5, test: 0, seed: 1, stratify: null },
      slots: [slot('mean', 'x', { kind: 'mean', transform: 'none' })],
      label: { columns: ['y'], task: 'regression' },
      inputs: ['x'],
    };
    const parts = await statisticsOperator.keyParts!({} as KeyContext, {
      options,
      inputs: {
        dataset: { stage: 'rows', operator: 'sql', artifacts: { dataset: dataset as Artifact }, summary: null },
      },
    });
    expect(Object.keys(parts)).toEqual([
      'dataset.rows',
      'dataset.key',
      'dataset.column.id',
      'dataset.column.x',
      'dataset.column.y',
    ]);
  });
});
