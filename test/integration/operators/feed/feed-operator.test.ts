import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { feedOperator } from '../../../../operators/feed/feed-operator.js';
import { statisticsOperator } from '../../../../operators/statistics/statistics-operator.js';
import type { Artifact } from '../../../../pipelines/contracts/artifacts.js';
import type { FeedMeta } from '../../../../pipelines/contracts/training.js';
import { encodePart } from '../../../../pipelines/network/encode-part.js';
import { traceFit } from '../../../../pipelines/network/trace-fit.js';
import {
  bucketize,
  dense,
  embed,
  log1p,
  minMax,
  network,
  output,
  passthrough,
  standardize,
} from '../../../../pipelines/nn.js';
import type { SplitSpec } from '../../../../pipelines/plan/relation.js';
import { type Fixture, openFixture } from './feed-fixture.js';
import { readPart } from './read-safetensors.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await openFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

const byHash: SplitSpec = { kind: 'hash', by: ['id'], train: 0.8, validation: 0.1, test: 0.1, seed: 7, stratify: null };

interface FitSpec {
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly label: string | readonly string[];
  readonly task: 'binary' | 'multiclass' | 'regression';
  readonly weight?: string;
}

async function makeFeed(
  dataset: Artifact,
  spec: FitSpec,
  split: SplitSpec = byHash,
  options: { threads?: number; signal?: AbortSignal } = {},
): Promise<{ feed: Artifact; statistics: Artifact }> {
  const { columns } = dataset.manifest.meta as unknown as { columns: [] };
  const fit = traceFit({
    columns,
    label: spec.label,
    task: spec.task,
    inputs: spec.inputs as never,
    network: network(dense(4, 'relu'), output()),
    loss: null,
    weight: spec.weight ?? null,
  });
  const labels = typeof spec.label === 'string' ? [spec.label] : spec.label;
  const context = fixture.context(options);
  const statistics = await fixture.run(
    statisticsOperator,
    { split, slots: fit.slots, label: { columns: labels, task: spec.task }, inputs: Object.keys(spec.inputs) },
    { dataset },
    context,
  );
  const feed = await fixture.run(
    feedOperator,
    { split, graph: encodePart(fit.graph), label: fit.label },
    { dataset, statistics },
    context,
  );
  return { feed, statistics };
}

const people = `SELECT i AS id, CASE WHEN i % 7 = 0 THEN NULL ELSE (i * 37) % 91 END::INTEGER AS age, (i % 1000)::DOUBLE / 8 AS amount,
  CASE WHEN i % 11 = 0 THEN NULL WHEN i % 13 = 0 THEN '' ELSE 'plan ' || i % 5 END AS plan, i % 3 = 0 AS churned, (1 + i % 4)::DOUBLE AS w, 'k' || i % 3 AS kind
  FROM range(5000) t(i) ORDER BY i`;
const inputs = { age: standardize(), amount: log1p(), plan: embed({ dimension: 2, minCount: 1 }) };

