import { quoteIdentifier, type SqlSession } from '../../pipelines/contracts/sql.js';
import type { Column, ColumnType } from '../../pipelines/types/column-type.js';

/** Tried in this order; the first that takes every field wins. Each condition holds where the text is of the kind. */
const candidates: readonly {
  readonly kind: 'bool' | 'int64' | 'float64' | 'date' | 'timestamp';
  readonly takes: (field: string) => string;
}[] = [
  { kind: 'bool', takes: (field) => `lower(${field}) IN ('true', 'false')` },
  // A leading zero belongs to a code, such as a postal one, not to a number.
  {
    kind: 'int64',
    takes: (field) =>
      `TRY_CAST(${field} AS BIGINT) IS NOT NULL AND regexp_full_match(${field}, '[+-]?(0|[1-9][0-9]*)')`,
  },
  {
    kind: 'float64',
    takes: (field) => `TRY_CAST(${field} AS DOUBLE) IS NOT NULL AND NOT regexp_full_match(${field}, '[+-]?0[0-9].*')`,
  },
  {
    kind: 'date',
    takes: (field) =>
      `TRY_CAST(${field} AS DATE) IS NOT NULL AND regexp_full_match(${field}, '[0-9]{4}-[0-9]{2}-[0-9]{2}')`,
  },
  {
    kind: 'timestamp',
    takes: (field) =>
      `TRY_CAST(${field} AS TIMESTAMP) IS NOT NULL AND regexp_full_match(${field}, '[0-9]{4}-[0-9]{2}-[0-9]{2}[ T].*')`,
  },
];

/**
 * The types of text columns, from every row: bool (true and false), int64, float64, date and timestamp (ISO), else
 * string; a column without a value is a string.
 *
 * @param sql - a SELECT whose columns are text, with NULL for what is missing.
 */
export async function sniffColumns(
  session: SqlSession,
  sql: string,
  names: readonly string[],
): Promise<readonly Column[]> {
  const counts = names.flatMap((name, index) => {
    const field = quoteIdentifier(name);
    return [
      `count(${field}) AS n${index}`,
      ...candidates.map(
        (candidate, which) =>
          `coalesce(bool_and(${candidate.takes(field)}) FILTER (${field} IS NOT NULL), false) AS c${index}_${which}`,
      ),
    ];
  });
  const { rows } = await session.query(`SELECT ${counts.join(', ')} FROM (${sql})`);
  const row = rows[0] ?? {};
  return names.map((name, index) => {
    const kind = candidates.find((_, which) => row[`c${index}_${which}`] === true)?.kind ?? 'string';
    return { name, type: { kind, nullable: true } as ColumnType };
  });
}
