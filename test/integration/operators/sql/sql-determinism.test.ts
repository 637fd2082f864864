import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Artifact } from '../../../../pipelines/contracts/artifacts.js';
import type { Relation } from '../../../../pipelines/plan/relation.js';
import { errorOf, openSqlBench, type SqlBench } from './sql-stage.js';

let bench: SqlBench;
let events: Artifact;
let people: Artifact;
beforeAll(async () => {
  bench = await openSqlBench();
  const made = async (text: string, key: string[]): Promise<Artifact> =>
    (await bench.run({ relation: sql(text), key })).artifact;
  events = await made(
    "SELECT range AS id, (range * 7919) % 5003 AS person, (hash(range) % 1000)::DOUBLE / 7 AS x, TIMESTAMP '2026-01-01' + INTERVAL 1 SECOND * (hash(range + 1) % 90000)::BIGINT AS moment FROM range(300000)",
    ['id'],
  );
  people = await made("SELECT range AS person, 'plan ' || (range % 5) AS plan FROM range(4000)", ['person']);
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
});

const sql = (text: string, relations: readonly Relation[] = []): Relation => ({
  kind: 'sql',
  text,
  values: [],
  relations,
  columns: null,
});
const inputs: readonly Relation[] = [
  { kind: 'input', input: 'events' },
  { kind: 'input', input: 'people' },
];

test.each<[string, string, string[]]>([
  ['a filter without a key', 'SELECT x, person FROM {{0}} WHERE id % 3 = 0', []],
  [
    'a float sum of many groups',
    'SELECT person, sum(x) AS s, avg(x) AS a, stddev(x) AS d FROM {{0}} GROUP BY person',
    ['person'],
  ],
  ['a join with DISTINCT', 'SELECT DISTINCT e.person, p.plan FROM {{0}} e LEFT JOIN {{1}} p USING (person)', []],
  [
    'windows over ties',
    'SELECT id, row_number() OVER (PARTITION BY person ORDER BY x) AS n, lag(x) OVER (PARTITION BY person ORDER BY moment) AS l FROM {{0}}',
    ['id'],
  ],
  [
    'an ASOF join over ties',
    'SELECT p.person, e.x FROM (SELECT person, 2000000 AS g FROM {{1}}) p ASOF JOIN (SELECT person, x, epoch_us(moment) // 1000000000 AS g FROM {{0}}) e ON p.person = e.person AND p.g >= e.g',
    [],
  ],
  ['LIMIT without an order', 'SELECT person, count(*) AS n FROM {{0}} GROUP BY person LIMIT 100', []],
  [
    'any_value, first and mode',
    'SELECT person, any_value(x) AS a, first(moment) AS f, mode(x) AS m FROM {{0}} GROUP BY person',
    ['person'],
  ],
])('writes the same bytes with 1, 2, 3 and 8 threads: %s', async (_, text, key) => {
  const digests: string[] = [];
  for (const threads of [1, 2, 3, 8]) {
    const { artifact } = await bench.run({ relation: sql(text, inputs), key }, { inputs: { events, people }, threads });
    digests.push(artifact.digest);
    // So that the next run writes it again.
    await rm(artifact.directory, { recursive: true });
  }
  expect(new Set(digests).size).toBe(1);
});

