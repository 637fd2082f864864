import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { querySql, type SqlQuery } from '../../../cli/sql-query.js';
import type { Artifact } from '../../../pipelines/contracts/artifacts.js';
import { errorOf, openSqlBench, type SqlBench } from '../operators/sql/sql-stage.js';

let bench: SqlBench;
let rows: Artifact;
beforeAll(async () => {
  bench = await openSqlBench();
  const text =
    "SELECT range AS id, CASE WHEN range = 1 THEN NULL ELSE 'a \"b\"' || chr(27) END AS s, TIMESTAMP '2026-01-02 03:04:05.000006' AS t, [1.5, 2.5]::FLOAT[2] AS v FROM range(3)";
  rows = (await bench.run({ relation: { kind: 'sql', text, values: [], relations: [], columns: null }, key: ['id'] }))
    .artifact;
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
});

async function output(sql: string, format: SqlQuery['format'], more: Partial<SqlQuery> = {}): Promise<string> {
  let text = '';
  for await (const piece of querySql({
    engine: bench.sql,
    datasets: { rows, 'my rows': join(rows.directory, 'part-00000.parquet'), folder: rows.directory },
    sql,
    format,
    ...more,
  }))
    text += piece;
  return text;
}

test('prints a table in which data cannot drive the terminal', async () => {
  expect(await output('SELECT id, s FROM rows ORDER BY id;', 'table', { maxRows: 2 })).toBe(
    [
      '┌────┬─────────────┐',
      '│ id │ s           │',
      '├────┼─────────────┤',
      '│  0 │ a "b"\\u001b │',
      '│  1 │ NULL        │',
      '└────┴─────────────┘',
      '3 rows, the first 2 shown',
      '',
    ].join('\n'),
  );
});

test('writes CSV and JSON as the type table says', async () => {
  expect(await output('SELECT id, s, t, v FROM ROWS WHERE id < 2 ORDER BY id -- end', 'csv')).toBe(
    'id,s,t,v\n0,"a ""b""\u001b",2026-01-02T03:04:05.000006Z,"[1.5,2.5]"\n1,,2026-01-02T03:04:05.000006Z,"[1.5,2.5]"\n',
  );
  expect(
    JSON.parse(
      await output(
        "SELECT id, 9007199254740993 AS big, 'nan'::DOUBLE AS n, '\\xff'::BLOB AS b FROM rows WHERE id = 1",
        'json',
      ),
    ),
  ).toEqual({
    columns: [
      { name: 'id', type: { kind: 'int64', nullable: true } },
      { name: 'big', type: { kind: 'int64', nullable: true } },
      { name: 'n', type: { kind: 'float64', nullable: true } },
      { name: 'b', type: { kind: 'bytes', nullable: true } },
    ],
    rows: [[1, '9007199254740993', 'NaN', '/w==']],
  });
  expect(JSON.parse(await output('SELECT id FROM rows WHERE false', 'json'))).toMatchObject({ rows: [] });
});

test('reads files and folders by name, and streams all rows', async () => {
  expect(await output('SELECT count(*) AS n FROM "my rows" a, folder b', 'csv')).toBe('n\n9\n');
  expect((await output('SELECT range FROM rows, range(10000)', 'csv')).split('\n')).toHaveLength(30_002);
});

test.each([
  [
    'SELECT * FROM row',
    'SQL_INVALID',
    "sql: expected a dataset of 'rows', 'my rows', 'folder'; received the table 'row'. Did you mean 'rows'?",
  ],
  [
    'SELECT id,\n  idd FROM rows',
    'SQL_UNKNOWN_COLUMN',
    "sql:2:3: expected a column of the tables it reads, such as 'id'; received 'idd'. Did you mean 'id'?",
  ],
  [
    "COPY rows TO '/tmp/x'",
    'SQL_REFUSED',
    'sql: expected one SELECT statement; received a statement of another kind. COPY, ATTACH, CREATE, INSERT, SET, PRAGMA, CALL, PIVOT and the like are not for datasets; a PIVOT is written as aggregates with FILTER.',
  ],
  [
    "SELECT *\nFROM read_text('/etc/passwd')",
    'SQL_REFUSED',
    "sql:2:6: expected a SELECT over datasets alone; received the table function 'read_text'. Name files by csv(), parquet(), json() or arrow().",
  ],
])('refuses %s', async (sql, code, message) => {
  expect(await errorOf(output(sql, 'csv'))).toEqual({ code, message });
});

test('is cancelled in the middle', async () => {
  expect(
    (
      await errorOf(
        output('SELECT count(*) FROM range(1000000000) a, rows b', 'csv', { signal: AbortSignal.timeout(100) }),
      )
    ).code,
  ).toBe('CANCELLED');
});
