import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDataset } from '../../../../operators/split/read-dataset.js';
import { rowIdentityColumns, rowIdentitySql, splitColumns, splitSql } from '../../../../operators/split/split-sql.js';
import type { SqlCell } from '../../../../pipelines/contracts/sql.js';
import type { SplitSpec } from '../../../../pipelines/plan/relation.js';
import { type Fixture, openFixture } from '../feed/feed-fixture.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await openFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

const md5 = (text: string) => createHash('md5').update(text).digest('hex');
const share = (text: string) => Number.parseInt(md5(text).slice(0, 12), 16) / 2 ** 48;
const hash: Extract<SplitSpec, { kind: 'hash' }> = {
  kind: 'hash',
  by: [],
  train: 0.7,
  validation: 0.2,
  test: 0.1,
  seed: 7,
  stratify: null,
};

/** Each row's part, its code and its identity, in the order of the rows. */
async function partsOf(
  select: string,
  spec: SplitSpec,
  key: readonly string[] = [],
): Promise<{ parts: SqlCell[]; codes: number[]; identities: SqlCell[] }> {
  const artifact = await fixture.dataset(select, { key });
  const dataset = readDataset(artifact);
  const split = splitSql(spec, dataset);
  await using session = await fixture.sql.open({ readable: [dataset.directory], writable: [] });
  const { rows } = await session.query(
    `SELECT part, code, identity FROM (SELECT ${dataset.position} AS position, ${split.expression} AS part, ${split.code} AS code, ${rowIdentitySql(spec, dataset)} AS identity FROM ${dataset.scan}) ORDER BY position`,
  );
  const parts = rows.map((row) => row['part']!);
  const codes = rows.map((row) => Number(row['code']));
  expect(codes).toEqual(parts.map((part) => [null, 'train', 'validation', 'test'].indexOf(part as string)));
  return { parts, codes, identities: rows.map((row) => row['identity']!) };
}

