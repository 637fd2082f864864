// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the texts show users what to write.
import { appendFile, writeFile } from 'node:fs/promises';
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

test('keeps the summary of a wide dataset small', async () => {
  const fields = Array.from({ length: 3000 }, (_, index) => `1 AS "a column with a long name, number ${index}"`);
  const { meta, result } = await bench.run({ relation: sql(`SELECT ${fields.join(', ')}`) });
  expect(meta.columns).toHaveLength(3000);
  expect(result.summary).toEqual({ rows: 1, columns: 3000, bytes: expect.any(Number), oneThreadBecauseOf: [] });
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

test('writes zero rows with their columns', async () => {
  const { meta, artifact } = await bench.run({
    relation: sql('SELECT 1::BIGINT AS id, [1.5] AS l, NULL AS n WHERE false'),
    key: ['id'],
  });
  expect(meta.rows).toBe(0);
  expect(meta.columns.map((each) => [each.name, each.type.kind, each.nulls, each.minimum])).toEqual([
    ['id', 'int64', 0, null],
    ['l', 'list', 0, null],
    ['n', 'int32', 0, null],
  ]);
  expect(await bench.rows(artifact)).toEqual([]);
  const again = await bench.run({ relation: { kind: 'input', input: 'a' } }, { inputs: { a: artifact } });
  expect(again.meta.columns.map((each) => each.type.kind)).toEqual(['int64', 'list', 'int32']);
});

test('keeps every row of the type table through a written dataset', async () => {
  const relation =
    sql(`SELECT true AS b, 1::TINYINT AS i8, 2::SMALLINT AS i16, 3::INTEGER AS i32, 4::BIGINT AS i64, 5::UTINYINT AS u8,
    6::USMALLINT AS u16, 7::UINTEGER AS u32, 18446744073709551615::UBIGINT AS u64, 1.5::FLOAT AS f32, 2.5::DOUBLE AS f64, 1.25::DECIMAL(10,2) AS d,
    'x' AS s, '\\x00\\xff'::BLOB AS by, DATE '2026-01-02' AS da, TIMESTAMP '2026-01-02 03:04:05.000006' AS ts, [1, NULL, 3] AS li,
    [1.5, 2.5]::FLOAT[2] AS te, [[1,2,3],[4,5,6]]::FLOAT[3][2] AS te2, {'a': 1, 'b c': ['x']} AS st,
    '00000000-0000-0000-0000-000000000001'::UUID AS u, TIMESTAMPTZ '2026-01-02 03:04:05+02' AS tz, 12::HUGEINT AS h, 'p'::ENUM('p','q') AS e, TIMESTAMP_NS '2026-01-01 00:00:00.000000001' AS ns, '{}'::JSON AS j`);
  const { meta, artifact } = await bench.run({ relation });
  expect(meta.columns.map((each) => each.type.kind)).toEqual([
    'bool',
    'int8',
    'int16',
    'int32',
    'int64',
    'uint8',
    'uint16',
    'uint32',
    'uint64',
    'float32',
    'float64',
    'decimal',
    'string',
    'bytes',
    'date',
    'timestamp',
    'list',
    'tensor',
    'tensor',
    'struct',
    'string',
    'timestamp',
    'int64',
    'string',
    'timestamp',
    'string',
  ]);
  const again = await bench.run({ relation: { kind: 'input', input: 'a' } }, { inputs: { a: artifact } });
  expect(again.meta.columns.map((each) => each.type)).toEqual(meta.columns.map((each) => each.type));
  expect(again.meta.columns.map((each) => each.digest)).toEqual(meta.columns.map((each) => each.digest));
  const [row] = await bench.rows(artifact);
  expect(row).toMatchObject({
    b: true,
    i8: 1,
    i64: 4n,
    u64: 18446744073709551615n,
    f32: 1.5,
    d: '1.25',
    s: 'x',
    by: new Uint8Array([0, 255]),
    da: '2026-01-02',
    ts: 1767323045000006n,
    li: [1, null, 3],
    te: [1.5, 2.5],
    te2: [
      [1, 2, 3],
      [4, 5, 6],
    ],
    st: { a: 1, 'b c': ['x'] },
    u: '00000000-0000-0000-0000-000000000001',
    tz: 1767315845000000n,
    h: 12n,
    e: 'p',
    j: '{}',
  });
  expect(meta.columns.find((each) => each.name === 'li')).toMatchObject({ nulls: 0, minimum: null });
});

test.each([
  [
    'TIME',
    "TIME '10:00'",
    'sql.x: expected a type of the type table; received TIME. Cast the column to VARCHAR, or epoch_us(…) for a BIGINT of µs.',
  ],
  [
    'INTERVAL',
    'INTERVAL 1 DAY',
    'sql.x: expected a type of the type table; received INTERVAL. Cast the column to a BIGINT by epoch_us(…), or VARCHAR.',
  ],
  [
    'MAP',
    "MAP {'a': 1}",
    'sql.x: expected a type of the type table; received MAP. Cast the column to map_entries(…), a list of structs.',
  ],
  [
    'UNION',
    'union_value(a := 1)',
    'sql.x: expected a type of the type table; received UNION. Cast the column to a VARCHAR or a STRUCT.',
  ],
])('refuses %s with the cast to write', async (_, expression, message) => {
  expect(await errorOf(bench.run({ relation: sql(`SELECT ${expression} AS x`) }))).toEqual({
    code: 'DATA_TYPE',
    message: message.replace('sql.x', 'rows.columns.x'),
  });
});

test('refuses a HUGEINT that does not fit, with the count', async () => {
  expect(
    await errorOf(bench.run({ relation: sql('SELECT 9223372036854775807::HUGEINT + range AS x FROM range(3)') })),
  ).toEqual({
    code: 'DATA_OUT_OF_RANGE',
    message:
      'rows.columns.x: expected int64 in every row; received 2 of 3 rows whose int64 is not one. Declare a wider type, or round in SQL.',
  });
});

test.each<[string, string, Column, string, string]>([
  [
    'a fraction where an integer is declared',
    '1.5::DOUBLE',
    column('x', 'int32'),
    'DATA_OUT_OF_RANGE',
    'rows.columns.x: expected int32 in every row; received 2 of 2 rows whose float64 is not one. Declare a wider type, or round in SQL.',
  ],
  [
    'NaN where an integer is declared',
    "'nan'::DOUBLE",
    column('x', 'int64'),
    'DATA_OUT_OF_RANGE',
    'rows.columns.x: expected int64 in every row; received 2 of 2 rows whose float64 is not one. Declare a wider type, or round in SQL.',
  ],
  [
    'a text where a number is declared',
    "'secret'",
    column('x', 'float64'),
    'DATA_TYPE',
    'rows.columns.x: expected float64 in every row; received 2 of 2 rows whose string is not one. Clean the column in SQL, or declare it as it is.',
  ],
  [
    'a text with a fraction where an integer is declared',
    "'1.5'",
    column('x', 'int64'),
    'DATA_TYPE',
    'rows.columns.x: expected int64 in every row; received 2 of 2 rows whose string is not one. Clean the column in SQL, or declare it as it is.',
  ],
  [
    'a number out of range',
    '300',
    column('x', 'uint8'),
    'DATA_OUT_OF_RANGE',
    'rows.columns.x: expected uint8 in every row; received 2 of 2 rows whose int32 is not one. Declare a wider type, or round in SQL.',
  ],
  [
    '7 for a bool',
    '7',
    column('x', 'bool'),
    'DATA_TYPE',
    'rows.columns.x: expected bool in every row; received 2 of 2 rows whose int32 is not one. Clean the column in SQL, or declare it as it is.',
  ],
  [
    'a null',
    'NULL::INT',
    column('x', 'int32'),
    'DATA_NULL',
    'rows.columns.x: expected no null; received 2 of 2 rows with one. Declare x as nullable, or filter or fill the rows in SQL.',
  ],
  [
    'a struct for a number',
    "{'a': 1}",
    column('x', 'int32'),
    'DATA_TYPE',
    'rows.columns.x: expected int32; received struct { a: int32 }. Declare the type that the column has, or convert it in SQL.',
  ],
])('refuses %s, with the column and the count and no value', async (_, expression, declared, code, message) => {
  expect(
    await errorOf(bench.run({ relation: sql(`SELECT ${expression} AS x FROM range(2)`), columns: [declared] })),
  ).toEqual({ code, message });
});

test('checks a cast that is declared in the middle of a statement', async () => {
  const inner = (expression: string): Relation =>
    sql(`SELECT ${expression} AS x FROM range(3) t(i)`, [], { columns: [column('x', 'int32')] });
  expect(
    (await bench.run({ relation: sql('SELECT x + 1 AS y FROM {{0}}', [inner('i')]) })).meta.columns[0],
  ).toMatchObject({ name: 'y', minimum: '1', maximum: '3' });
  expect(await errorOf(bench.run({ relation: sql('SELECT x + 1 AS y FROM {{0}}', [inner("'a'")]) }))).toEqual({
    code: 'DATA_TYPE',
    message:
      'rows.columns.x: expected int32 in every row; received 3 of 3 rows whose string is not one. Clean the column in SQL, or declare it as it is.',
  });
  expect(
    await errorOf(bench.run({ relation: sql('SELECT x + 1 AS y FROM {{0}}', [inner('CASE WHEN i = 1 THEN 5 END')]) })),
  ).toEqual({
    code: 'DATA_NULL',
    message:
      'rows.columns.x: expected no null; received 2 of 3 rows with one. Declare x as nullable, or filter or fill the rows in SQL.',
  });
});

test('proves the key unique', async () => {
  expect(
    await errorOf(bench.run({ relation: sql('SELECT range % 4 AS id, range AS v FROM range(10)'), key: ['id'] })),
  ).toEqual({
    code: 'DATA_KEY_NOT_UNIQUE',
    message:
      'rows.key: expected rows that differ in id; received 6 of 10 rows that repeat a key. Aggregate or deduplicate in SQL, or name more columns in the key.',
  });
  const { meta } = await bench.run({
    relation: sql('SELECT range % 4 AS id, range AS v FROM range(10)'),
    key: ['id', 'v'],
  });
  expect(meta.key).toEqual(['id', 'v']);
});

test('names a declared column that the result lacks', async () => {
  expect(await errorOf(bench.run({ relation: sql('SELECT 1 AS age'), columns: [column('agee', 'int32')] }))).toEqual({
    code: 'DATA_COLUMN_MISSING',
    message:
      "rows.columns.agee: expected a column 'agee' in the result; received the columns 'age'. Did you mean 'age'?",
  });
});

test.each([
  ['random()', "the function 'random'", 'Use a hash of the key and a bound seed: hash(id, ${seed}).'],
  ['now()', "the function 'now'", 'Bind the moment as a parameter: ${date(params.asOf)}.'],
  ['current_date', "the function 'current_date'", 'Bind the moment as a parameter: ${date(params.asOf)}.'],
  ['uuid()', "the function 'uuid'", 'Use a hash of the key and a bound seed: hash(id, ${seed}).'],
])('refuses %s with advice', async (expression, received, hint) => {
  expect(await errorOf(bench.run({ relation: sql(`SELECT ${expression} AS x`) }))).toEqual({
    code: 'SQL_REFUSED',
    message: `rows: expected a SELECT that gives the same rows each time; received ${received}. ${hint}`,
  });
});

test.each([
  ['an empty text', ' ', 'SQL_INVALID', 'rows: expected exactly one SELECT statement; received none.'],
  [
    'a syntax error',
    'SELECT 1\nFROM {{0}} WHERE (',
    'SQL_INVALID',
    'rows:2:19: expected one SELECT statement; received syntax error at end of input.',
  ],
  [
    'a table that is not given',
    'SELECT * FROM customers',
    'SQL_INVALID',
    "rows: expected the datasets that stand in it as ${…}, and its own WITH names; received the table 'customers'. Put the dataset itself into the text: FROM ${dataset}.",
  ],
  [
    'a function that is not there',
    'SELECT fooo(1)',
    'SQL_INVALID',
    "rows:1:8: expected a function that DuckDB has; received 'fooo'. Did you mean 'floor'?",
  ],
  [
    'a shadowed name',
    'WITH r0_ AS (SELECT 1) SELECT * FROM r0_',
    'SQL_INVALID',
    "rows: expected WITH names other than r0_, r1_ …, which stand for datasets; received 'r0_'. Rename it.",
  ],
  ['a value that is not bound', 'SELECT $1', 'SQL_INVALID', 'rows: expected no reference; received $1.'],
])('refuses %s', async (_, text, code, message) => {
  expect(await errorOf(bench.run({ relation: sql(text, [sql('SELECT 1 AS a')]) }))).toEqual({ code, message });
});

test('runs float sums on one thread and says so, and integer sums on all', async () => {
  const over = (expression: string): Relation =>
    sql(`SELECT range % 7 AS k, ${expression} AS s FROM range(1000) GROUP BY ALL`);
  const because = async (relation: Relation): Promise<unknown> =>
    ((await bench.run({ relation, key: ['k'] })).result.summary as { oneThreadBecauseOf: unknown }).oneThreadBecauseOf;
  expect(await because(over('sum(range / 3)'))).toEqual(['sum']);
  expect(await because(over('sum(range)'))).toEqual([]);
  expect(await because(over('avg(range)'))).toEqual([]);
  expect(await because(over('sum((range / 3)::DECIMAL(20, 5))'))).toEqual([]);
  expect(await because(over('first(range)'))).toEqual(['first']);
  expect(await because(over('sum(range / 3 ORDER BY range)'))).toEqual([]);
  expect(await because(sql('SELECT range AS k FROM range(9) LIMIT 3'))).toEqual(['LIMIT']);
  expect(await because(sql('SELECT range AS k, row_number() OVER (ORDER BY range) AS n FROM range(9)'))).toEqual([
    'row_number OVER',
  ]);
});

test.each<[string, Relation, string[], string, string]>([
  [
    'a key that the result lacks',
    sql('SELECT 1 AS id'),
    ['idd'],
    'CONFIG_INVALID',
    "rows.key: expected columns of the result, such as 'id'; received 'idd'. Did you mean 'id'?",
  ],
  [
    "a cast of the user's own that fails",
    sql("SELECT CAST(s AS INT) AS x FROM (SELECT 'secret' AS s)"),
    [],
    'DATA_TYPE',
    'rows: expected values that cast to int32; received one that does not. Clean the values before the cast, or use TRY_CAST and handle NULL.',
  ],
  [
    'an overflow',
    sql('SELECT range * 9223372036854775807 AS x FROM range(3)'),
    [],
    'DATA_OUT_OF_RANGE',
    'rows: expected arithmetic that stays in its type; received Overflow in multiplication of INT64 (…). Cast an operand to a wider type first.',
  ],
])('refuses %s', async (_, relation, key, code, message) => {
  const error = await errorOf(bench.run({ relation, key }));
  expect({ ...error, message: error.message.replace(" in 's'", '').replace(/^rows:\d+:\d+/, 'rows') }).toEqual({
    code,
    message,
  });
});

test('refuses rows of a file that changed while they were read', async () => {
  await writeFile(
    join(bench.root, 'moving.csv'),
    `id\n${Array.from({ length: 400_000 }, (_, index) => index).join('\n')}\n`,
  );
  const running = errorOf(
    bench.run({ relation: sql('SELECT id, md5(id::VARCHAR) AS h FROM {{0}}', [csv('moving.csv')]) }),
  );
  const timer = setInterval(() => void appendFile(join(bench.root, 'moving.csv'), '1\n'), 5);
  const error = await running;
  clearInterval(timer);
  expect({ ...error, message: error.message.replace(bench.root, 'ROOT') }).toEqual({
    code: 'SOURCE_CHANGED',
    message: expect.stringMatching(
      /^ROOT\/moving\.csv: expected a file that stays as it is while .* read.*; received one that (changed|is being written)\. Run again once its writer is done\.$/,
    ),
  });
});
