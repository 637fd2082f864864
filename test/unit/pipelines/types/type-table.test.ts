import { expect, test } from 'vitest';
import type { ColumnType } from '../../../../pipelines/types/column-type.js';
import { duckdbType, isSameType, typeFromDuckdb, typeText } from '../../../../pipelines/types/type-table.js';

const of = (kind: 'int32' | 'string' | 'float32'): ColumnType => ({ kind, nullable: true });

test.each<[string, ColumnType]>([
  ['INTEGER', of('int32')],
  ['DECIMAL(10,2)', { kind: 'decimal', nullable: true, precision: 10, scale: 2 }],
  ['VARCHAR[]', { kind: 'list', nullable: true, item: of('string') }],
  ['INTEGER[][]', { kind: 'list', nullable: true, item: { kind: 'list', nullable: true, item: of('int32') } }],
  ['FLOAT[3]', { kind: 'tensor', nullable: true, shape: [3] }],
  ['FLOAT[4][3]', { kind: 'tensor', nullable: true, shape: [3, 4] }],
  ['FLOAT[4][]', { kind: 'list', nullable: true, item: { kind: 'tensor', nullable: true, shape: [4] } }],
  [
    'STRUCT(a INTEGER, "b c" VARCHAR[], "d""e" STRUCT(f DECIMAL(3,1)))',
    {
      kind: 'struct',
      nullable: true,
      fields: [
        { name: 'a', type: of('int32') },
        { name: 'b c', type: { kind: 'list', nullable: true, item: of('string') } },
        {
          name: 'd"e',
          type: {
            kind: 'struct',
            nullable: true,
            fields: [{ name: 'f', type: { kind: 'decimal', nullable: true, precision: 3, scale: 1 } }],
          },
        },
      ],
    },
  ],
])('reads %s and writes it again', (text, type) => {
  expect(typeFromDuckdb(text)).toEqual({ type, isExact: true });
  expect(typeFromDuckdb(duckdbType(type))).toEqual({ type, isExact: true });
});

test.each([
  ['HUGEINT', 'int64'],
  ['UUID', 'string'],
  ["ENUM('a,)b', 'c''d')", 'string'],
  ['TIMESTAMP WITH TIME ZONE', 'timestamp'],
  ['TIMESTAMP_NS', 'timestamp'],
  ['JSON', 'string'],
  ['"NULL"', 'int32'],
])('takes %s for %s by a checked cast', (text, kind) => {
  expect(typeFromDuckdb(text)).toEqual({ type: { kind, nullable: true }, isExact: false });
});

test.each([
  'TIME',
  'TIME WITH TIME ZONE',
  'INTERVAL',
  'MAP(VARCHAR, INTEGER)',
  'UNION(a INTEGER, b VARCHAR)',
  'BIT',
  'INTEGER[3]',
  'TIME[]',
  'STRUCT(a INTERVAL)',
  'VARIANT',
  'SOMETHING NEW',
])('refuses %s and names the cast to write', (text) => {
  const found = typeFromDuckdb(text);
  expect('refused' in found && found.cast.length > 0).toBe(true);
});

test('compares types without their nullability and names them for people', () => {
  expect(isSameType({ kind: 'int8', nullable: true }, { kind: 'int8', nullable: false })).toBe(true);
  expect(
    isSameType({ kind: 'tensor', nullable: true, shape: [2, 3] }, { kind: 'tensor', nullable: true, shape: [3, 2] }),
  ).toBe(false);
  expect(
    typeText({ kind: 'list', nullable: false, item: { kind: 'decimal', nullable: false, precision: 5, scale: 1 } }),
  ).toBe('list of decimal(5, 1)');
  expect(
    typeText({
      kind: 'struct',
      nullable: false,
      fields: [{ name: 'a', type: { kind: 'tensor', nullable: false, shape: [2, 3] } }],
    }),
  ).toBe('struct { a: tensor[2, 3] }');
});
