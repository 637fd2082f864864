import {
  DataType,
  type Decimal,
  type Field,
  type FixedSizeList,
  type List,
  type Struct,
  type Timestamp,
  TimeUnit,
  type Vector,
} from 'apache-arrow';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { SqlCell } from '../../pipelines/contracts/sql.js';
import type { ColumnType } from '../../pipelines/types/column-type.js';

/** The row of the type table that an Arrow field has. @throws DATA_TYPE */
export function arrowColumnType(field: Field, path: string): ColumnType {
  const type = field.type;
  const { nullable } = field;
  if (DataType.isDictionary(type)) return arrowColumnType({ ...field, type: type.dictionary } as Field, path);
  if (DataType.isBool(type)) return { kind: 'bool', nullable };
  if (DataType.isInt(type)) return { kind: `${type.isSigned ? '' : 'u'}int${type.bitWidth}` as 'int32', nullable };
  if (DataType.isFloat(type)) return { kind: type.precision === 2 ? 'float64' : 'float32', nullable };
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return { kind: 'string', nullable };
  if (DataType.isBinary(type) || DataType.isLargeBinary(type) || DataType.isFixedSizeBinary(type))
    return { kind: 'bytes', nullable };
  if (DataType.isDate(type)) return { kind: 'date', nullable };
  if (DataType.isTimestamp(type)) return { kind: 'timestamp', nullable };
  if (DataType.isDecimal(type)) return { kind: 'decimal', nullable, precision: type.precision, scale: type.scale };
  if (DataType.isNull(type)) return { kind: 'int32', nullable: true };
  if (DataType.isFixedSizeList(type)) return fixedListType(field, type, path);
  if (DataType.isList(type))
    return { kind: 'list', nullable, item: arrowColumnType((type as List).children[0] as Field, path) };
  if (DataType.isStruct(type)) {
    return {
      kind: 'struct',
      nullable,
      fields: (type as Struct).children.map((child) => ({ name: child.name, type: arrowColumnType(child, path) })),
    };
  }
  throw new MillraceError('DATA_TYPE', {
    path: `${path}: ${field.name}`,
    expected: 'a type of the type table',
    received: String(type),
    hint: 'Cast the column where the file is written.',
  });
}

function fixedListType(field: Field, type: FixedSizeList, path: string): ColumnType {
  const item = arrowColumnType(type.children[0] as Field, path);
  if (item.kind === 'float32') return { kind: 'tensor', nullable: field.nullable, shape: [type.listSize] };
  if (item.kind === 'tensor')
    return { kind: 'tensor', nullable: field.nullable, shape: [type.listSize, ...item.shape] };
  return { kind: 'list', nullable: field.nullable, item };
}

/** A vector's cells as the type table says. */
export function readArrowCells(vector: Vector, type: DataType): readonly SqlCell[] {
  const cells: SqlCell[] = [];
  for (let row = 0; row < vector.length; row++) cells.push(arrowCell(vector.get(row), type));
  return cells;
}

function arrowCell(value: unknown, type: DataType): SqlCell {
  if (value === null || value === undefined) return null;
  if (DataType.isDictionary(type)) return arrowCell(value, type.dictionary);
  // apache-arrow gives dates and times as a number of milliseconds.
  if (DataType.isDate(type)) return new Date(Number(value)).toISOString().slice(0, 10);
  if (DataType.isTimestamp(type)) return microsOf(value as number, type);
  if (DataType.isDecimal(type)) return decimalText(value as Uint32Array, type);
  if (DataType.isList(type) || DataType.isFixedSizeList(type)) {
    const item = ((type as List).children[0] as Field).type;
    return readArrowCells(value as Vector, item);
  }
  if (DataType.isStruct(type)) {
    const struct = value as { readonly [field: string]: unknown };
    return Object.fromEntries(
      (type as Struct).children.map((child) => [child.name, arrowCell(struct[child.name], child.type)]),
    );
  }
  return value as SqlCell;
}

/**
 * µs of a time that apache-arrow turned into milliseconds as a double: its fraction still holds the µs
 * (2^53 ms are far beyond any time, and a quarter of a µs is left at the year 2200).
 */
function microsOf(milliseconds: number, type: Timestamp): bigint {
  if (type.unit === TimeUnit.SECOND || type.unit === TimeUnit.MILLISECOND)
    return BigInt(Math.round(milliseconds)) * 1000n;
  const whole = Math.floor(milliseconds);
  return BigInt(whole) * 1000n + BigInt(Math.round((milliseconds - whole) * 1000));
}

function decimalText(words: Uint32Array, type: Decimal): string {
  let value = 0n;
  for (let index = words.length - 1; index >= 0; index--) value = (value << 32n) | BigInt(words[index] ?? 0);
  value = BigInt.asIntN(words.length * 32, value);
  const sign = value < 0n ? '-' : '';
  const digits = (value < 0n ? -value : value).toString().padStart(type.scale + 1, '0');
  return type.scale === 0 ? `${sign}${digits}` : `${sign}${digits.slice(0, -type.scale)}.${digits.slice(-type.scale)}`;
}
