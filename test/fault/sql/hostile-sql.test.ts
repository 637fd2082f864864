import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSqlEngine } from '../../../connectors/duckdb/sql-engine.js';
import { inspectRelation } from '../../../operators/sql/inspect-relation.js';
import type { SqlEngine } from '../../../pipelines/contracts/sql.js';
import { errorOf } from '../../integration/operators/sql/sql-stage.js';

const corpus = fileURLToPath(new URL('./corpus/', import.meta.url));
/** A secret that no error may repeat. */
const secret = 'canary-5b1d';

let root: string;
let canary: string;
let engine: SqlEngine;
let server: Server;
let port: number;
let connections = 0;
let before: string;
const cases = (await readdir(corpus)).filter((name) => name.endsWith('.sql')).sort();

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-hostile-'));
  canary = join(root, 'canary');
  await mkdir(canary);
  await mkdir(join(root, 'data'));
  for (const name of ['secret.csv', 'secret.json', 'secret.parquet', 'schema.sql', 'load.sql'])
    await writeFile(join(canary, name), `${secret}\n`);
  engine = openSqlEngine({ threads: 2, memoryLimitMb: 256, temporaryDirectory: join(root, 'tmp') });
  server = createServer((socket) => {
    connections++;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  port = (server.address() as AddressInfo).port;
  before = await stateOfCanary();
});
afterAll(async () => {
  server.close();
  await rm(root, { recursive: true, force: true });
});

async function stateOfCanary(): Promise<string> {
  const names = (await readdir(canary)).sort();
  return JSON.stringify(
    await Promise.all(names.map(async (name) => [name, await readFile(join(canary, name), 'utf8')])),
  );
}

test('the corpus has at least 60 cases, each with its reason', async () => {
  expect(cases.length).toBeGreaterThanOrEqual(60);
  for (const name of cases)
    expect(await readFile(join(corpus, name), 'utf8'), name).toMatch(/^-- (SQL_REFUSED|SQL_INVALID): .+\n/);
});

test.each(cases)('refuses %s, and nothing outside is touched even where it runs', async (name) => {
  const text = (await readFile(join(corpus, name), 'utf8'))
    .replaceAll('CANARY', canary)
    .replaceAll('@PORT@', String(port));
  const code = /^-- (\w+):/.exec(text)?.[1];
  const sql = text.slice(text.indexOf('\n') + 1).replace(/\n$/, '');
  const error = await errorOf(engine.inspect(sql, 'stage'));
  expect(error.code, error.message).toBe(code);
  expect(error.message).toMatch(/^stage(:\d+:\d+)?: expected .+; received .+\.( .+)?$/s);
  expect(error.message).not.toContain(secret);
  // As if the gate had a hole: the session itself must hold.
  await using session = await engine.open({
    readable: [join(root, 'data')],
    writable: [],
    signal: AbortSignal.timeout(1500),
  });
  await session.execute('CREATE TABLE t (a INT)');
  try {
    const { rows } = await session.query(sql);
    expect(
      JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
    ).not.toContain(secret);
  } catch (refused) {
    expect((refused as Error).message).not.toContain(secret);
  }
  expect(await stateOfCanary()).toBe(before);
  expect(connections).toBe(0);
});

test.each([
  ['a sub-select with the same name as a dataset', 'WITH x AS (SELECT 1 AS a) SELECT * FROM x'],
  ['text that only looks hostile', "SELECT 'COPY (SELECT 1) TO ''/etc/passwd''; -- read_text(' AS a /* ATTACH 'x' */"],
  [
    'columns with the names of refused functions',
    'SELECT getenv, "read_text" FROM (SELECT 1 AS getenv, 2 AS "read_text")',
  ],
  ['table functions that make rows', 'SELECT * FROM range(3) a, generate_series(1, 2) b, unnest([1, 2]) c'],
  ['a trailing semicolon and comment', 'SELECT 1; -- end'],
])('admits %s', async (_, sql) => {
  await expect(engine.inspect(sql, 'stage')).resolves.toMatchObject({ volatileFunctions: [] });
});

