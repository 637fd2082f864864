import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSqlEngine } from '../../../../connectors/duckdb/sql-engine.js';
import type { SqlCell, SqlEngine } from '../../../../pipelines/contracts/sql.js';
import { column, errorOf } from '../../operators/sql/sql-stage.js';

let root: string;
let engine: SqlEngine;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-duckdb-'));
  engine = openSqlEngine({ threads: 2, memoryLimitMb: 512, temporaryDirectory: join(root, 'tmp') });
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

const slow = 'SELECT count(*) AS n FROM range(100000000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 3';

test('names the version that keys hold', () => {
  expect(engine.version).toMatch(/^duckdb 1\.5\.5/);
});

test('an ASOF join sorts both sides, however few rows DuckDB expects', async () => {
  await using session = await engine.open({ readable: [], writable: [] });
  const { rows } = await session.query("SELECT current_setting('asof_loop_join_threshold') AS threshold", []);
  expect(rows).toEqual([{ threshold: 0n }]);
});

test('binds values with their types', async () => {
  await using session = await engine.open({ readable: [], writable: [] });
  const { rows } = await session.query(
    'SELECT typeof($1) AS a, typeof($2) AS b, typeof($3) AS c, typeof($4) AS d, typeof($5) AS e, typeof($6) AS f, typeof($7) AS g, typeof($8) AS h, $6 AS day, $7 AS at, $8 AS l, $9 AS n, typeof($10) AS big',
    [
      1,
      2n,
      'x',
      true,
      1n << 70n,
      { kind: 'date', iso: '2026-02-28' },
      { kind: 'timestamp', iso: '2026-01-01T00:00:00.123456+01:00' },
      { kind: 'list', items: [1n, null] },
      null,
      { kind: 'bigint', text: '9007199254740993' },
    ],
  );
  expect(rows).toEqual([
    {
      a: 'DOUBLE',
      b: 'BIGINT',
      c: 'VARCHAR',
      d: 'BOOLEAN',
      e: 'HUGEINT',
      f: 'DATE',
      g: 'TIMESTAMP',
      h: 'BIGINT[]',
      day: '2026-02-28',
      at: 1767222000123456n,
      l: [1n, null],
      n: null,
      big: 'BIGINT',
    },
  ]);
});

test('gives NaN, infinity, minus zero and the ends of the integers as they are', async () => {
  await using session = await engine.open({ readable: [], writable: [] });
  const { rows } = await session.query(
    "SELECT 'nan'::DOUBLE AS a, '-inf'::FLOAT AS b, -0.0::DOUBLE AS c, (-9223372036854775808)::BIGINT AS d, DATE '0001-01-01' AS e, TIMESTAMP '9999-12-31 23:59:59.999999' AS f",
  );
  expect(rows).toEqual([
    {
      a: Number.NaN,
      b: Number.NEGATIVE_INFINITY,
      c: -0,
      d: -9223372036854775808n,
      e: '0001-01-01',
      f: 253402300799999999n,
    },
  ]);
});

test('streams a result in batches, and another statement runs meanwhile', async () => {
  await using session = await engine.open({ readable: [], writable: [] });
  let rows = 0;
  let sum = 0n;
  for await (const batch of session.batches('SELECT range AS i, NULL::INT AS n FROM range(10000)')) {
    rows += batch.rows;
    for (const cell of batch.columns[0] as readonly bigint[]) sum += cell;
    expect(batch.columns[1]?.every((cell) => cell === null)).toBe(true);
    await session.query('SELECT 1');
  }
  expect([rows, sum]).toEqual([10_000, 49_995_000n]);
});

test('gives no batches for no rows', async () => {
  await using session = await engine.open({ readable: [], writable: [] });
  const seen: number[] = [];
  for await (const batch of session.batches('SELECT 1 AS a WHERE false')) seen.push(batch.rows);
  expect(seen).toEqual([]);
});

