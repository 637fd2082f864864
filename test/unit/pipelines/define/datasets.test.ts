// biome-ignore-all lint/suspicious/noTemplateCurlyInString: so the paths of values in SQL look
import { describe, expect, test } from 'vitest';
import { arrow, csv, date, json, parquet, sql, sqlText, timestamp } from '../../../../pipelines/index.js';
import { t } from '../../../../pipelines/types.js';
import { parts, people } from '../churn.js';
import { thrown } from '../thrown.js';
import { untyped } from '../untyped.js';

const texts = (body: () => unknown, code = 'CONFIG_INVALID'): readonly string[] =>
  thrown(body).map(([is, text]) => {
    expect(is).toBe(code);
    return text;
  });

describe('sources', () => {
  test.each([
    ['', "csv.path: expected a path or glob; received ''."],
    ['a\0b', "csv.path: expected a path or glob; received 'a\\x00b'."],
    [undefined, 'csv.path: expected a path or glob; received nothing.'],
  ])('refuses the path %j', (path, text) => {
    expect(texts(() => untyped(csv)(path))).toEqual([text]);
  });

  test('csv says every problem of its options at once, with the nearest key', () => {
    expect(texts(() => untyped(csv)('x.csv', { haeder: true, delimiter: '::', nulls: 'NA', colums: {} }))).toEqual([
      "csv.nulls: expected an array; received 'NA'.",
      "csv.delimiter: expected exactly 1 character; received '::'.",
      "csv.haeder: expected one of the keys header, names, nulls, trim, lineNumber, delimiter, columns, key; received 'haeder'. Did you mean 'header'?",
      "csv.colums: expected one of the keys header, names, nulls, trim, lineNumber, delimiter, columns, key; received 'colums'. Did you mean 'columns'?",
    ]);
  });

  test('csv refuses options that contradict each other', () => {
    const options = {
      header: true,
      names: ['a', 'A'],
      lineNumber: 'a',
      delimiter: '"',
      columns: { a: t.string, aa: t.string },
    };
    expect(texts(() => csv('x.csv', options))).toEqual([
      "csv.delimiter: expected a character other than a quote or a line break; received '\"'.",
      'csv.names: expected a header or names; received both. Remove one of the two.',
      "csv.names.1: expected each name once, whatever its case; received 'A' again.",
      "csv.lineNumber: expected a name that is not among the names; received 'a'.",
      "csv.columns.aa: expected one of the names a, A; received 'aa'. Did you mean 'a'?",
    ]);
  });

  test('a key needs declared columns', () => {
    expect(texts(() => csv('x.csv', { key: 'id' as never }))).toEqual([
      'csv.key: expected a key of declared columns; received a key without columns. Give columns, or declare both with .as({ … }, { key }).',
    ]);
  });

  test.each([
    ['parquet', parquet],
    ['json', json],
    ['arrow', arrow],
  ] as const)('%s knows columns and key alone', (name, builder) => {
    expect(texts(() => untyped(builder)('x', { header: true }))).toEqual([
      `${name}.header: expected one of the keys columns, key; received 'header'. Remove it.`,
    ]);
  });
});

describe('declared columns', () => {
  const raw = (): { as: (...values: unknown[]) => unknown } => csv('x.csv') as never;
  test.each([undefined, null, [t.int64], 3])('as refuses %j for columns', (value) => {
    expect(texts(() => raw().as(value))).toHaveLength(1);
  });

  test('as says every problem at once', () => {
    expect(
      texts(() =>
        raw().as({ id: t.int64, Id: t.int64, plan: 'string', age: null, '': t.bool }, { key: ['id', 'idd', 'id'] }),
      ),
    ).toEqual([
      "as.columns.Id: expected names that differ in more than their case, as SQL does not tell them apart; received 'id' and 'Id'.",
      "as.columns.plan: expected a type such as t.int64; received 'string'. Import t from 'millrace/types'.",
      "as.columns.age: expected a type such as t.int64; received null. Import t from 'millrace/types'.",
      "as.columns.: expected a name of at least one character, without NUL; received ''.",
      "as.key: expected one of the declared columns id, Id, plan, age, ; received 'idd'. Did you mean 'id'?",
      "as.key: expected each column once; received 'id' again.",
    ]);
  });

  test('as refuses no columns, a key that is no name and unknown options', () => {
    expect(texts(() => raw().as({}))).toEqual(['as.columns: expected at least one column; received none.']);
    expect(texts(() => raw().as({ id: t.int64 }, { key: 3 }))).toEqual([
      'as.key: expected a column or an array of columns; received 3.',
    ]);
    expect(texts(() => raw().as({ id: t.int64 }, { keys: 'id' }))).toEqual([
      "as.keys: expected one of the keys key; received 'keys'. Did you mean 'key'?",
    ]);
  });
});

