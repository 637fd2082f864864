import {
  BIGINT,
  BOOLEAN,
  DATE,
  DOUBLE,
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  type DuckDBPreparedStatement,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  type DuckDBValue,
  LIST,
  TIMESTAMP,
  VARCHAR,
} from '@duckdb/node-api';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { SqlCell, SqlValue } from '../../pipelines/contracts/sql.js';
import type { ColumnType } from '../../pipelines/types/column-type.js';

/** A DuckDB value as the cell that the type table says. */
export function cellFromDuckdb(value: DuckDBValue, type: ColumnType): SqlCell {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  // HUGEINT and BIGINT both arrive as bigint; INTEGER and below as number.
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  if (value instanceof DuckDBDateValue) return value.toString();
  if (value instanceof DuckDBTimestampValue || value instanceof DuckDBTimestampTZValue) return value.micros;
  if (value instanceof DuckDBTimestampMillisecondsValue) return value.millis * 1000n;
  if (value instanceof DuckDBTimestampSecondsValue) return value.seconds * 1_000_000n;
  if (value instanceof DuckDBTimestampNanosecondsValue) return value.nanos / 1000n;
  // Copied out of DuckDB's memory, and no Buffer.
  if (value instanceof DuckDBBlobValue) return new Uint8Array(value.bytes);
  if (value instanceof DuckDBListValue) {
    const item = type.kind === 'list' ? type.item : type;
    return value.items.map((each) => cellFromDuckdb(each, item));
  }
  if (value instanceof DuckDBArrayValue) return tensorCell(value, type);
  if (value instanceof DuckDBStructValue) {
    const fields = type.kind === 'struct' ? type.fields : [];
    return Object.fromEntries(
      fields.map((field) => [field.name, cellFromDuckdb(value.entries[field.name] ?? null, field.type)]),
    );
  }
  // DECIMAL, UUID, ENUM: as text.
  return String(value);
}

function tensorCell(value: DuckDBArrayValue, type: ColumnType): SqlCell {
  const inner: ColumnType =
    type.kind === 'tensor' && type.shape.length > 1
      ? { ...type, shape: type.shape.slice(1) }
      : { kind: 'float32', nullable: true };
  return value.items.map((each) => cellFromDuckdb(each, inner));
}

/** A cell as the DuckDB value of its column type, for tables that are filled from memory. */
export function duckdbFromCell(cell: SqlCell, type: ColumnType, path: string): DuckDBValue {
  if (cell === null) return null;
  switch (type.kind) {
    case 'bool':
      return typeof cell === 'boolean' ? cell : mismatch(cell, type, path);
    case 'int64':
    case 'uint64':
      if (typeof cell === 'bigint') return cell;
      return typeof cell === 'number' && Number.isSafeInteger(cell) ? BigInt(cell) : mismatch(cell, type, path);
    case 'int8':
    case 'int16':
    case 'int32':
    case 'uint8':
    case 'uint16':
    case 'uint32':
      return typeof cell === 'number' && Number.isInteger(cell) ? cell : mismatch(cell, type, path);
    case 'float32':
    case 'float64':
      return typeof cell === 'number' ? cell : mismatch(cell, type, path);
    case 'string':
      return typeof cell === 'string' ? cell : mismatch(cell, type, path);
    case 'decimal':
      return typeof cell === 'string' ? decimalFromText(cell, type.precision, type.scale) : mismatch(cell, type, path);
    case 'bytes':
      return cell instanceof Uint8Array ? new DuckDBBlobValue(cell) : mismatch(cell, type, path);
    case 'date':
      return typeof cell === 'string' ? new DuckDBDateValue(daysFromIso(cell)) : mismatch(cell, type, path);
    case 'timestamp':
      return typeof cell === 'bigint' ? new DuckDBTimestampValue(cell) : mismatch(cell, type, path);
    case 'list':
      return new DuckDBListValue(itemsOf(cell, type, path).map((item) => duckdbFromCell(item, type.item, path)));
    case 'tensor': {
      const [size, ...rest] = type.shape;
      const items = itemsOf(cell, type, path);
      if (items.length !== size) return mismatch(cell, type, path);
      const inner: ColumnType =
        rest.length > 0 ? { ...type, nullable: false, shape: rest } : { kind: 'float32', nullable: false };
      return new DuckDBArrayValue(items.map((item) => duckdbFromCell(item, inner, path)));
    }
    case 'struct': {
      if (typeof cell !== 'object' || Array.isArray(cell) || cell instanceof Uint8Array)
        return mismatch(cell, type, path);
      const fields = cell as { readonly [field: string]: SqlCell };
      return new DuckDBStructValue(
        Object.fromEntries(
          type.fields.map((field) => [
            field.name,
            duckdbFromCell(fields[field.name] ?? null, field.type, `${path}.${field.name}`),
          ]),
        ),
      );
    }
  }
}