test('every function of the engine that is volatile is refused or declared, and every table function has a verdict', async () => {
  await using session = await engine.open({ readable: [], writable: [] });
  const { rows: volatile } = await session.query(
    "SELECT DISTINCT function_name AS name FROM duckdb_functions() WHERE stability IS NOT NULL AND stability <> 'CONSISTENT' AND function_name <> 'error' ORDER BY 1",
  );
  for (const { name } of volatile) {
    const outcome = await engine.inspect(`SELECT "${String(name)}"()`, 'stage').then(
      (info) => info.volatileFunctions.length > 0,
      (error: { code: string }) => error.code === 'SQL_REFUSED',
    );
    expect(outcome, String(name)).toBe(true);
  }
  const { rows: tables } = await session.query(
    "SELECT DISTINCT function_name AS name FROM duckdb_functions() WHERE function_type LIKE '%table%' ORDER BY 1",
  );
  const admitted: string[] = [];
  for (const { name } of tables)
    if (
      await engine.inspect(`SELECT * FROM "${String(name)}"()`, 'stage').then(
        () => true,
        () => false,
      )
    )
      admitted.push(String(name));
  expect(admitted).toEqual(['generate_series', 'json_each', 'json_tree', 'range', 'repeat', 'repeat_row', 'unnest']);
});

/** A seeded generator, so that a failure can be repeated. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test.each([1, 2, 3])('no mutation of hostile text passes the gate and reads a file (seed %i)', async (seed) => {
  const random = randomOf(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const readers = [
    'read_text',
    'READ_BLOB',
    '"read_csv"',
    'main.glob',
    'read_json_objects',
    'system.main."read_text"',
    'Parquet_Scan',
    'query',
  ];
  const space = [' ', '\n', '\t', '/* x */', '--\n', ' /* /* */ */ '];
  const wraps: readonly ((inner: string) => string)[] = [
    (inner) => `SELECT * FROM (${inner})`,
    (inner) => `WITH a AS (${inner}) SELECT * FROM a`,
    (inner) => `SELECT 1 WHERE 1 IN (SELECT 1 FROM (${inner}))`,
    (inner) => `(${inner}) UNION ALL (SELECT NULL)`,
    (inner) => `SELECT CASE WHEN EXISTS (${inner}) THEN 1 END`,
    (inner) => `SELECT array(${inner})`,
    (inner) => `SELECT * FROM range(2) t(i) JOIN LATERAL (${inner}) ON true`,
    (inner) => `SELECT 'it''s' AS q, $$--$$ AS d, (SELECT count(*) FROM (${inner})) AS n`,
  ];
  for (let round = 0; round < 120; round++) {
    let text = `SELECT${pick(space)}*${pick(space)}FROM${pick(space)}${pick(readers)}${pick(space)}(${pick(space)}'${canary}/secret.csv'${pick(space)})`;
    for (let depth = Math.floor(random() * 4); depth > 0; depth--) text = pick(wraps)(text);
    const { code } = await errorOf(engine.inspect(text, 'stage'));
    expect(['SQL_REFUSED', 'SQL_INVALID'], text).toContain(code);
  }
});

test.each([4, 5])('no name, value or placeholder of a user leaves its place (seed %i)', async (seed) => {
  const random = randomOf(seed);
  await using session = await engine.open({ readable: [], writable: [], threads: 1 });
  const pieces = ["'", '"', '$1', '{{0}}', '{{9}}', ';', '--', '/*', '*/', '\\', '$$', 'E', ' ', '\n', 'x', ')', '('];
  for (let round = 0; round < 150; round++) {
    const noise = Array.from(
      { length: Math.floor(random() * 8) },
      () => pieces[Math.floor(random() * pieces.length)],
    ).join('');
    const literal = `'${noise.replaceAll("'", "''")}'`;
    const name = `"${noise.replaceAll('"', '""') || 'n'}"`;
    const relation = {
      kind: 'sql',
      text: `SELECT ${literal} AS a, r.x AS ${name}, $1 AS v FROM {{0}} r`,
      values: [noise],
      relations: [{ kind: 'input', input: 'r' }],
      columns: null,
    } as const;
    const info = await inspectRelation(engine, relation, 'stage');
    expect(info.tables, noise).toEqual(['r0_']);
    const { rows } = await session.query(
      `WITH r0_ AS (SELECT 1 AS x) ${relation.text.replace(/\{\{0\}\} r$/, 'r0_ r')}`,
      [noise],
    );
    expect(Object.values(rows[0] ?? {}), noise).toEqual([noise, 1, noise]);
  }
});