test('counts neither comments nor layout in the key, but values, files and columns', async () => {
  await writeFile(join(bench.root, 'a.csv'), 'id\n1\n');
  await writeFile(join(bench.root, 'b.csv'), 'id\n1\n');
  const csv = (path: string): Relation => ({
    kind: 'source',
    source: {
      format: 'csv',
      path,
      columns: null,
      header: true,
      names: null,
      nulls: [],
      trim: false,
      lineNumber: null,
      delimiter: ',',
    },
  });
  const parts = (text: string, more: Partial<Extract<Relation, { kind: 'sql' }>> = {}) =>
    bench.keyParts({ relation: { ...(sql(text, [csv('a.csv')]) as Extract<Relation, { kind: 'sql' }>), ...more } });
  const first = await parts('SELECT id FROM {{0}} WHERE id > $1', { values: [1n] });
  expect(
    await parts('select  id -- the id\nFROM {{0}}\n/* more */ WHERE id > $1;', {
      values: [{ kind: 'bigint', text: '1' }],
    }),
  ).toEqual(first);
  expect(await parts('SELECT id FROM {{0}} WHERE id > $1', { values: [1n], relations: [csv('b.csv')] })).toEqual(first);
  expect(await parts('SELECT id FROM {{0}} WHERE id > $1', { values: [1] })).not.toEqual(first);
  expect(await parts('SELECT id FROM {{0}} WHERE id >= $1', { values: [1n] })).not.toEqual(first);
  // Constants that JavaScript's numbers would fold into one.
  expect(await parts('SELECT 9007199254740993 AS a')).not.toEqual(await parts('SELECT 9007199254740992 AS a'));
  await writeFile(join(bench.root, 'a.csv'), 'id\n2\n');
  expect(await parts('SELECT id FROM {{0}} WHERE id > $1', { values: [1n] })).not.toEqual(first);
});

test('holds of an input the columns that are read alone', async () => {
  const made = async (x: string): Promise<Artifact> =>
    (await bench.run({ relation: sql(`SELECT range AS id, range * 2 AS y, ${x} AS x FROM range(10)`), key: ['id'] }))
      .artifact;
  const [one, two] = [await made('1'), await made('2')];
  const parts = (text: string, events: Artifact) => bench.keyParts({ relation: sql(text, inputs) }, { events, people });
  for (const text of [
    'SELECT id, y FROM {{0}}',
    'SELECT count(*) AS n FROM {{0}}',
    'SELECT a.y FROM {{0}} a JOIN {{0}} b USING (id)',
  ]) {
    expect(await parts(text, one), text).toEqual(await parts(text, two));
  }
  for (const text of [
    'SELECT id, x FROM {{0}}',
    'SELECT * EXCLUDE (x) FROM {{0}}',
    'SELECT e FROM {{0}} e',
    'SELECT #3 AS third FROM {{0}}',
    'SELECT COLUMNS(c -> c <> $$x$$) FROM {{0}}',
    'SELECT id FROM {{0}} ORDER BY ALL LIMIT 1',
    'SELECT id FROM {{0}} NATURAL JOIN {{1}}',
    'SELECT id FROM {{0}} UNPIVOT (v FOR n IN (y, x))',
  ]) {
    expect(await parts(text, one), text).not.toEqual(await parts(text, two));
  }
});

test('gives a column the same digest wherever it stands, and another where one value differs', async () => {
  const digestOf = async (text: string): Promise<string | undefined> =>
    (await bench.run({ relation: sql(text), key: ['id'] })).meta.columns.find((each) => each.name === 'v')?.digest;
  const alone = await digestOf('SELECT range AS id, range % 9 AS v FROM range(200000)');
  expect(await digestOf("SELECT 'some text ' || range AS t, range % 9 AS v, range AS id FROM range(200000)")).toBe(
    alone,
  );
  expect(
    await digestOf('SELECT range AS id, CASE WHEN range = 150000 THEN 0 ELSE range % 9 END AS v FROM range(200000)'),
  ).not.toBe(alone);
});

test('leaves nothing behind when it is cancelled in the middle', async () => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 200);
  const before: string[] = [];
  for await (const digest of bench.artifacts.list()) before.push(digest);
  expect(
    await errorOf(
      bench.run({ relation: sql('SELECT sin(range) AS s FROM range(200000000)') }, { signal: controller.signal }),
    ),
  ).toEqual({
    code: 'CANCELLED',
    message: 'rows: expected to run to its end; received a cancellation.',
  });
  const after: string[] = [];
  for await (const digest of bench.artifacts.list()) after.push(digest);
  expect(after.sort()).toEqual(before.sort());
});
