import { quoteIdentifier } from '../../pipelines/contracts/sql.js';
import type { Column, ColumnType } from '../../pipelines/types/column-type.js';

/**
 * The text that names a row by some of its columns, as SQL; never NULL.
 *
 * One column: its text. Several: their texts joined by ','. The text of a value is
 * - string: itself, and among several columns `<octets>:<string>`, so that no two keys share a text;
 * - integer: decimal digits; bool: `true` or `false`; decimal: all digits of its scale;
 * - date: YYYY-MM-DD; timestamp: µs since 1970-01-01 UTC, in decimal;
 * - float: the shortest decimal that reads back (`1.0`, `0.24`, `1e-07`), `-0.0` as `0.0`;
 * - bytes: lower-case hexadecimal digits; list, tensor, struct: DuckDB's text, as a string;
 * - NULL: the empty text.
 *
 * @param columns - at least one.
 */
export function keyTextSql(columns: readonly Column[]): string {
  const [first, ...rest] = columns;
  if (first === undefined) throw new RangeError('a key has at least one column');
  if (rest.length === 0) return `coalesce(${textSql(first)}, '')`;
  return `concat_ws(',', ${columns.map((column) => `coalesce(${isStringLike(column.type) ? prefixed(textSql(column)) : textSql(column)}, '')`).join(', ')})`;
}

function prefixed(text: string): string {
  return `strlen(${text}) || ':' || ${text}`;
}

function isStringLike(type: ColumnType): boolean {
  return type.kind === 'string' || type.kind === 'list' || type.kind === 'tensor' || type.kind === 'struct';
}

function textSql({ name, type }: Column): string {
  const column = quoteIdentifier(name);
  switch (type.kind) {
    case 'string':
      return `CAST(${column} AS VARCHAR)`;
    case 'timestamp':
      return `CAST(epoch_us(${column}) AS VARCHAR)`;
    case 'float32':
      return `CAST(${column} + CAST(0 AS FLOAT) AS VARCHAR)`;
    case 'float64':
      return `CAST(${column} + CAST(0 AS DOUBLE) AS VARCHAR)`;
    case 'bytes':
      return `lower(hex(${column}))`;
    default:
      return `CAST(${column} AS VARCHAR)`;
  }
}