describe('a split by hash', () => {
  it('puts a row where the first 12 digits of md5(seed:key) lie', async () => {
    const { parts, identities } = await partsOf('SELECT i AS id FROM range(2000) t(i) ORDER BY i', hash, ['id']);
    expect(parts).toEqual(
      Array.from({ length: 2000 }, (_, id) =>
        share(`7:${id}`) < 0.7 ? 'train' : share(`7:${id}`) < 0.9 ? 'validation' : 'test',
      ),
    );
    expect(identities).toEqual(Array.from({ length: 2000 }, (_, id) => md5(String(id))));
  });

  it('leaves no row out where the fractions sum to 1, and some where they do not', async () => {
    const all = await partsOf('SELECT i AS id FROM range(5000) t(i) ORDER BY i', hash);
    expect(all.parts).not.toContain(null);
    const some = await partsOf('SELECT i AS id FROM range(5000) t(i) ORDER BY i', {
      ...hash,
      train: 0.1,
      validation: 0.1,
      test: 0.1,
    });
    expect(some.parts.filter((part) => part === null).length).toBeGreaterThan(3000);
  });

  it('moves no row when rows are added', async () => {
    const few = await partsOf('SELECT i AS id FROM range(100) t(i) ORDER BY i', hash);
    const many = await partsOf('SELECT i AS id FROM range(300) t(i) ORDER BY i', hash);
    expect(many.parts.slice(0, 100)).toEqual(few.parts);
  });

  it('writes the text of several columns so that no two keys share one', async () => {
    const select = `SELECT * FROM (VALUES (1, 'a', 'b'), (2, 'a,1:b', ''), (3, NULL, 'ä'), (4, '', 'ä')) t(id, x, y) ORDER BY id`;
    const { identities } = await partsOf(select, { ...hash, by: ['x', 'y'] });
    expect(identities).toEqual(['1:a,1:b', '5:a,1:b,0:', ',2:ä', '0:,2:ä'].map(md5));
  });

  it('writes each type as documented', async () => {
    const select = `SELECT TRUE AS b, -5::TINYINT AS i, 18446744073709551615::UBIGINT AS u, 0.1::FLOAT AS f, -0.0::DOUBLE AS d, DATE '2026-01-02' AS t, TIMESTAMP '1970-01-01 00:00:01.5' AS at, 1.50::DECIMAL(5, 2) AS c, 'x'::BLOB AS k`;
    const { identities } = await partsOf(select, { ...hash, by: ['b', 'i', 'u', 'f', 'd', 't', 'at', 'c', 'k'] });
    expect(identities).toEqual([md5('true,-5,18446744073709551615,0.1,0.0,2026-01-02,1500000,1.50,78')]);
  });

  it('keeps equal rows together where there is no key', async () => {
    const { parts } = await partsOf(`SELECT i % 10 AS a, 'x' || i % 10 AS b FROM range(100) t(i) ORDER BY ALL`, hash);
    for (let value = 0; value < 10; value++) expect(new Set(parts.slice(value * 10, value * 10 + 10)).size).toBe(1);
  });

  it('gives every stratum the same fractions, by the rank of the hash within it', async () => {
    const { parts } = await partsOf(
      `SELECT i AS id, CASE WHEN i < 900 THEN 'big' WHEN i < 990 THEN 'small' ELSE NULL END AS s FROM range(1000) t(i) ORDER BY i`,
      { ...hash, stratify: 's' },
      ['id'],
    );
    const count = (from: number, to: number, part: string) =>
      parts.slice(from, to).filter((each) => each === part).length;
    expect([count(0, 900, 'train'), count(0, 900, 'validation'), count(0, 900, 'test')]).toEqual([630, 180, 90]);
    expect([count(900, 990, 'train'), count(900, 990, 'validation'), count(900, 990, 'test')]).toEqual([63, 18, 9]);
    expect([count(990, 1000, 'train'), count(990, 1000, 'validation'), count(990, 1000, 'test')]).toEqual([7, 2, 1]);
  });

  it('keeps rows of one entity together in a stratum', async () => {
    const { parts } = await partsOf(`SELECT i AS id, i // 4 AS user, 's' AS s FROM range(400) t(i) ORDER BY i`, {
      ...hash,
      by: ['user'],
      stratify: 's',
    });
    for (let user = 0; user < 100; user++) expect(new Set(parts.slice(user * 4, user * 4 + 4)).size).toBe(1);
  });

  it('puts one row somewhere', async () => {
    const { parts } = await partsOf('SELECT 1 AS id', hash, ['id']);
    expect(parts).toEqual([share('7:1') < 0.7 ? 'train' : share('7:1') < 0.9 ? 'validation' : 'test']);
  });
});

describe('a split by time', () => {
  const days = `SELECT TIMESTAMP '2026-01-01' + INTERVAL (i) DAY AS at, i AS id FROM range(10) t(i) UNION ALL SELECT NULL, 10 ORDER BY id`;
  it('cuts at the given times and purges the hours before', async () => {
    const spec: SplitSpec = {
      kind: 'time',
      column: 'at',
      cuts: ['2026-01-05', '2026-01-08T00:00:00Z'],
      purgeHours: 24,
    };
    const { parts } = await partsOf(days, spec, ['id']);
    expect(parts).toEqual([
      'train',
      'train',
      'train',
      null,
      'validation',
      'validation',
      null,
      'test',
      'test',
      'test',
      null,
    ]);
  });

  it('takes zones and dates', async () => {
    const spec: SplitSpec = {
      kind: 'time',
      column: 'day',
      cuts: ['2026-01-05T01:00:00+02:00', '2026-01-08'],
      purgeHours: 0,
    };
    const { parts } = await partsOf(`SELECT DATE '2026-01-01' + i::INTEGER AS day FROM range(9) t(i) ORDER BY 1`, spec);
    expect(parts).toEqual([
      'train',
      'train',
      'train',
      'train',
      'validation',
      'validation',
      'validation',
      'test',
      'test',
    ]);
  });

  it('names a row by entity and time', async () => {
    const dataset = {
      columns: [
        { name: 'id', type: { kind: 'int64', nullable: false } },
        { name: 'at', type: { kind: 'timestamp', nullable: false } },
      ] as const,
      key: ['id'],
    };
    expect(
      rowIdentityColumns({ kind: 'time', column: 'at', cuts: ['2026-01-05', '2026-01-08'], purgeHours: 0 }, dataset),
    ).toEqual(['id', 'at']);
  });
});

