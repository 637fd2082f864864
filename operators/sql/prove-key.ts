import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { OperatorContext } from '../../pipelines/contracts/operator.js';
import { quoteIdentifier, quoteLiteral, type SqlSession } from '../../pipelines/contracts/sql.js';

/** Rows lie in the order of the key, so that equal keys are neighbors: one streaming pass finds them. @throws DATA_KEY_NOT_UNIQUE */
export async function proveKey(
  context: OperatorContext,
  session: SqlSession,
  key: readonly string[],
  target: string,
  rows: number,
): Promise<void> {
  const names = key.map(quoteIdentifier);
  const same = names.map((name, index) => `${name} IS NOT DISTINCT FROM p${index}`).join(' AND ');
  const { rows: found } = await session.query(
    `SELECT count(*) AS n FROM (
       SELECT ${names.join(', ')}, row_number() OVER () AS i, ${names.map((name, index) => `lag(${name}) OVER () AS p${index}`).join(', ')}
       FROM read_parquet(${quoteLiteral(target)}, hive_partitioning = false))
     WHERE i > 1 AND ${same}`,
  );
  const count = Number(found[0]?.['n'] ?? 0);
  if (count === 0) return;
  throw new MillraceError('DATA_KEY_NOT_UNIQUE', {
    path: `${context.stage}.key`,
    expected: `rows that differ in ${key.join(', ')}`,
    received: `${count} of ${rows} rows that repeat a key`,
    hint: 'Aggregate or deduplicate in SQL, or name more columns in the key.',
    details: { key, count },
  });
}
