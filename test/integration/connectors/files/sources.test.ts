import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { tableFromArrays, tableToIPC } from 'apache-arrow';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSqlEngine } from '../../../../connectors/duckdb/sql-engine.js';
import { expandSource } from '../../../../connectors/files/expand-source.js';
import { hashSources } from '../../../../connectors/files/hash-sources.js';
import type { Json } from '../../../../pipelines/contracts/json.js';
import type { SqlEngine, SqlRow } from '../../../../pipelines/contracts/sql.js';
import type { SourceSpec } from '../../../../pipelines/plan/relation.js';
import type { Column } from '../../../../pipelines/types/column-type.js';
import { column, errorOf } from '../../operators/sql/sql-stage.js';

let root: string;
let engine: SqlEngine;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-files-'));
  engine = openSqlEngine({ threads: 2, memoryLimitMb: 512, temporaryDirectory: join(root, 'tmp') });
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

type CsvSpec = Extract<SourceSpec, { format: 'csv' }>;
const csv = (path: string, more: Partial<CsvSpec> = {}): CsvSpec => ({
  format: 'csv',
  path,
  columns: null,
  header: true,
  names: null,
  nulls: [],
  trim: false,
  lineNumber: null,
  delimiter: ',',
  ...more,
});

async function read(spec: SourceSpec): Promise<{ columns: readonly Column[]; rows: readonly SqlRow[] }> {
  const files = await engine.files(spec, root, 'stage');
  await using session = await engine.open({ readable: files, writable: [] });
  const source = await session.source(spec, files, 'stage');
  return { columns: source.columns, rows: (await session.query(source.sql)).rows };
}

const put = async (name: string, content: string | Uint8Array): Promise<string> => {
  await writeFile(join(root, name), content);
  return name;
};
/** Errors name files by absolute path. */
const textOf = async (promise: Promise<unknown>): Promise<{ code: string; message: string }> => {
  const { code, message } = await errorOf(promise);
  return { code, message: message.replaceAll(root, 'ROOT') };
};

test('sniffs the types of whole CSV files', async () => {
  const rows = Array.from(
    { length: 30_000 },
    (_, index) => `${index},${index / 2},2026-01-02,2026-01-02 03:04:05,true,0012,x`,
  );
  await put('types.csv', `i,f,d,t,b,zip,late\n${rows.join('\n')}\n1,2,2026-01-01,2026-01-01T00:00:00,false,0001,7\n`);
  await put('late.csv', `n\n${'1\n'.repeat(50_000)}oops\n`);
  expect((await read(csv('types.csv'))).columns.map((each) => [each.name, each.type.kind])).toEqual([
    ['i', 'int64'],
    ['f', 'float64'],
    ['d', 'date'],
    ['t', 'timestamp'],
    ['b', 'bool'],
    ['zip', 'string'],
    ['late', 'string'],
  ]);
  expect((await read(csv('late.csv'))).columns).toEqual([column('n', 'string', true)]);
});

test('reads a file without header by names, trims, and takes words for NULL', async () => {
  await put('adult.csv', '39, State-gov, ?\n 50,?,  x \n');
  const spec = csv('adult.csv', { header: false, names: ['age', 'work', 'note'], nulls: ['?'], trim: true });
  expect(await read(spec)).toEqual({
    columns: [column('age', 'int64', true), column('work', 'string', true), column('note', 'string', true)],
    rows: [
      { age: 39n, work: 'State-gov', note: null },
      { age: 50n, work: null, note: 'x' },
    ],
  });
});

test('takes declared columns by name, whatever their order in each file, and leaves the others', async () => {
  await put('part-1.csv', 'a,b,extra\n1,x,9\n');
  await put('part-2.csv', 'b,a\ny,2\n');
  const { rows } = await read(
    csv('part-*.csv', { columns: [column('b', 'string', true), column('a', 'int64', true)] }),
  );
  expect(rows).toEqual([
    { b: 'x', a: 1n },
    { b: 'y', a: 2n },
  ]);
});

