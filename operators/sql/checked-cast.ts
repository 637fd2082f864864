import { MillraceError } from '../../pipelines/contracts/errors.js';
import { quoteIdentifier } from '../../pipelines/contracts/sql.js';
import type { Column, ColumnType } from '../../pipelines/types/column-type.js';
import { duckdbType, isSameType, typeText } from '../../pipelines/types/type-table.js';

/** How one column is cast: what is written, and which rows that would fail. */
export interface ColumnCast {
  readonly target: Column;
  readonly source: ColumnType;
  /** Value of the column; raises an error where a value does not survive the cast. */
  readonly expression: string;
  /** True in the rows that the cast refuses. */
  readonly refuses: string;
}

const integers = new Set(['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64']);
const isInteger = (type: ColumnType): boolean => integers.has(type.kind);
const isFloat = (type: ColumnType): boolean => type.kind === 'float32' || type.kind === 'float64';

/**
 * A cast that changes no value: DuckDB's own rounds 1.5 to 2, takes '1.5' for 2 and 7 for true. Equal types are cast too:
 * the table widens some of DuckDB's (HUGEINT, UUID, TIMESTAMPTZ …), and DuckDB drops a cast that does nothing.
 *
 * @param raisesNull - whether a null in a column that must have none is an error here (else the writer counts them).
 */
export function castColumn(source: Column, target: Column, raisesNull: boolean): ColumnCast {
  const field = quoteIdentifier(source.name);
  const type = duckdbType(target.type);
  const condition = isSameType(source.type, target.type) ? null : survives(field, source.type, target.type);
  let expression = `CAST(${field} AS ${type})`;
  if (condition !== null)
    expression = `CASE WHEN ${field} IS NULL OR ${condition} THEN ${expression} ELSE error('millrace: cast') END`;
  if (raisesNull && !target.type.nullable) expression = `coalesce(${expression}, error('millrace: null'))`;
  const fails = `TRY_CAST(${field} AS ${type}) IS NULL${condition === null ? '' : ` OR NOT coalesce(${condition}, false)`}`;
  return { target, source: source.type, expression, refuses: `${field} IS NOT NULL AND (${fails})` };
}

/** What must hold besides DuckDB's own checks, so that the value stays what it is; null where those suffice. */
function survives(field: string, source: ColumnType, target: ColumnType): string | null {
  if (isInteger(target) && (isFloat(source) || source.kind === 'decimal')) return `${field} = trunc(${field})`;
  if (isInteger(target) && source.kind === 'string') return `regexp_full_match(${field}, '\\s*[+-]?[0-9]+\\s*')`;
  if (target.kind === 'bool' && (isInteger(source) || isFloat(source) || source.kind === 'decimal'))
    return `${field} IN (0, 1)`;
  if (target.kind === 'date' && source.kind === 'timestamp')
    return `CAST(${field} AS TIMESTAMP) = date_trunc('day', CAST(${field} AS TIMESTAMP))`;
  if (target.kind === 'decimal' && source.kind === 'decimal' && source.scale > target.scale)
    return `TRY_CAST(${field} AS ${duckdbType(target)}) = ${field}`;
  return null;
}

/** Whether a refused value had the right kind and only the wrong size. */
export function isRangeCast(cast: ColumnCast): boolean {
  const isNumber = (type: ColumnType): boolean => isInteger(type) || isFloat(type) || type.kind === 'decimal';
  return isNumber(cast.source) && isNumber(cast.target.type);
}

const families: Readonly<Record<ColumnType['kind'], string>> = {
  bool: 'number',
  int8: 'number',
  int16: 'number',
  int32: 'number',
  int64: 'number',
  uint8: 'number',
  uint16: 'number',
  uint32: 'number',
  uint64: 'number',
  float32: 'number',
  float64: 'number',
  decimal: 'number',
  string: 'text',
  bytes: 'bytes',
  date: 'time',
  timestamp: 'time',
  list: 'list',
  tensor: 'list',
  struct: 'struct',
};

/** Whether the table knows a cast at all: between numbers, between times, and both from and to text; lists and structs keep their shape. */
export function isCastable(source: ColumnType, target: ColumnType): boolean {
  const [from, to] = [families[source.kind], families[target.kind]];
  if (from === to) return true;
  const isScalar = (family: string): boolean => family === 'number' || family === 'time';
  return (from === 'text' && isScalar(to)) || (to === 'text' && isScalar(from));
}

/** The error for a cast that there is not. */
export function castError(source: ColumnType, target: Column, path: string, cause?: unknown): MillraceError {
  return new MillraceError('DATA_TYPE', {
    path: `${path}.columns.${target.name}`,
    expected: typeText(target.type),
    received: typeText(source),
    hint: 'Declare the type that the column has, or convert it in SQL.',
    details: { column: target.name },
    ...(cause === undefined ? {} : { cause }),
  });
}
