import { MillraceError, nearestName } from '../contracts/errors.js';
import { quoteIdentifier } from '../contracts/sql.js';
import type { GraphNode } from '../network/graph.js';
import type { Column } from '../types/column-type.js';

/** Integers beyond it have no float64 of their own. */
const largestExact = 2n ** 53n;

/** What every row of a raw column has to hold, besides its type. */
export interface RawRule {
  readonly column: string;
  /** `finite`: no NaN, no infinity. `exact`: an integer that float64 holds. `text`: no NUL. */
  readonly kind: 'finite' | 'exact' | 'text';
  /** BOOLEAN over the dataset's columns, never NULL; NULL rows obey. */
  readonly sql: string;
}

export function columnOf(node: GraphNode, columns: readonly Column[]): Column {
  const name = String(node.attributes['name']);
  const column = columns.find((candidate) => candidate.name === name);
  if (column !== undefined) return column;
  const known = columns.map((candidate) => candidate.name);
  const nearest = nearestName(name, known);
  throw new MillraceError('DATA_COLUMN_MISSING', {
    path: `column ${name}`,
    expected: 'a column of the dataset',
    received: `none of this name among ${known.join(', ')}`,
    ...(nearest === null ? {} : { hint: `Did you mean '${nearest}'?` }),
  });
}

/** Wide integers may lie beyond what float64 holds. */
function isWide(column: Column): boolean {
  return column.type.kind === 'int64' || column.type.kind === 'uint64';
}

/**
 * A raw column in the dtype that the graph declares for it; NULL is missing. Where float64 cannot hold an integer, it
 * is NaN: neither missing nor a number, so that it shows.
 */
export function rawInputSql(node: GraphNode, column: Column): string {
  const name = quoteIdentifier(column.name);
  switch (node.dtype) {
    case 'string':
      return column.type.kind === 'string' ? name : `CAST(${name} AS VARCHAR)`;
    case 'int64':
      return column.type.kind === 'uint64'
        ? `TRY_CAST(${name} AS BIGINT)`
        : column.type.kind === 'int64'
          ? name
          : `CAST(${name} AS BIGINT)`;
    case 'float64':
      return isWide(column)
        ? exactSql(name, 'DOUBLE')
        : column.type.kind === 'float64'
          ? name
          : `CAST(${name} AS DOUBLE)`;
    case 'float32':
      return column.type.kind === 'float32' ? name : `CAST(${name} AS FLOAT)`;
    case 'bool':
      return name;
  }
}

/** A wide integer as a float, NaN where it is not exact. */
export function exactSql(name: string, type: 'DOUBLE' | 'FLOAT'): string {
  return `CASE WHEN ${name} BETWEEN -${largestExact} AND ${largestExact} THEN CAST(${name} AS ${type}) WHEN ${name} IS NOT NULL THEN CAST('NaN' AS ${type}) END`;
}

/** The rule of a raw column that a node reads, or null where its type says it all. */
export function rawRule(node: GraphNode, column: Column, isReadAsFloat: boolean): RawRule | null {
  const name = quoteIdentifier(column.name);
  const { kind } = column.type;
  if (kind === 'float32' || kind === 'float64')
    return { column: column.name, kind: 'finite', sql: `coalesce(isfinite(${name}), TRUE)` };
  if (kind === 'string' && node.dtype === 'string')
    return { column: column.name, kind: 'text', sql: `coalesce(NOT contains(${name}, chr(0)), TRUE)` };
  if (isWide(column) && (node.dtype === 'float64' || isReadAsFloat)) {
    return {
      column: column.name,
      kind: 'exact',
      sql: `coalesce(${name} BETWEEN -${largestExact} AND ${largestExact}, TRUE)`,
    };
  }
  if (kind === 'uint64')
    return { column: column.name, kind: 'exact', sql: `coalesce(${name} <= 9223372036854775807, TRUE)` };
  return null;
}
