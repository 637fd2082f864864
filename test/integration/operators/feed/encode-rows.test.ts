import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeRows } from '../../../../operators/feed/encode-rows.js';
import { feedOperator } from '../../../../operators/feed/feed-operator.js';
import { readDataset } from '../../../../operators/split/read-dataset.js';
import { computeStatistics } from '../../../../operators/statistics/statistics-operator.js';
import type { Artifact } from '../../../../pipelines/contracts/artifacts.js';
import type { KeyContext, StageInput } from '../../../../pipelines/contracts/operator.js';
import { encodePart } from '../../../../pipelines/network/encode-part.js';
import { traceFit } from '../../../../pipelines/network/trace-fit.js';
import {
  bucketize,
  categoricalCrossEntropy,
  embed,
  network,
  output,
  passthrough,
  standardize,
} from '../../../../pipelines/nn.js';
import type { SplitSpec } from '../../../../pipelines/plan/relation.js';
import type { Column } from '../../../../pipelines/types/column-type.js';
import { type Fixture, openFixture } from './feed-fixture.js';
import { readShards } from './read-safetensors.js';

let fixture: Fixture;
let made = 0;
beforeAll(async () => {
  fixture = await openFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

const split: SplitSpec = { kind: 'hash', by: ['id'], train: 0.6, validation: 0.2, test: 0.2, seed: 1, stratify: null };

async function encode(
  dataset: Artifact,
  fit: {
    readonly inputs: Readonly<Record<string, unknown>>;
    readonly label: string;
    readonly task: 'binary' | 'multiclass' | 'regression';
    readonly weight?: string;
    readonly loss?: unknown;
  },
  part: 'train' | 'validation' | 'test' | null,
  withLabel: boolean,
  spec: SplitSpec = split,
) {
  const { columns } = dataset.manifest.meta as unknown as { columns: readonly Column[] };
  const traced = traceFit({
    columns,
    label: fit.label,
    task: fit.task,
    inputs: fit.inputs as never,
    network: network(output()),
    loss: (fit.loss ?? null) as never,
    weight: fit.weight ?? null,
  });
  const options = {
    split: spec,
    slots: [...traced.slots],
    label: { columns: [fit.label], task: fit.task },
    inputs: Object.keys(fit.inputs),
  };
  const { document } = await computeStatistics(fixture.context(), readDataset(dataset), options);
  const directory = join(fixture.directory, `rows-${made++}`);
  await mkdir(directory);
  const { rows, shards } = await encodeRows(fixture.context(), {
    dataset,
    split: spec,
    part,
    graph: traced.graph,
    label: withLabel ? traced.label : null,
    statistics: document,
    directory,
  });
  return { rows, shards, tensors: await readShards(shards.map(({ path }) => join(directory, path))) };
}

describe('encodeRows', () => {
  const select = `SELECT i AS id, i AS position, i % 3 AS code, i::DOUBLE AS x, i % 2 = 0 AS y FROM range(1000) t(i) ORDER BY i`;

  it('writes one part, or all rows, with or without the label', async () => {
    const dataset = await fixture.dataset(select, { key: ['id'] });
    const fit = {
      inputs: { x: passthrough(), position: passthrough(), code: embed({ dimension: 1 }) },
      label: 'y',
      task: 'binary' as const,
    };
    const counts: number[] = [];
    for (const part of ['train', 'validation', 'test'] as const) {
      const { rows, shards, tensors } = await encode(dataset, fit, part, true);
      counts.push(rows);
      expect(shards).toEqual([{ path: `${part}-00000.safetensors`, rows }]);
      expect(tensors['label']).toHaveLength(rows);
    }
    const all = await encode(dataset, fit, null, false);
    expect(all.rows).toBe(counts.reduce((sum, count) => sum + count, 0));
    expect(all.shards[0]!.path).toBe('all-00000.safetensors');
    expect(Object.keys(all.tensors).sort()).toEqual(['float', 'index']);
    // The fixture's columns are nullable, so that each number has an indicator beside it.
    expect(all.tensors['float']!.filter((_, index) => index % 4 === 0)).toEqual(
      Array.from({ length: 1000 }, (_, i) => i),
    );
    expect(all.tensors['index']).toEqual(Array.from({ length: 1000 }, (_, i) => 2 + (i % 3)));
  });

  it.each([1, 3, 4, 5, 8, 11])(
    'puts %i columns side by side, of rows that follow each other and of scattered ones',
    async (width) => {
      const names = Array.from({ length: width }, (_, column) => `x${column}`);
      const dataset = await fixture.dataset(
        `SELECT i AS id, ${names.map((name, column) => `(i * 16 + ${column})::FLOAT AS ${name}`).join(', ')}, i % 2 = 0 AS y FROM range(2999) t(i) ORDER BY i`,
        { key: ['id'], required: names },
      );
      const fit = {
        inputs: Object.fromEntries(names.map((name) => [name, passthrough()])),
        label: 'y',
        task: 'binary' as const,
      };
      const rowsOf = async (part: 'train' | 'validation' | 'test' | null): Promise<number[]> => {
        const { rows, tensors } = await encode(dataset, fit, part, false);
        const values = tensors['float']!;
        const firsts = Array.from({ length: rows }, (_, row) => values[row * width]!);
        expect(values).toEqual(firsts.flatMap((first) => names.map((_, column) => first + column)));
        return firsts.map((first) => first / 16);
      };
      const parts = [await rowsOf('train'), await rowsOf('validation'), await rowsOf('test')];
      for (const ids of parts) expect(ids).toEqual([...ids].sort((a, b) => a - b));
      const all = await rowsOf(null);
      expect(all).toEqual(Array.from({ length: 2999 }, (_, id) => id));
      expect(parts.flat().sort((a, b) => a - b)).toEqual(all);
    },
  );

  it('names the one bad column among those that are written together', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const select = names.map((name) =>
      name === 'c' ? `CASE WHEN i = 77 THEN 'nan'::DOUBLE ELSE i END AS c` : `i::DOUBLE AS ${name}`,
    );
    const dataset = await fixture.dataset(
      `SELECT i AS id, ${select.join(', ')}, i % 2 = 0 AS y FROM range(1000) t(i) ORDER BY i`,
      { required: names },
    );
    const inputs = Object.fromEntries(names.map((name) => [name, passthrough()]));
    await expect(encode(dataset, { inputs, label: 'y', task: 'binary' }, null, true)).rejects.toMatchObject({
      code: 'DATA_NOT_FINITE',
      message:
        'column c: expected finite numbers; received 1 of 1000 rows that are NaN or infinite, the first in row 77 (from 0). Filter these rows out, or write NULL where a value is missing.',
    });
  });

  it('looks 100,000 values up', async () => {
    const dataset = await fixture.dataset(
      `SELECT i AS id, 'w' || lpad((i % 100000)::VARCHAR, 6, '0') AS w, (i % 70000) * 3 AS n, i::DOUBLE AS y FROM range(200000) t(i) ORDER BY i`,
      { key: ['id'] },
    );
    const { tensors } = await encode(
      dataset,
      {
        inputs: { w: embed({ dimension: 1, minCount: 1 }), n: embed({ dimension: 1, minCount: 1 }) },
        label: 'y',
        task: 'regression',
      },
      null,
      false,
    );
    const { tensors: train } = await encode(
      dataset,
      { inputs: { w: embed({ dimension: 1, minCount: 1 }) }, label: 'y', task: 'regression' },
      'train',
      false,
    );
    expect(Math.min(...train['index']!.slice(0, 50_000))).toBeGreaterThanOrEqual(2);
    expect(new Set(train['index']).size).toBeGreaterThan(80_000);
    const seen = new Map<number, number>();
    tensors['index']!.forEach((index, at) => {
      if (at % 2 === 1 && index > 1) seen.set(index, ((at - 1) / 2) % 70_000);
    });
    // Indices follow the order of the values.
    const sorted = [...seen].sort(([a], [b]) => a - b).map(([, value]) => value);
    expect(sorted).toEqual([...sorted].sort((a, b) => a - b));
  });

  it('takes 200 columns and 256 edges', async () => {
    const names = Array.from({ length: 200 }, (_, index) => `x${index}`);
    const dataset = await fixture.dataset(
      `SELECT i AS id, i::DOUBLE AS y, ${names.map((name, index) => `(i + ${index})::FLOAT AS ${name}`).join(', ')} FROM range(300) t(i) ORDER BY i`,
      { key: ['id'] },
    );
    const inputs = Object.fromEntries(
      names.map((name, index) => [
        name,
        index === 0 ? bucketize({ edges: Array.from({ length: 256 }, (_, edge) => edge) }) : passthrough(),
      ]),
    );
    const { tensors, rows } = await encode(dataset, { inputs, label: 'y', task: 'regression' }, null, true);
    expect(tensors['float']).toHaveLength(rows * 199 * 2);
    expect(tensors['index']!.slice(0, 3)).toEqual([2, 3, 4]);
  });

  it('weighs a thousand classes', async () => {
    const dataset = await fixture.dataset(
      `SELECT i AS id, i::DOUBLE AS x, i % 1000 AS y, CASE WHEN i < 1000 THEN 'train' ELSE 'validation' END AS part FROM range(1100) t(i) ORDER BY i`,
      { key: ['id'] },
    );
    const classWeights = Object.fromEntries(
      Array.from({ length: 1000 }, (_, index) => [String(index), 1 + index / 1000]),
    );
    const { tensors } = await encode(
      dataset,
      { inputs: { x: standardize() }, label: 'y', task: 'multiclass', loss: categoricalCrossEntropy({ classWeights }) },
      null,
      true,
      { kind: 'column', column: 'part', validation: null },
    );
    expect(tensors['weight']!.slice(0, 1000)).toEqual(
      Array.from({ length: 1000 }, (_, index) => Math.fround(1 + index / 1000)),
    );
    expect(tensors['label']!.slice(998, 1002)).toEqual([998, 999, 0, 1]);
  });

  it.each([
    [
      '-0.5',
      'DATA_OUT_OF_RANGE',
      'column w: expected weights of 0 or more; received 1 of 1000 rows that are negative, the first in row 4 (from 0). Mend them in the SQL that makes the dataset.',
    ],
    [
      "'nan'",
      'DATA_NOT_FINITE',
      'column w: expected finite numbers; received 1 of 1000 rows that are NaN or infinite, the first in row 4 (from 0). Filter these rows out, or write NULL where a value is missing.',
    ],
  ])('refuses a weight of %s', async (weight, code, message) => {
    const dataset = await fixture.dataset(
      `SELECT i AS id, i::DOUBLE AS x, i % 2 = 0 AS y, CASE WHEN i = 4 THEN ${weight}::DOUBLE ELSE 1 END AS w FROM range(1000) t(i) ORDER BY i`,
      { required: ['w'] },
    );
    await expect(
      encode(dataset, { inputs: { x: standardize() }, label: 'y', task: 'binary', weight: 'w' }, null, true),
    ).rejects.toMatchObject({ code, message });
  });

  it('reports every bad column at once', async () => {
    const dataset = await fixture.dataset(
      `SELECT i AS id, CASE WHEN i < 900 THEN 'train' ELSE 'validation' END AS part, CASE WHEN i > 997 THEN 'inf'::DOUBLE ELSE i END AS a, CASE WHEN i = 999 THEN 9007199254740993 ELSE i END AS b, CASE WHEN i = 950 THEN 1e300 ELSE i END AS c, i % 2 = 0 AS y FROM range(1000) t(i) ORDER BY i`,
    );
    const inputs = { a: standardize(), b: standardize(), c: standardize() };
    await expect(
      encode(dataset, { inputs, label: 'y', task: 'binary' }, 'validation', true, {
        kind: 'column',
        column: 'part',
        validation: null,
      }),
    ).rejects.toMatchObject({
      message: [
        'column a: expected finite numbers; received 2 of 1000 rows that are NaN or infinite, the first in row 998 (from 0). Filter these rows out, or write NULL where a value is missing.',
        'column b: expected integers from -2^53 to 2^53, which a float holds exactly; received 1 of 1000 rows that are beyond that, the first in row 999 (from 0). Use the column as a category, or scale it in SQL.',
        'column c: expected values whose encoding fits float32; received 1 of 1000 rows that are beyond 3.4e38, the first in row 950 (from 0). Scale the column in SQL, or use standardize().',
      ].join('\n'),
    });
  });

  it('writes nothing for a part without rows', async () => {
    const dataset = await fixture.dataset(
      `SELECT i AS id, i::DOUBLE AS x, i % 2 = 0 AS y, CASE WHEN i < 5 THEN 'train' ELSE 'validation' END AS part FROM range(10) t(i) ORDER BY i`,
    );
    const { rows, shards } = await encode(
      dataset,
      { inputs: { x: standardize() }, label: 'y', task: 'binary' },
      'test',
      true,
      { kind: 'column', column: 'part', validation: null },
    );
    expect([rows, shards]).toEqual([0, []]);
  });
});

describe('the key of a feed', () => {
  it('holds the statistics and the columns that it reads, and changes with none of the others', async () => {
    const dataset = await fixture.dataset(
      `SELECT i AS id, i::DOUBLE AS x, i % 2 = 0 AS y, i AS unused FROM range(9) t(i) ORDER BY i`,
      { key: ['id'] },
    );
    const { columns } = dataset.manifest.meta as unknown as { columns: readonly Column[] };
    const fit = traceFit({
      columns,
      label: 'y',
      task: 'binary',
      inputs: { x: standardize() } as never,
      network: network(output()),
      loss: null,
      weight: null,
    });
    const input = (artifact: Artifact): StageInput => ({
      stage: '',
      operator: '',
      artifacts: { [artifact.manifest.kind]: artifact },
      summary: null,
    });
    const statistics = {
      digest: 'd',
      directory: '',
      manifest: { formatVersion: 1, kind: 'statistics', files: [], meta: null },
    } as const;
    const parts = await feedOperator.keyParts!({} as KeyContext, {
      options: { split, graph: encodePart(fit.graph), label: fit.label },
      inputs: { dataset: input(dataset), statistics: input(statistics) },
    });
    expect(Object.keys(parts)).toEqual([
      'dataset.rows',
      'dataset.key',
      'dataset.column.id',
      'dataset.column.x',
      'dataset.column.y',
      'statistics',
    ]);
    expect(parts['statistics']).toBe('d');
  });
});