test('counts lines as an editor does: the header, blank lines and line breaks in quotes', async () => {
  await put('lines.csv', 'a,b\n1,x\n\n2,"y\nz"\n3,w\n');
  const { rows, columns } = await read(csv('lines.csv', { lineNumber: 'line' }));
  expect(columns.at(-1)).toEqual(column('line', 'int64'));
  expect(new Map(rows.map((row) => [row['a'], row['line']]))).toEqual(
    new Map([
      [1n, 2n],
      [2n, 4n],
      [3n, 6n],
    ]),
  );
  await put('plain.csv', '7\r\n8\r\n');
  const bare = await read(csv('plain*.csv', { header: false, names: ['a'], lineNumber: 'line' }));
  expect(bare.rows).toEqual([
    { a: 7n, line: 1n },
    { a: 8n, line: 2n },
  ]);
});

test('numbers the lines of a large file read by several threads', async () => {
  await put(
    'many.csv',
    `n,t\n${Array.from({ length: 300_000 }, (_, index) => `${index},${'x'.repeat(index % 50)}`).join('\n')}\n`,
  );
  const files = await engine.files(csv('many.csv'), root, 'stage');
  await using session = await engine.open({ readable: files, writable: [], threads: 3 });
  const source = await session.source(csv('many.csv', { lineNumber: 'line' }), files, 'stage');
  const { rows } = await session.query(
    `SELECT count(*) AS n, count(*) FILTER (line <> n + 2) AS wrong FROM (${source.sql})`,
  );
  expect(rows).toEqual([{ n: 300_000n, wrong: 0n }]);
});

test('takes blank lines of a single column for NULL, and counts them', async () => {
  await put('single.csv', 'n\n1\n\n3\n');
  expect((await read(csv('single.csv', { lineNumber: 'line' }))).rows).toEqual([
    { n: 1n, line: 2n },
    { n: null, line: 3n },
    { n: 3n, line: 4n },
  ]);
});

test('reads gzip, byte order marks, quoted names and other delimiters', async () => {
  await put('zipped.csv.gz', gzipSync('\ufeff"a ""b""";c\n"x;y";1\n'));
  expect(await read(csv('zipped.csv.gz', { delimiter: ';' }))).toEqual({
    columns: [column('a "b"', 'string', true), column('c', 'int64', true)],
    rows: [{ 'a "b"': 'x;y', c: 1n }],
  });
});

test('reads a header without rows as no rows', async () => {
  await put('header.csv', 'a,b\n');
  expect(await read(csv('header.csv'))).toEqual({
    columns: [column('a', 'string', true), column('b', 'string', true)],
    rows: [],
  });
});

test('reads JSON lines and Parquet, sniffed and declared', async () => {
  await put('a.jsonl', '{"a":1,"b":{"c":[1.5]}}\n{"a":2}\n');
  expect(await read({ format: 'json', path: 'a.jsonl', columns: null })).toMatchObject({
    rows: [
      { a: 1n, b: { c: [1.5] } },
      { a: 2n, b: null },
    ],
  });
  expect((await read({ format: 'json', path: 'a.jsonl', columns: [column('a', 'float32')] })).rows).toEqual([
    { a: 1 },
    { a: 2 },
  ]);
  await using session = await engine.open({ readable: [], writable: [root] });
  await session.writeParquet('SELECT 1 AS a, $1 AS b', join(root, 'p1.parquet'), ['x']);
  await session.writeParquet('SELECT $1 AS b, 2 AS a', join(root, 'p2.parquet'), ['y']);
  expect((await read({ format: 'parquet', path: 'p?.parquet', columns: null })).rows).toEqual([
    { a: 1, b: 'x' },
    { a: 2, b: 'y' },
  ]);
});

