import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Relation, SourceSpec } from '../../../../pipelines/plan/relation.js';
import type { Column } from '../../../../pipelines/types/column-type.js';
import { column, errorOf, openSqlBench, type SqlBench } from './sql-stage.js';

let bench: SqlBench;
beforeAll(async () => {
  bench = await openSqlBench();
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
});

const csv = (
  path: string,
  columns: readonly Column[] | null = null,
  more: Partial<Extract<SourceSpec, { format: 'csv' }>> = {},
): Relation => ({
  kind: 'source',
  source: {
    format: 'csv',
    path,
    columns,
    header: true,
    names: null,
    nulls: [],
    trim: false,
    lineNumber: null,
    delimiter: ',',
    ...more,
  },
});
const sql = (
  text: string,
  relations: readonly Relation[] = [],
  more: Partial<Extract<Relation, { kind: 'sql' }>> = {},
): Relation => ({
  kind: 'sql',
  text,
  values: [],
  relations,
  columns: null,
  ...more,
});

test('writes a CSV file as a dataset in the order of its key, with digests and statistics', async () => {
  await writeFile(join(bench.root, 'a.csv'), 'id,x,name\n3,1.5,c\n1,2.5,a\n2,,b\n');
  const { artifact, meta, result } = await bench.run({ relation: csv('a.csv'), key: ['id'] });
  expect(meta.rows).toBe(3);
  expect(meta.key).toEqual(['id']);
  expect(
    meta.columns.map(({ name, type, nulls, minimum, maximum }) => [name, type.kind, nulls, minimum, maximum]),
  ).toEqual([
    ['id', 'int64', 0, '1', '3'],
    ['x', 'float64', 1, '1.5', '2.5'],
    ['name', 'string', 0, 'a', 'c'],
  ]);
  expect(await bench.rows(artifact)).toEqual([
    { id: 1n, x: 2.5, name: 'a' },
    { id: 2n, x: null, name: 'b' },
    { id: 3n, x: 1.5, name: 'c' },
  ]);
  expect(new Set(meta.columns.map((each) => each.digest)).size).toBe(3);
  expect(result.summary).toMatchObject({ rows: 3, oneThreadBecauseOf: [] });
});

test('fuses SQL over SQL over a source and an input, with values renumbered', async () => {
  await writeFile(join(bench.root, 'people.csv'), 'id,age\n1,20\n2,30\n3,40\n');
  const input = await bench.run({
    relation: sql('SELECT 1::BIGINT AS id, $1 AS plan UNION ALL SELECT 2, $2', [], {
      values: ['gold', "it's {{0}} $1"],
    }),
  });
  const older = sql("SELECT * FROM {{0}} WHERE age >= $1 AND '$1 {{9}}' <> '' -- $7 {{3}}\n;", [csv('people.csv')], {
    values: [25n],
  });
  const relation = sql(
    'SELECT o.id, o.age + $1 AS age, p.plan FROM {{0}} o LEFT JOIN {{1}} p ON p.id = o.id AND o.age < $2',
    [older, { kind: 'input', input: 'plans' }],
    {
      values: [1n, 100n],
    },
  );
  const { artifact } = await bench.run(
    { relation, columns: [column('id', 'int64'), column('age', 'int32'), column('plan', 'string', true)], key: ['id'] },
    { inputs: { plans: input.artifact } },
  );
  expect(await bench.rows(artifact)).toEqual([
    { id: 2n, age: 31, plan: "it's {{0}} $1" },
    { id: 3n, age: 41, plan: null },
  ]);
});

test("names line and column of the user's text where a column is unknown, with the nearest name", async () => {
  const relation = sql('SELECT\n  p.id,\n  p.agee\nFROM {{0}} p', [csv('people.csv')]);
  expect(await errorOf(bench.run({ relation: sql('SELECT * FROM {{0}}', [relation]) }))).toEqual({
    code: 'SQL_UNKNOWN_COLUMN',
    message:
      "rows:3:3: expected a column of the tables it reads, such as 'id', 'age'; received 'agee'. Did you mean 'age'?",
  });
});