describe('sql', () => {
  test.each(['2026-02-30', '2026-1-1', '', undefined])('date refuses %j', (value) => {
    expect(texts(() => date(value as string))).toEqual([
      `date: expected a date as YYYY-MM-DD; received ${value === undefined ? 'nothing' : `'${value}'`}.`,
    ]);
  });

  test.each(['2026-01-01', '2026-01-01T00:00:00'])('timestamp refuses %j, which has no zone', (value) => {
    expect(texts(() => timestamp(value))).toEqual([
      `timestamp: expected a time as ISO 8601 with a zone, such as 2026-01-01T00:00:00Z; received '${value}'.`,
    ]);
  });

  test('a value between quotes or in a comment is refused, where it would be text', () => {
    const code = 'SQL_INVALID';
    expect(texts(() => sql`SELECT * FROM ${people()} WHERE plan = '${'basic'}'`, code)).toEqual([
      "sql.${1}: expected values and datasets outside of quotes and comments; received one between '. Take the quotes away: a value is bound with its type.",
    ]);
    expect(texts(() => sql`SELECT * FROM "${people()}"`, code)).toHaveLength(1);
    expect(texts(() => sql`SELECT $$it is ${1}$$`, code)).toEqual([
      'sql.${0}: expected values and datasets outside of quotes and comments; received one between $$. Take the quotes away: a value is bound with its type.',
    ]);
    expect(texts(() => sql`SELECT 1 -- ${1}`, code)).toEqual([
      'sql.${0}: expected values and datasets outside of quotes and comments; received one in a comment. Take it out of the comment.',
    ]);
    expect(texts(() => sql`SELECT 1 /* it's ${1} */`, code)).toHaveLength(1);
    expect(
      texts(
        () => sql`SELECT 'it''s' AS "a""b" -- don't
      , /* "quoted' */ ${1} AS b, ${'x'} AS c`,
      ),
    ).toEqual([]);
  });

  test('sqlText wants a placeholder a dataset and a dataset a placeholder', () => {
    const code = 'SQL_INVALID';
    expect(texts(() => sqlText('SELECT * FROM {{0}} JOIN {{2}} USING (id)', [people(), people()]), code)).toEqual([
      'sqlText.text: expected placeholders of the 2 datasets; received {{2}}.',
      'sqlText.datasets.1: expected a text that reads {{1}}; received one that does not.',
    ]);
    expect(texts(() => sqlText(' '), code)).toEqual([
      'sqlText.text: expected one SELECT statement; received an empty text.',
    ]);
    expect(texts(() => untyped(sqlText)(undefined), code)).toEqual([
      'sqlText.text: expected one SELECT statement; received nothing.',
    ]);
    expect(texts(() => sqlText('SELECT 1 AS a'), code)).toEqual([]);
  });

  test('values that SQL does not have are refused where they stand', () => {
    expect(texts(() => sql`SELECT ${1}, ${Number.NaN}`)).toEqual(['sql.${1}: expected a finite number; received NaN.']);
    expect(texts(() => sql`SELECT ${[1, {} as never]}`)).toEqual([
      'sql.${0}.1: expected a dataset, null, boolean, number, bigint, string, array, date(…) or timestamp(…); received an object.',
    ]);
    expect(texts(() => sql` `, 'SQL_INVALID')).toEqual(['sql: expected one SELECT statement; received an empty text.']);
    expect(texts(() => sql`SELECT * FROM ${parts() as never}`, 'PIPELINE_INVALID')).toEqual([
      'sql.${0}: expected what csv(), parquet(), json(), arrow(), sql`…`, custom() or predict() returned; received what split() returned.',
    ]);
  });
});