test('reads Arrow files and streams', async () => {
  const table = tableFromArrays({
    i: new Int32Array([1, 2]),
    f: new Float64Array([0.5, 1.5]),
    s: ['a', 'b'],
    d: [new Date(0), new Date(86_400_000)],
  });
  await put('a.arrow', tableToIPC(table, 'file'));
  await put('b.arrow', tableToIPC(table, 'stream'));
  const { columns, rows } = await read({ format: 'arrow', path: '{a,b}.arrow', columns: null });
  expect(columns.map((each) => each.type.kind)).toEqual(['int32', 'float64', 'string', 'timestamp']);
  expect(rows).toHaveLength(4);
  expect(rows[1]).toEqual({ i: 2, f: 1.5, s: 'b', d: 86_400_000_000n });
});

test.each<[string, () => Promise<SourceSpec>, string, string]>([
  [
    'a missing file, with the nearest name',
    async () => {
      await put('customers.csv', 'a\n1\n');
      return csv('custmers.csv');
    },
    'SOURCE_NOT_FOUND',
    "stage: expected an existing file; received 'custmers.csv', which is not there. Did you mean 'customers.csv'?",
  ],
  [
    'a missing directory',
    async () => csv('nowhere/a.csv'),
    'SOURCE_NOT_FOUND',
    "stage: expected an existing file; received 'nowhere/a.csv', which is not there. Its directory 'nowhere' does not exist either.",
  ],
  [
    'a glob without a match',
    async () => csv('none-*.csv'),
    'SOURCE_NOT_FOUND',
    "stage: expected at least one file; received none that matches 'none-*.csv'. The pattern is resolved from 'ROOT'.",
  ],
  [
    'an empty CSV file',
    async () => csv(await put('empty.csv', '')),
    'SOURCE_EMPTY',
    'ROOT/empty.csv: expected a CSV file with a header; received an empty file. Check what writes it, or narrow the pattern of stage.',
  ],
  [
    'a blank line before the header',
    async () => csv(await put('blank.csv', '\na,b\n1,2\n')),
    'SOURCE_MALFORMED',
    'ROOT/blank.csv:1: expected a header on the first line; received a blank line. Remove the blank lines before it.',
  ],
  [
    'a torn quote, sniffed',
    async () => csv(await put('torn.csv', 'a,b\n1,x\n2,"y\n3,z\n')),
    'SOURCE_MALFORMED',
    'ROOT/torn.csv:3: expected every quoted field to be closed; received a quote that opens on this line and never closes. Close the quote, or double it where it is part of the text.',
  ],
  [
    'a torn quote, declared',
    async () => csv('torn.csv', { columns: [column('a', 'int64'), column('b', 'string')] }),
    'SOURCE_MALFORMED',
    'ROOT/torn.csv:3: expected every quoted field to be closed; received a quote that opens on this line and never closes. Close the quote, or double it where it is part of the text.',
  ],
  [
    'a torn quote in the header',
    async () => csv(await put('torn-header.csv', 'a,"b\n1,2\n')),
    'SOURCE_MALFORMED',
    'ROOT/torn-header.csv:1: expected every quoted field to be closed; received a quote that opens on this line and never closes. Close the quote, or double it where it is part of the text.',
  ],
  [
    'a line with too many fields',
    async () => csv(await put('ragged.csv', 'a,b\n1,2\n3,4,5\n')),
    'SOURCE_MALFORMED',
    'ROOT/ragged.csv:3: expected 2 fields; received 3. Mend the line, or name another delimiter.',
  ],
  [
    'a string where a number was',
    async () =>
      csv(await put('typed.csv', 'a,b\n1,x\nsecret,y\n'), { columns: [column('a', 'int64'), column('b', 'string')] }),
    'DATA_TYPE',
    "ROOT/typed.csv:3: expected an int64 in column 'a'; received a text of 6 characters. Mend the file, name the word in `nulls`, or declare the column as t.string and clean it in SQL.",
  ],
  [
    'a number out of range',
    async () => csv(await put('range.csv', 'a\n1\n300\n'), { columns: [column('a', 'int8')] }),
    'DATA_TYPE',
    "ROOT/range.csv:3: expected an int8 in column 'a'; received a whole number out of range. Mend the file, name the word in `nulls`, or declare the column as t.string and clean it in SQL.",
  ],
  [
    'a declared column that is not there',
    async () => csv('typed.csv', { columns: [column('aa', 'int64')] }),
    'DATA_COLUMN_MISSING',
    "ROOT/typed.csv: expected a column 'aa'; received the columns 'a', 'b'. Did you mean 'a'?",
  ],
  [
    'two columns of one name',
    async () => csv(await put('twice.csv', 'a,A\n1,2\n')),
    'SOURCE_MALFORMED',
    "ROOT/twice.csv:1: expected a header of different names; received 'A' twice. Mend the header, or set header: false and give `names`.",
  ],
  [
    'names that do not fit the fields',
    async () => csv('typed.csv', { header: false, names: ['a'] }),
    'SOURCE_MALFORMED',
    'ROOT/typed.csv:1: expected 1 fields, one for each of `names`; received 2. Name every field in the order of the file.',
  ],
  [
    'a broken gzip file',
    async () => csv(await put('broken.csv.gz', gzipSync('a,b\n1,2\n'.repeat(1000)).subarray(0, 20))),
    'SOURCE_MALFORMED',
    'ROOT/broken.csv.gz: expected a whole gzip file; received one that is cut or broken.',
  ],
  [
    'text that is not UTF-8',
    async () =>
      csv(await put('latin.csv', Buffer.from([0x61, 0x0a, 0xe9, 0xe8, 0x0a])), { columns: [column('a', 'string')] }),
    'SOURCE_MALFORMED',
    'ROOT/latin.csv:2: expected a CSV file in UTF-8 that keeps one shape; received one with: invalid unicode.',
  ],
  [
    'a corrupt Parquet file',
    async () => ({ format: 'parquet', path: await put('bad.parquet', 'PAR1 nothing of the kind PAR1'), columns: null }),
    'SOURCE_MALFORMED',
    'ROOT/bad.parquet: expected a whole Parquet file; received one that cannot be read: Footer length error. Write the file again from its source.',
  ],
  [
    'a file that is no Parquet',
    async () => ({ format: 'parquet', path: 'typed.csv', columns: null }),
    'SOURCE_MALFORMED',
    'ROOT/typed.csv: expected a whole Parquet file; received one that cannot be read: No magic bytes found at end of file. Write the file again from its source.',
  ],
  [
    'torn JSON',
    async () => ({ format: 'json', path: await put('torn.jsonl', '{"a":1}\n{"a":\n'), columns: null }),
    'SOURCE_MALFORMED',
    'ROOT/torn.jsonl:2: expected one JSON object on every line; received unexpected end of data.',
  ],
  [
    'a torn Arrow file',
    async () => ({
      format: 'arrow',
      path: await put('torn.arrow', tableToIPC(tableFromArrays({ a: [1, 2] }), 'file').subarray(0, 60)),
      columns: null,
    }),
    'SOURCE_MALFORMED',
    'ROOT/torn.arrow: expected a whole Arrow IPC file; received one that cannot be read. Write it uncompressed, as a file or a stream.',
  ],
])('refuses %s', async (_, spec, code, message) => {
  expect(await textOf(spec().then(read))).toEqual({ code, message });
});