test('fills a table from memory with every kind', async () => {
  await using session = await engine.open({ readable: [], writable: [] });
  const columns = [
    column('i', 'int64', true),
    column('u', 'uint8'),
    column('f', 'float32'),
    column('s', 'string', true),
    column('d', 'date'),
    column('t', 'timestamp'),
    column('b', 'bytes'),
    { name: 'dec', type: { kind: 'decimal', nullable: false, precision: 20, scale: 3 } },
    { name: 'l', type: { kind: 'list', nullable: false, item: { kind: 'float64', nullable: true } } },
    { name: 'te', type: { kind: 'tensor', nullable: false, shape: [2, 2] } },
    { name: 'st', type: { kind: 'struct', nullable: false, fields: [column('x', 'bool', true)] } },
  ] as const;
  const cells: SqlCell[] = [
    5n,
    255,
    0.5,
    'é',
    '2026-01-02',
    1n,
    new Uint8Array([0, 1]),
    '-1.25',
    [1.5, null],
    [
      [1, 2],
      [3, 4],
    ],
    { x: true },
  ];
  const rows = 3000;
  const batch = { rows, columns: cells.map((cell) => Array.from({ length: rows }, () => cell)) };
  expect(await session.append('t', columns, [batch])).toBe(rows);
  const result = await session.query('SELECT * FROM t LIMIT 1');
  expect(result.columns.map((each) => each.type.kind)).toEqual(columns.map((each) => each.type.kind));
  expect(Object.values(result.rows[0] ?? {})).toEqual([
    5n,
    255,
    0.5,
    'é',
    '2026-01-02',
    1n,
    new Uint8Array([0, 1]),
    '-1.250',
    [1.5, null],
    [
      [1, 2],
      [3, 4],
    ],
    { x: true },
  ]);
  expect((await session.query('SELECT count(*) AS n FROM t')).rows).toEqual([{ n: 3000n }]);
  expect(await errorOf(session.append('u', [column('i', 'int64')], [{ rows: 1, columns: [['x']] }]))).toEqual({
    code: 'DATA_TYPE',
    message: 'i: expected a int64; received a string. Return what the type table names for this kind.',
  });
});

test('ends with CANCELLED after the signal, long before its sort would, and leaves no file', async () => {
  const controller = new AbortController();
  await using session = await engine.open({ readable: [], writable: [root], signal: controller.signal });
  const target = join(root, 'cancelled.parquet');
  const running = session.writeParquet('SELECT range, sin(range) AS s FROM range(300000000) ORDER BY s', target);
  setTimeout(() => controller.abort(), 150);
  expect(await errorOf(running)).toEqual({
    code: 'CANCELLED',
    message: 'sql: expected to run to its end; received a cancellation.',
  });
  expect((await readdir(root)).filter((name) => name.includes('cancelled'))).toEqual([]);
  expect((await errorOf(session.query('SELECT 1'))).code).toBe('CANCELLED');
});

test('is refused at once where the signal was given before', async () => {
  expect((await errorOf(engine.open({ readable: [], writable: [], signal: AbortSignal.abort() }))).code).toBe(
    'CANCELLED',
  );
});

test('cancels a stream in the middle instead of ending it early', async () => {
  const controller = new AbortController();
  await using session = await engine.open({ readable: [], writable: [], signal: controller.signal });
  const reading = (async () => {
    for await (const batch of session.batches('SELECT range AS i FROM range(100000000)'))
      if (batch.rows > 0) controller.abort();
  })();
  expect((await errorOf(reading)).code).toBe('CANCELLED');
});

test('interrupts what runs and goes on', async () => {
  await using session = await engine.open({ readable: [], writable: [] });
  const running = [errorOf(session.query(slow)), errorOf(session.query(slow))];
  await new Promise((resolve) => setTimeout(resolve, 100));
  session.interrupt();
  expect((await Promise.all(running)).map((error) => error.code)).toEqual(['CANCELLED', 'CANCELLED']);
  expect((await session.query('SELECT 1 AS a')).rows).toEqual([{ a: 1 }]);
});

test('stops what runs when it is closed, and is closed for good', async () => {
  const session = await engine.open({ readable: [], writable: [] });
  const running = errorOf(session.query(slow));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await session[Symbol.asyncDispose]();
  expect((await running).code).toBe('CANCELLED');
  await session[Symbol.asyncDispose]();
  expect(await errorOf(session.query('SELECT 1'))).toEqual({
    code: 'INTERNAL',
    message: 'sql: expected an open session; received a closed one. Open a new session.',
  });
});

