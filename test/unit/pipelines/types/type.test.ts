import { describe, expect, test } from 'vitest';
import { columnsFromTypes, isType, t } from '../../../../pipelines/types/type.js';
import { thrown } from '../thrown.js';

test('a type is data: nullability is in it, and JSON does not recurse', () => {
  expect(t.int64.columnType).toEqual({ kind: 'int64', nullable: false });
  expect(t.int64.nullable.nullable.columnType).toEqual({ kind: 'int64', nullable: true });
  expect(t.int64.isNullable).toBe(false);
  expect(JSON.parse(JSON.stringify(t.string.nullable))).toEqual({
    kind: 'string',
    isNullable: true,
    columnType: { kind: 'string', nullable: true },
  });
  expect(Object.isFrozen(t.int64) && Object.isFrozen(t.int64.columnType)).toBe(true);
});

test('types with parts keep them, also where they may be null', () => {
  expect(t.decimal(10, 2).nullable.columnType).toEqual({ kind: 'decimal', nullable: true, precision: 10, scale: 2 });
  expect(t.list(t.float32.nullable).columnType).toEqual({
    kind: 'list',
    nullable: false,
    item: { kind: 'float32', nullable: true },
  });
  expect(t.tensor([3, 2]).columnType).toEqual({ kind: 'tensor', nullable: false, shape: [3, 2] });
  expect(t.struct({ a: t.date }).columnType).toEqual({
    kind: 'struct',
    nullable: false,
    fields: [{ name: 'a', type: { kind: 'date', nullable: false } }],
  });
});

test('columns keep the order in which they were written', () => {
  expect(columnsFromTypes({ b: t.bool, a: t.bytes }).map((column) => column.name)).toEqual(['b', 'a']);
});

test.each([undefined, null, 3, 'int64', {}, { columnType: null }, { columnType: { kind: 3 } }])(
  '%j is no type',
  (value) => {
    expect(isType(value)).toBe(false);
  },
);

describe('parts are checked', () => {
  test.each([
    [() => t.decimal(0, 0), 't.decimal.precision: expected an integer from 1 to 38; received 0.'],
    [() => t.decimal(39, 0), 't.decimal.precision: expected an integer from 1 to 38; received 39.'],
    [() => t.decimal(10, 11), 't.decimal.scale: expected an integer from 0 to 10; received 11.'],
    [() => t.decimal(10, Number.NaN), 't.decimal.scale: expected an integer from 0 to 10; received NaN.'],
    [() => t.tensor([]), 't.tensor.shape: expected an array of integers from 1 on, such as [3, 32, 32]; received [].'],
    [
      () => t.tensor([3, 0]),
      't.tensor.shape: expected an array of integers from 1 on, such as [3, 32, 32]; received [3, 0].',
    ],
    [
      () => t.tensor(3 as never),
      't.tensor.shape: expected an array of integers from 1 on, such as [3, 32, 32]; received a number.',
    ],
    [() => t.list(undefined as never), 't.list.item: expected a type such as t.int64; received nothing.'],
    [() => t.struct({}), 't.struct: expected at least one field; received none.'],
    [() => t.struct({ a: 'x' } as never), 't.struct.a: expected a type such as t.int64; received a string.'],
  ])('%s', (body, text) => {
    expect(thrown(body)).toEqual([['CONFIG_INVALID', text]]);
  });
});
