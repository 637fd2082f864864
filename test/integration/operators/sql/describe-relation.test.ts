import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeRelation } from '../../../../operators/sql/describe-relation.js';
import type { Relation } from '../../../../pipelines/plan/relation.js';
import { column, errorOf, openSqlBench, type SqlBench } from './sql-stage.js';

let bench: SqlBench;
beforeAll(async () => {
  bench = await openSqlBench();
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
});

const sql = (
  text: string,
  relations: readonly Relation[] = [],
  more: Partial<Extract<Relation, { kind: 'sql' }>> = {},
): Relation => ({ kind: 'sql', text, values: [], relations, columns: null, ...more });
const input: Relation = { kind: 'input', input: 'people' };
const inputs = { people: [column('id', 'int32'), column('name', 'string', true)] };
const describe = (relation: Relation): ReturnType<typeof describeRelation> =>
  describeRelation(bench.sql, relation, inputs, bench.root, 'rows');

test('describes over inputs that are not written yet', async () => {
  expect(await describe(sql('SELECT id + 1 AS x, name FROM {{0}}', [input]))).toEqual([
    column('x', 'int32', true),
    column('name', 'string', true),
  ]);
  expect(await describe(input)).toEqual([column('id', 'int32', true), column('name', 'string', true)]);
});

test('gives the declared columns where they can be cast to', async () => {
  const declared = [column('id', 'int64')];
  expect(await describe(sql('SELECT id FROM {{0}}', [input], { columns: declared }))).toEqual(declared);
  expect(
    await errorOf(describe(sql("SELECT DATE '2026-01-01' AS id FROM {{0}}", [input], { columns: declared }))),
  ).toEqual({
    code: 'DATA_TYPE',
    message:
      'rows.columns.id: expected int64; received date. Declare the type that the column has, or convert it in SQL.',
  });
});

test('finds an unknown column in the text that has it, three levels down', async () => {
  await writeFile(join(bench.root, 'events.csv'), 'id,moment\n1,2026-01-01\n');
  const events: Relation = {
    kind: 'source',
    source: {
      format: 'csv',
      path: 'events.csv',
      columns: null,
      header: true,
      names: null,
      nulls: [],
      trim: false,
      lineNumber: null,
      delimiter: ',',
    },
  };
  const inner = sql('SELECT id,\n\n       momnt FROM {{0}}', [events]);
  expect(
    await errorOf(
      describe(sql('SELECT * FROM {{0}} JOIN {{1}} USING (id)', [sql('SELECT *\nFROM {{0}}', [inner]), input])),
    ),
  ).toEqual({
    code: 'SQL_UNKNOWN_COLUMN',
    message:
      "rows:3:8: expected a column of the tables it reads, such as 'moment'; received 'momnt'. Did you mean 'moment'?",
  });
});

const adult = join(process.env['MILLRACE_DATA'] ?? resolve('../shared/data'), 'adult');
test.skipIf(!existsSync(adult))('reads the census data with trimming, null words and line numbers', async () => {
  const names = [
    'age',
    'workclass',
    'fnlwgt',
    'education',
    'education_num',
    'marital_status',
    'occupation',
    'relationship',
    'race',
    'sex',
    'capital_gain',
    'capital_loss',
    'hours_per_week',
    'native_country',
    'income',
  ];
  const relation: Relation = {
    kind: 'source',
    source: {
      format: 'csv',
      path: join(adult, 'adult-train.csv'),
      columns: null,
      header: false,
      names,
      nulls: ['?'],
      trim: true,
      lineNumber: 'line',
      delimiter: ',',
    },
  };
  const { meta } = await bench.run({ relation, key: ['line'] });
  expect(meta.rows).toBe(32_561);
  expect(meta.columns.filter((each) => each.type.kind === 'int64').map((each) => each.name)).toEqual([
    'age',
    'fnlwgt',
    'education_num',
    'capital_gain',
    'capital_loss',
    'hours_per_week',
    'line',
  ]);
  expect(meta.columns.find((each) => each.name === 'workclass')?.nulls).toBe(1836);
  expect(meta.columns.at(-1)).toMatchObject({ minimum: '1', maximum: '32561' });
});
