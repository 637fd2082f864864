import { MillraceError } from '../contracts/errors.js';
import type { Column, ColumnType, Kind, ScalarKind } from './column-type.js';

declare const nulls: unique symbol;

/**
 * A column's type as users write it: `t.int64`, `t.string.nullable`.
 * `N` is `null` where the column may be null, else `never`; nullability combines as `N | M`.
 */
export interface Type<out K extends Kind = Kind, out N extends null = never> {
  readonly kind: K;
  readonly isNullable: boolean;
  readonly [nulls]?: readonly N[];
  /** The same type, with null allowed. */
  readonly nullable: Type<K, null>;
  /** The type as data. */
  readonly columnType: ColumnType;
}

export type AnyType = Type<Kind, null>;

/** What a declaration of columns is: an object of types. */
export type ColumnsOf<C> = { readonly [K in keyof C]: AnyType };

/** The kind of a type. */
export type KindOf<T> = T extends { readonly kind: infer K extends Kind } ? K : never;

interface JsTable {
  bool: boolean;
  int8: number;
  int16: number;
  int32: number;
  int64: bigint;
  uint8: number;
  uint16: number;
  uint32: number;
  uint64: bigint;
  float32: number;
  float64: number;
  decimal: string;
  string: string;
  bytes: Uint8Array;
  date: string;
  timestamp: bigint;
  list: readonly unknown[];
  tensor: Float32Array;
  struct: Readonly<Record<string, unknown>>;
}

/** The JavaScript type of a cell. */
export type JsOf<T> = T extends { readonly kind: infer K extends Kind; readonly [nulls]?: readonly (infer N)[] }
  ? JsTable[K] | N
  : never;

/** The JavaScript type of a row. */
export type RowOf<C> = { readonly [K in keyof C]: JsOf<C[K]> };

function type<K extends Kind>(columnType: ColumnType & { readonly kind: K }): Type<K> {
  const value = { kind: columnType.kind, isNullable: columnType.nullable, columnType: Object.freeze(columnType) };
  // Not enumerable: JSON.stringify would follow `nullable` for ever.
  Object.defineProperty(value, 'nullable', {
    get: () => type({ ...columnType, nullable: true } as typeof columnType),
    enumerable: false,
  });
  return Object.freeze(value) as unknown as Type<K>;
}

function scalar<K extends Exclude<ScalarKind, 'decimal'>>(kind: K): Type<K> {
  return type({ kind, nullable: false } as ColumnType & { readonly kind: K });
}

/** The types of columns. Timestamps are µs since the epoch, UTC; dates have no time zone. */
export const t = Object.freeze({
  bool: scalar('bool'),
  int8: scalar('int8'),
  int16: scalar('int16'),
  int32: scalar('int32'),
  int64: scalar('int64'),
  uint8: scalar('uint8'),
  uint16: scalar('uint16'),
  uint32: scalar('uint32'),
  uint64: scalar('uint64'),
  float32: scalar('float32'),
  float64: scalar('float64'),
  string: scalar('string'),
  bytes: scalar('bytes'),
  date: scalar('date'),
  timestamp: scalar('timestamp'),
  /** @param precision - digits in all, 1 to 38. @param scale - digits after the point, 0 to precision. */
  decimal: (precision: number, scale: number): Type<'decimal'> => {
    if (!Number.isInteger(precision) || precision < 1 || precision > 38) {
      throw new MillraceError('CONFIG_INVALID', {
        path: 't.decimal.precision',
        expected: 'an integer from 1 to 38',
        received: String(precision),
      });
    }
    if (!Number.isInteger(scale) || scale < 0 || scale > precision) {
      throw new MillraceError('CONFIG_INVALID', {
        path: 't.decimal.scale',
        expected: `an integer from 0 to ${precision}`,
        received: String(scale),
      });
    }
    return type({ kind: 'decimal', nullable: false, precision, scale });
  },
  list: (item: AnyType): Type<'list'> => {
    checkType(item, 't.list.item');
    return type({ kind: 'list', nullable: false, item: item.columnType });
  },
  /** A fixed-size float32 tensor in every row. */
  tensor: (shape: readonly number[]): Type<'tensor'> => {
    if (!Array.isArray(shape) || shape.length === 0 || !shape.every((size) => Number.isSafeInteger(size) && size > 0)) {
      throw new MillraceError('CONFIG_INVALID', {
        path: 't.tensor.shape',
        expected: 'an array of integers from 1 on, such as [3, 32, 32]',
        received: Array.isArray(shape) ? `[${shape.map(String).join(', ')}]` : `a ${typeof shape}`,
      });
    }
    return type({ kind: 'tensor', nullable: false, shape: Object.freeze([...shape]) });
  },
  struct: <F extends ColumnsOf<F>>(fields: F): Type<'struct'> => {
    const entries: readonly (readonly [string, unknown])[] = Object.entries(fields ?? {});
    if (entries.length === 0) {
      throw new MillraceError('CONFIG_INVALID', { path: 't.struct', expected: 'at least one field', received: 'none' });
    }
    for (const [name, field] of entries) checkType(field, `t.struct.${name}`);
    return type({ kind: 'struct', nullable: false, fields: columnsFromTypes(fields) });
  },
});

/** true for what `t` gives. */
export function isType(value: unknown): value is AnyType {
  const given = (value as { readonly columnType?: { readonly kind?: unknown } } | null | undefined)?.columnType;
  return typeof given === 'object' && given !== null && typeof given.kind === 'string';
}

function checkType(value: unknown, path: string): void {
  if (isType(value)) return;
  throw new MillraceError('CONFIG_INVALID', {
    path,
    expected: 'a type such as t.int64',
    received: value === undefined ? 'nothing' : value === null ? 'null' : `a ${typeof value}`,
  });
}

/** Declared columns as data, in the order in which they were written. */
export function columnsFromTypes(columns: { readonly [name: string]: AnyType }): Column[] {
  return Object.entries(columns).map(([name, value]) => ({ name, type: value.columnType }));
}
