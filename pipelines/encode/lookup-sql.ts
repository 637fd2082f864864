import { quoteLiteral } from '../contracts/sql.js';
import type { SlotValue } from '../contracts/training.js';
import { doubleLiteral, integerText } from './sql-literal.js';

/** Up to this many values a list is searched from its start: faster than DuckDB's hash table for them. */
const longestList = 64;

export interface LookupAttributes {
  readonly missing: number;
  readonly unknown: number;
  readonly first: number;
}

/**
 * Position of `x` in a vocabulary, BIGINT; NULL and '' are missing. Vocabularies hold neither.
 *
 * A short one is a list: DuckDB searches it once a value of a Parquet dictionary. A long one is an inline ENUM, which it
 * looks up by hash.
 *
 * @param x - SQL of the vocabulary's type; it is written several times.
 */
export function lookupSql(
  x: string,
  vocabulary: SlotValue,
  { missing, unknown, first }: LookupAttributes,
  path: string,
): string {
  const isMissing = vocabulary.dtype === 'string' ? `${x} IS NULL OR ${x} = ''` : `${x} IS NULL`;
  const otherwise =
    missing === unknown
      ? bigint(unknown)
      : `CASE WHEN ${isMissing} THEN ${bigint(missing)} ELSE ${bigint(unknown)} END`;
  if (vocabulary.values.length === 0) return otherwise;
  return `coalesce(${foundSql(x, vocabulary, first, path)}, ${otherwise})`;
}

function bigint(value: number): string {
  return `CAST(${value} AS BIGINT)`;
}

/** The position, or NULL where the list does not hold x. */
function foundSql(x: string, vocabulary: SlotValue, first: number, path: string): string {
  switch (vocabulary.dtype) {
    case 'float64':
      return listSql(x, vocabulary.values.map(doubleLiteral), first);
    case 'int64': {
      const values = vocabulary.values.map((value) => integerText(value, path));
      if (values.length > longestList) return enumSql(`CAST(${x} AS VARCHAR)`, values, first);
      return listSql(
        x,
        values.map((value) => `CAST(${value} AS BIGINT)`),
        first,
      );
    }
    case 'string':
      return vocabulary.values.length > longestList
        ? enumSql(x, vocabulary.values, first)
        : listSql(x, vocabulary.values.map(quoteLiteral), first);
  }
}

function listSql(x: string, values: readonly string[], first: number): string {
  return `CAST(list_position([${values.join(', ')}], ${x}) AS BIGINT) + ${bigint(first - 1)}`;
}

function enumSql(x: string, values: readonly string[], first: number): string {
  return `CAST(enum_code(TRY_CAST(${x} AS ENUM(${values.map(quoteLiteral).join(',')}))) AS BIGINT) + ${bigint(first)}`;
}