test('takes no column from the name of a folder', async () => {
  await mkdir(join(root, 'day=1'));
  await using session = await engine.open({ readable: [], writable: [root] });
  await session.writeParquet('SELECT 7 AS day, 8 AS v', join(root, 'day=1/a.parquet'));
  await put('day=1/a.csv', 'day,v\n7,8\n');
  await put('day=1/b.csv', 'v\n8\n');
  await put('day=1/a.jsonl', '{"day":7,"v":8}\n');
  expect((await read(csv('day=1/b.csv'))).rows).toEqual([{ v: 8n }]);
  expect((await read(csv('day=1/a.csv'))).rows).toEqual([{ day: 7n, v: 8n }]);
  expect((await read({ format: 'json', path: 'day=1/a.jsonl', columns: null })).rows).toEqual([{ day: 7n, v: 8n }]);
  expect((await read({ format: 'parquet', path: 'day=1/a.parquet', columns: null })).rows).toEqual([{ day: 7, v: 8 }]);
});

test('expands globs by text order and keeps hidden files out', async () => {
  await mkdir(join(root, 'g/deep/er'), { recursive: true });
  for (const name of ['g/b.csv', 'g/a.csv', 'g/.hidden.csv', 'g/deep/c.csv', 'g/deep/er/d.csv', 'g/[x].csv', 'g/a.txt'])
    await put(name, 'a\n1\n');
  const names = async (pattern: string): Promise<string[]> =>
    (await expandSource(root, pattern, 'stage')).map((file) => file.slice(root.length + 3));
  expect(await names('g/*.csv')).toEqual(['[x].csv', 'a.csv', 'b.csv']);
  expect(await names('g/**/*.csv')).toEqual(['[x].csv', 'a.csv', 'b.csv', 'deep/c.csv', 'deep/er/d.csv']);
  expect(await names('g/{b,a}.csv')).toEqual(['a.csv', 'b.csv']);
  expect(await names('g/[!b].csv')).toEqual(['a.csv']);
  expect(await names('g/[x].csv')).toEqual(['[x].csv']);
  expect((await read(csv('g/[x].csv'))).rows).toEqual([{ a: 1n }]);
});

