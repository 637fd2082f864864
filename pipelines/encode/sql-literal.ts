import { MillraceError } from '../contracts/errors.js';
import { quoteLiteral } from '../contracts/sql.js';
import type { DType } from '../network/graph.js';

/** DuckDB's type of a dtype. */
export const sqlTypes: Readonly<Record<DType, string>> = {
  float32: 'FLOAT',
  float64: 'DOUBLE',
  int64: 'BIGINT',
  bool: 'BOOLEAN',
  string: 'VARCHAR',
};

export const sqlNaN = `CAST('NaN' AS DOUBLE)`;

/**
 * A DOUBLE with exactly these bits. A bare literal would be a DECIMAL; the shortest decimal that reads back,
 * cast from text, is not.
 */
export function doubleLiteral(value: number): string {
  if (Number.isNaN(value)) return sqlNaN;
  if (!Number.isFinite(value)) return `CAST('${value > 0 ? '' : '-'}Infinity' AS DOUBLE)`;
  return `CAST('${Object.is(value, -0) ? '-0.0' : String(value)}' AS DOUBLE)`;
}

/** A scalar constant of a dtype, from what a graph or statistics hold of it. */
export function scalarLiteral(value: number | string | boolean, dtype: DType, path: string): string {
  switch (dtype) {
    case 'float64':
      return doubleLiteral(Number(value));
    case 'float32':
      return `CAST(${doubleLiteral(Number(value))} AS FLOAT)`;
    case 'int64':
      return `CAST(${integerText(value, path)} AS BIGINT)`;
    case 'bool':
      return value === true || Number(value) !== 0 ? 'TRUE' : 'FALSE';
    case 'string':
      return quoteLiteral(String(value));
  }
}

export function integerText(value: number | string | boolean, path: string): string {
  const text =
    typeof value === 'number' ? (Number.isSafeInteger(value) ? BigInt(value).toString() : '') : String(value);
  if (/^-?\d{1,19}$/.test(text)) return text;
  throw new MillraceError('NETWORK_INVALID', { path, expected: 'an integer of 64 bits', received: String(value) });
}