describe('feed', () => {
  it('holds the encoded train and validation rows in the order of the dataset', async () => {
    const dataset = await fixture.dataset(people, { key: ['id'], required: ['w'] });
    const { feed } = await makeFeed(dataset, { inputs, label: 'churned', task: 'binary', weight: 'w' });
    const meta = feed.manifest.meta as unknown as FeedMeta;
    expect(meta).toMatchObject({
      floats: ['age', 'age.missing', 'amount', 'amount.missing'],
      indices: ['plan'],
      hasWeight: true,
      targets: 1,
    });
    await using session = await fixture.sql.open({ readable: [dataset.directory], writable: [] });
    const { rows } = await session.query(
      `SELECT id, age IS NULL AS missing, churned, w, CASE WHEN plan IS NULL OR plan = '' THEN 0 ELSE 2 + CAST(plan[6:] AS INTEGER) END AS index FROM '${dataset.directory}/part-0.parquet' WHERE md5('7:' || id) < 'cccccccccccd' ORDER BY id`,
    );
    const train = await readPart(feed, 'train');
    expect(meta.splits.train.rows).toBe(rows.length);
    expect(train['index']).toEqual(rows.map((row) => row['index']));
    expect(train['label']).toEqual(rows.map((row) => (row['churned'] === true ? 1 : 0)));
    expect(train['weight']).toEqual(rows.map((row) => row['w']));
    expect(train['float']!.filter((_, index) => index % 4 === 1)).toEqual(
      rows.map((row) => (row['missing'] === true ? 1 : 0)),
    );
    const ages = train['float']!.filter((_, index) => index % 4 === 0);
    expect(Math.abs(ages.reduce((sum, age) => sum + age, 0) / ages.length)).toBeLessThan(1e-6);
  });

  it.each([
    [
      'validation',
      1000,
      'column w: expected a weight above 0 in the validation split; received 0 in all of its 1000 rows. Mend the weights in the SQL that makes the dataset, or leave weight out of fit.',
    ],
    [
      'train and validation',
      0,
      [
        'column w: expected a weight above 0 in the train split; received 0 in all of its 2000 rows. Mend the weights in the SQL that makes the dataset, or leave weight out of fit.',
        'column w: expected a weight above 0 in the validation split; received 0 in all of its 1000 rows. Mend the weights in the SQL that makes the dataset, or leave weight out of fit.',
      ].join('\n'),
    ],
  ])('refuses weights that are 0 in all rows of %s', async (_splits, weighed, message) => {
    const dataset = await fixture.dataset(
      `SELECT i AS id, i % 97 AS x, i % 3 = 0 AS y, (CASE WHEN i < ${weighed} OR i >= 3000 THEN 1 ELSE 0 END)::DOUBLE AS w, CASE WHEN i < 2000 THEN 'train' WHEN i < 3000 THEN 'validation' ELSE 'test' END AS part FROM range(4000) t(i) ORDER BY i`,
      { key: ['id'], required: ['w', 'part'] },
    );
    const byColumn: SplitSpec = { kind: 'column', column: 'part', validation: null };
    await expect(
      makeFeed(dataset, { inputs: { x: standardize() }, label: 'y', task: 'binary', weight: 'w' }, byColumn),
    ).rejects.toMatchObject({ code: 'DATA_OUT_OF_RANGE', message });
  });

  it('gives equal bytes at 1, 2, 3 and 8 threads', async () => {
    const dataset = await fixture.dataset(
      `SELECT i AS id, sin(i) * 100 AS x, 'v' || (i * 31) % 977 AS v, (i % 5)::INTEGER AS y FROM range(250000) t(i) ORDER BY i`,
      { key: ['id'] },
    );
    const digests = new Set<string>();
    for (const threads of [1, 2, 3, 8]) {
      const { feed, statistics } = await makeFeed(
        dataset,
        { inputs: { x: standardize(), v: embed({ dimension: 2 }) }, label: 'y', task: 'multiclass' },
        byHash,
        { threads },
      );
      digests.add(`${statistics.digest} ${feed.digest}`);
    }
    expect(digests.size).toBe(1);
  });

  it('reads several partitions as one dataset', async () => {
    const whole = await fixture.dataset(people, { key: ['id'] });
    const parts = [0, 1, 2].map(
      (part) =>
        `SELECT * FROM (${people}) WHERE id >= ${part * 1000} AND id < ${part === 2 ? 5000 : (part + 1) * 1000} ORDER BY id`,
    );
    const split = await fixture.dataset(parts, { key: ['id'] });
    const spec: FitSpec = { inputs, label: 'churned', task: 'binary' };
    const [one, several] = [await makeFeed(whole, spec), await makeFeed(split, spec)];
    expect(several.feed.digest).toBe(one.feed.digest);
  });

  it('keeps an axis for a single regression target and puts several side by side', async () => {
    const dataset = await fixture.dataset(people, { key: ['id'] });
    const { feed: single } = await makeFeed(dataset, {
      inputs: { age: minMax() },
      label: 'amount',
      task: 'regression',
    });
    const { feed: double } = await makeFeed(dataset, {
      inputs: { age: minMax() },
      label: ['amount', 'w'],
      task: 'regression',
    });
    const a = await readPart(single, 'validation');
    const b = await readPart(double, 'validation');
    expect((double.manifest.meta as unknown as FeedMeta).targets).toBe(2);
    expect(b['label']!.filter((_, index) => index % 2 === 0)).toEqual(a['label']);
  });

  it.each([
    [
      'NaN in a number',
      `CASE WHEN i = 40 THEN 'NaN'::DOUBLE ELSE i END AS x, i % 2 = 0 AS y`,
      { x: standardize() },
      'DATA_NOT_FINITE',
      'column x: expected finite numbers; received 1 of 1000 rows that are NaN or infinite, the first in row 40 (from 0). Filter these rows out, or write NULL where a value is missing.',
    ],
    [
      'infinity that a bucket would hide',
      `CASE WHEN i >= 998 THEN 'inf'::DOUBLE ELSE i END AS x, i % 2 = 0 AS y`,
      { x: bucketize({ edges: [10, 20] }) },
      'DATA_NOT_FINITE',
      'column x: expected finite numbers; received 2 of 1000 rows that are NaN or infinite, the first in row 998 (from 0). Filter these rows out, or write NULL where a value is missing.',
    ],
    [
      'an integer that float64 cannot hold',
      `CASE WHEN i = 3 THEN 9007199254740993 ELSE i END AS x, i % 2 = 0 AS y`,
      { x: standardize() },
      'DATA_OUT_OF_RANGE',
      'column x: expected integers from -2^53 to 2^53, which a float holds exactly; received 1 of 1000 rows that are beyond that, the first in row 3 (from 0). Use the column as a category, or scale it in SQL.',
    ],
    [
      'a number beyond float32',
      `CASE WHEN i = 5 THEN 1e39 ELSE i END AS x, i % 2 = 0 AS y`,
      { x: passthrough() },
      'DATA_OUT_OF_RANGE',
      'column x: expected values whose encoding fits float32; received 1 of 1000 rows that are beyond 3.4e38, the first in row 5 (from 0). Scale the column in SQL, or use standardize().',
    ],
    [
      'a label that is NULL',
      `i::DOUBLE AS x, CASE WHEN i = 2 THEN NULL ELSE i % 2 = 0 END AS y`,
      { x: standardize() },
      'DATA_NULL',
      'column y: expected a value in every row; received 1 of 1000 rows that are missing, the first in row 2 (from 0). Filter these rows out in the SQL that makes the dataset.',
    ],
    [
      'a label of one class',
      `i::DOUBLE AS x, TRUE AS y`,
      { x: standardize() },
      'DATA_SINGLE_CLASS',
      "column y: expected a label with at least two classes in the train split; received one: 'true'. Look at the SQL that makes the label, or stratify the split by it.",
    ],
    [
      'NUL inside a text',
      `'a' || CASE WHEN i = 9 THEN chr(0) ELSE '' END AS x, i % 2 = 0 AS y`,
      { x: embed({ dimension: 1 }) },
      'DATA_TYPE',
      "column x: expected text without NUL characters; received 1 distinct values with one. Take them out in SQL: replace(column, chr(0), '').",
    ],
  ])('refuses %s', async (_name, columns, features, code, message) => {
    const dataset = await fixture.dataset(
      `SELECT i AS id, CASE WHEN i < 990 AND i % 100 <> 99 OR i < 100 THEN 'train' ELSE 'validation' END AS part, ${columns} FROM range(1000) t(i) ORDER BY i`,
    );
    const error = await makeFeed(
      dataset,
      { inputs: features, label: 'y', task: 'binary' },
      { kind: 'column', column: 'part', validation: null },
    ).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code, message });
  });

  it('names a class that only validation has', async () => {
    const dataset = await fixture.dataset(
      `SELECT i AS id, i::DOUBLE AS x, CASE WHEN i < 90 THEN 'train' ELSE 'validation' END AS part, CASE WHEN i = 95 THEN 'c' WHEN i % 2 = 0 THEN 'a' ELSE 'b' END AS y FROM range(100) t(i) ORDER BY i`,
    );
    await expect(
      makeFeed(
        dataset,
        { inputs: { x: standardize() }, label: 'y', task: 'multiclass' },
        { kind: 'column', column: 'part', validation: null },
      ),
    ).rejects.toMatchObject({
      code: 'DATA_OUT_OF_RANGE',
      message:
        'column y: expected classes that the train split has; received 1 of 100 rows that are of another class, the first in row 95 (from 0). Stratify the split by the label, or filter rare classes out.',
    });
  });

  it('names the empty part and the rows of the others', async () => {
    const dataset = await fixture.dataset(
      `SELECT i AS id, i::DOUBLE AS x, i % 2 = 0 AS y, 'train' AS part FROM range(3) t(i) ORDER BY i`,
    );
    await expect(
      makeFeed(
        dataset,
        { inputs: { x: standardize() }, label: 'y', task: 'binary' },
        { kind: 'column', column: 'part', validation: null },
      ),
    ).rejects.toMatchObject({
      code: 'SPLIT_EMPTY',
      message:
        'split.validation: expected at least one row in validation; received 0 of 3 rows (train 3, validation 0, test 0). Change the fractions, the cuts or the column of the split, or give it more rows.',
    });
  });

  it('says that a dataset has no rows', async () => {
    const dataset = await fixture.dataset(`SELECT i AS id, i::DOUBLE AS x, i % 2 = 0 AS y FROM range(0) t(i)`);
    await expect(makeFeed(dataset, { inputs: { x: standardize() }, label: 'y', task: 'binary' })).rejects.toMatchObject(
      {
        code: 'DATA_EMPTY',
        message:
          'split: expected a dataset with rows; received 0 rows. Look at the SQL that makes it: a filter or a join may drop them all.',
      },
    );
  });

  it('ends with CANCELLED when its signal is aborted half-way, and leaves nothing', async () => {
    const dataset = await fixture.dataset(
      `SELECT i AS id, i::DOUBLE AS x, i % 2 = 0 AS y FROM range(2000000) t(i) ORDER BY i`,
      { key: ['id'] },
    );
    const { statistics } = await makeFeed(dataset, { inputs: { x: standardize() }, label: 'y', task: 'binary' });
    const { columns } = dataset.manifest.meta as unknown as { columns: [] };
    const fit = traceFit({
      columns,
      label: 'y',
      task: 'binary',
      inputs: { x: standardize() } as never,
      network: network(output()),
      loss: null,
      weight: null,
    });
    const controller = new AbortController();
    const running = fixture.run(
      feedOperator,
      { split: byHash, graph: encodePart(fit.graph), label: fit.label },
      { dataset, statistics },
      fixture.context({ signal: controller.signal }),
    );
    setTimeout(() => controller.abort(), 250);
    await expect(running).rejects.toMatchObject({
      code: 'CANCELLED',
      message: 'feed: expected to finish; received a cancellation.',
    });
  });
});