function itemsOf(cell: SqlCell, type: ColumnType, path: string): readonly SqlCell[] {
  if (Array.isArray(cell)) return cell as readonly SqlCell[];
  if (ArrayBuffer.isView(cell)) return Array.from(cell as unknown as ArrayLike<number>);
  return mismatch(cell, type, path);
}

function mismatch(cell: SqlCell, type: ColumnType, path: string): never {
  throw new MillraceError('DATA_TYPE', {
    path,
    expected: `a ${type.kind}`,
    received: Array.isArray(cell) ? 'an array' : cell instanceof Uint8Array ? 'bytes' : `a ${typeof cell}`,
    hint: 'Return what the type table names for this kind.',
  });
}

function decimalFromText(text: string, precision: number, scale: number): DuckDBDecimalValue {
  const found = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  const fraction = found?.[3] ?? '';
  if (found === null || fraction.length > scale) {
    throw new MillraceError('DATA_TYPE', {
      path: 'decimal',
      expected: `a decimal(${precision}, ${scale})`,
      received: 'another text',
    });
  }
  const digits = BigInt(`${found[2]}${fraction.padEnd(scale, '0')}`);
  return new DuckDBDecimalValue(found[1] === '-' ? -digits : digits, precision, scale);
}

/** Days since 1970-01-01. */
export function daysFromIso(iso: string): number {
  return Math.round(Date.parse(`${iso}T00:00:00Z`) / 86_400_000);
}

/** µs since the epoch of an ISO 8601 time; digits below a millisecond are kept. */
export function microsFromIso(iso: string): bigint {
  const fraction = /\.(\d{3})(\d{1,3})/.exec(iso)?.[2] ?? '';
  return BigInt(Date.parse(iso)) * 1000n + BigInt(fraction.padEnd(3, '0'));
}

/** Binds `values[i]` to `$(i + 1)`, each with its own type; those that the statement does not name are left out. */
export function bindValues(statement: DuckDBPreparedStatement, values: readonly SqlValue[]): void {
  const indexes = new Map<string, number>();
  for (let index = 1; index <= statement.parameterCount; index++) indexes.set(statement.parameterName(index), index);
  for (const [position, value] of values.entries()) {
    const index = indexes.get(String(position + 1));
    if (index === undefined) continue;
    if (value === null) statement.bindNull(index);
    else if (typeof value === 'boolean') statement.bindBoolean(index, value);
    // A number is a DOUBLE even where it is whole: 2 and 2.0 are one value in JavaScript.
    else if (typeof value === 'number') statement.bindDouble(index, value);
    else if (typeof value === 'bigint') bindInteger(statement, index, value);
    else if (typeof value === 'string') statement.bindVarchar(index, value);
    else if (value.kind === 'bigint') bindInteger(statement, index, BigInt(value.text));
    else if (value.kind === 'date') statement.bindDate(index, new DuckDBDateValue(daysFromIso(value.iso)));
    else if (value.kind === 'timestamp')
      statement.bindTimestamp(index, new DuckDBTimestampValue(microsFromIso(value.iso)));
    else statement.bindList(index, listValue(value.items), LIST(itemType(value.items)));
  }
}

function bindInteger(statement: DuckDBPreparedStatement, index: number, value: bigint): void {
  if (BigInt.asIntN(64, value) === value) statement.bindBigInt(index, value);
  else statement.bindHugeInt(index, value);
}

function listValue(items: readonly SqlValue[]): DuckDBListValue {
  return new DuckDBListValue(
    items.map((item): DuckDBValue => {
      if (item === null || typeof item !== 'object') return item;
      if (item.kind === 'bigint') return BigInt(item.text);
      if (item.kind === 'date') return new DuckDBDateValue(daysFromIso(item.iso));
      if (item.kind === 'timestamp') return new DuckDBTimestampValue(microsFromIso(item.iso));
      return listValue(item.items);
    }),
  );
}

function itemType(items: readonly SqlValue[]): DuckDBType {
  const first = items.find((item) => item !== null);
  if (first === undefined || first === null || typeof first === 'string') return VARCHAR;
  if (typeof first === 'boolean') return BOOLEAN;
  if (typeof first === 'number') return DOUBLE;
  if (typeof first === 'bigint' || first.kind === 'bigint') return BIGINT;
  if (first.kind === 'date') return DATE;
  if (first.kind === 'timestamp') return TIMESTAMP;
  return LIST(itemType(first.items));
}