describe('a split by a given column', () => {
  const select = `SELECT i AS id, CASE WHEN i < 800 THEN 'train' WHEN i < 980 THEN 'test' WHEN i < 990 THEN 'Test' END AS part FROM range(1000) t(i) ORDER BY i`;
  it('follows the column and leaves other values out', async () => {
    const { parts } = await partsOf(select, { kind: 'column', column: 'part', validation: null }, ['id']);
    expect([parts[0], parts[799], parts[800], parts[979], parts[980], parts[999]]).toEqual([
      'train',
      'train',
      'test',
      'test',
      null,
      null,
    ]);
  });

  it('cuts validation out of train by hash', async () => {
    const { parts } = await partsOf(
      select,
      { kind: 'column', column: 'part', validation: { fraction: 0.25, by: [], seed: 3 } },
      ['id'],
    );
    expect(parts.slice(0, 800)).toEqual(
      Array.from({ length: 800 }, (_, id) => (share(`3:${id}`) < 0.25 ? 'validation' : 'train')),
    );
    expect(new Set(parts.slice(800, 980))).toEqual(new Set(['test']));
  });

  it('leaves the column itself out of what names a row', () => {
    const dataset = {
      columns: [
        { name: 'x', type: { kind: 'int64', nullable: false } },
        { name: 'part', type: { kind: 'string', nullable: false } },
      ] as const,
      key: [],
    };
    const spec: SplitSpec = { kind: 'column', column: 'part', validation: { fraction: 0.5, by: [], seed: 1 } };
    expect(rowIdentityColumns(spec, dataset)).toEqual(['x']);
    expect(splitColumns(spec, dataset)).toEqual(['part', 'x']);
  });
});

describe('a split that does not fit', () => {
  const dataset = { columns: [{ name: 'customer', type: { kind: 'string', nullable: false } }] as const, key: [] };
  it.each([
    [
      { ...hash, by: ['custmer'], stratify: 'plan' },
      'SQL_UNKNOWN_COLUMN',
      "split.by.0: expected a column of the dataset; received 'custmer'. Did you mean 'customer'?\nsplit.stratify: expected a column of the dataset; received 'plan'. It has customer.",
    ],
    [
      { kind: 'time', column: 'customer', cuts: ['2026-01-01', '2026-01-02'], purgeHours: 0 },
      'CONFIG_INVALID',
      "split.column: expected a column of type timestamp or date; received 'customer' of type string. Cast it in the SQL that makes the dataset.",
    ],
  ] as [SplitSpec, string, string][])('is refused with every problem: %o', (spec, code, message) => {
    expect(() => splitSql(spec, dataset)).toThrow(expect.objectContaining({ code, message }));
  });

  it('has cuts that are times, in order', () => {
    const times = { columns: [{ name: 'at', type: { kind: 'timestamp', nullable: false } }] as const, key: [] };
    expect(() => splitSql({ kind: 'time', column: 'at', cuts: ['soon', '2026-01-01'], purgeHours: 0 }, times)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: "split.cuts.0: expected a date or time as ISO 8601; received 'soon'.",
      }),
    );
    expect(() =>
      splitSql({ kind: 'time', column: 'at', cuts: ['2026-02-01', '2026-01-01'], purgeHours: 0 }, times),
    ).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: "split.cuts: expected two times in ascending order; received '2026-02-01' and '2026-01-01'.",
      }),
    );
  });
});