test('hashes by content, remembers settled files, and forgets them when they change', async () => {
  const memo = new Map<string, Json>();
  const store = {
    get: async (key: string) => memo.get(key) ?? null,
    put: async (key: string, value: string) => void memo.set(key, value),
  };
  await put('hashed.csv', 'a\n1\n');
  const [young] = await hashSources(store, root, 'hashed.csv', 'stage');
  expect(young).toEqual({
    path: join(root, 'hashed.csv'),
    bytes: 4,
    sha256: createHash('sha256').update('a\n1\n').digest('hex'),
  });
  expect(memo.size).toBe(0);
  const old = new Date(Date.now() - 10_000);
  await utimes(join(root, 'hashed.csv'), old, old);
  await hashSources(store, root, 'hashed.csv', 'stage');
  expect([...memo.values()]).toEqual([young?.sha256]);
  const [key] = memo.keys();
  memo.set(key ?? '', 'remembered');
  expect((await hashSources(store, root, 'hashed.csv', 'stage'))[0]?.sha256).toBe('remembered');
  await put('hashed.csv', 'a\n2\n');
  expect((await hashSources(store, root, 'hashed.csv', 'stage'))[0]?.sha256).not.toBe(young?.sha256);
});

test('reads a file that mixes line ends, blank lines among them, and refuses torn quotes and short rows in it', async () => {
  const mixed = await put('mixed.csv', 'a,b\r\n1,x\r\n\n2,y\n\r\n3,"z\n,"\r\n');
  expect(await read(csv(mixed))).toMatchObject({
    rows: [
      { a: 1n, b: 'x' },
      { a: 2n, b: 'y' },
      { a: 3n, b: 'z\n,' },
    ],
  });
  const torn = await put('mixed-torn.csv', 'a,b\r\n1,x\n2,"y\r\n3,z\r\n');
  expect(await textOf(read(csv(torn)))).toEqual({
    code: 'SOURCE_MALFORMED',
    message:
      'ROOT/mixed-torn.csv:3: expected every quoted field to be closed; received a record with a quote that never closes. Close the quote, or double it where it is part of the text.',
  });
  const short = await put('mixed-short.csv', 'a,b\r\n1,x\n2\r\n');
  expect(await textOf(read(csv(short)))).toEqual({
    code: 'SOURCE_MALFORMED',
    message:
      'ROOT/mixed-short.csv:3: expected 2 fields, as in the first line; received 1. Mend the line, or quote fields that hold the delimiter.',
  });
});