test('removes its spill folder', async () => {
  const session = await engine.open({ readable: [], writable: [] });
  expect(await readdir(join(root, 'tmp'))).toHaveLength(1);
  await session[Symbol.asyncDispose]();
  expect(await readdir(join(root, 'tmp'))).toEqual([]);
});

test('reports progress', async () => {
  await using session = await engine.open({ readable: [], writable: [root], threads: 1 });
  const seen: number[] = [];
  session.onProgress((fraction) => seen.push(fraction));
  await session.query('SELECT sum(sin(range) * cos(range)) AS s FROM range(25000000)');
  expect(seen.length).toBeGreaterThan(0);
  expect(seen.every((fraction) => fraction >= 0 && fraction <= 1)).toBe(true);
});

test('spills what does not fit into its memory', async () => {
  await using session = await engine.open({ readable: [], writable: [root], memoryLimitMb: 96 });
  const target = join(root, 'spilled.parquet');
  expect(
    await session.writeParquet('SELECT range AS i, hash(range) AS h FROM range(4000000) ORDER BY h', target),
  ).toEqual({ rows: 4_000_000 });
  await rm(target);
});

test('reads the files it was given and nothing beside them', async () => {
  await writeFile(join(root, 'given.csv'), 'a\n1\n');
  await writeFile(join(root, 'other.csv'), 'secret\n1\n');
  await using session = await engine.open({ readable: [join(root, 'given.csv')], writable: [] });
  expect((await session.query(`FROM read_csv('${root}/given.csv')`)).rows).toEqual([{ a: 1n }]);
  expect(await errorOf(session.query(`FROM read_csv('${root}/other.csv')`))).toEqual({
    code: 'SQL_REFUSED',
    message:
      "sql: expected a statement that reads the datasets it is given; received the file 'other.csv'. Name files by csv(), parquet(), json() or arrow().",
  });
});

test('says that the disk is full', async () => {
  await using session = await engine.open({ readable: [], writable: ['/dev'] });
  // /dev/full refuses every write, as a full disk does; COPY writes beside the target first, so it is aimed at directly.
  const error = await errorOf(
    session.execute("COPY (SELECT range FROM range(2000000)) TO '/dev/full' (FORMAT csv, USE_TMP_FILE false)"),
  );
  expect(error).toEqual({
    code: 'DISK_FULL',
    message:
      'sql: expected room on the disk for the result and what is spilled; received a full disk. Free some space, or point the store at a larger disk.',
  });
});

test('says that its memory does not suffice', async () => {
  await using session = await engine.open({ readable: [], writable: [], memoryLimitMb: 64, threads: 1 });
  expect(await errorOf(session.query('SELECT length(list(range)) AS n FROM range(30000000)'))).toEqual({
    code: 'MEMORY_FULL',
    message:
      'sql: expected a statement that fits into its memory and what it may spill; received one that needs more. Aggregate in steps, or use a machine with more memory.',
  });
});

test('cannot be configured any more', async () => {
  await using session = await engine.open({ readable: [], writable: [] });
  for (const statement of [
    'SET threads = 1',
    'SET enable_external_access = true',
    "SET allowed_directories = ['/']",
    'RESET lock_configuration',
    'INSTALL httpfs',
    'LOAD httpfs',
    "ATTACH '/tmp/x.db'",
    'CREATE PERSISTENT SECRET s (TYPE s3)',
  ]) {
    expect((await errorOf(session.execute(statement))).message, statement).toMatch(/expected/);
  }
});

test.each([
  [
    { threads: 0, memoryLimitMb: 512, temporaryDirectory: '/tmp' },
    'sql.threads: expected an integer from 1 to 1024; received 0.',
  ],
  [
    { threads: 1, memoryLimitMb: Number.NaN, temporaryDirectory: '/tmp' },
    'sql.memoryLimitMb: expected an integer from 64 to 67108864; received NaN.',
  ],
  [
    { threads: 1, memoryLimitMb: 512, temporaryDirectory: '' },
    'sql.temporaryDirectory: expected a directory; received an empty text.',
  ],
])('refuses options it cannot use', (options, message) => {
  expect(() => openSqlEngine(options)).toThrow(message);
});
