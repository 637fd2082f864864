import type { FeedProblem } from '../../native/ts/feed.js';
import { MillraceError, throwProblems } from '../../pipelines/contracts/errors.js';
import type { SqlSession } from '../../pipelines/contracts/sql.js';
import type { EncodedColumn } from '../../pipelines/encode/encode-to-sql.js';
import type { DatasetView } from '../split/read-dataset.js';
import { columnError } from '../statistics/column-problems.js';
import type { RowRule } from './row-rules.js';

/**
 * Turns what the writer found in encoded values into errors about raw columns, all of them at once.
 *
 * @param code - SQL of a row's part, or null where all rows count.
 * @param codes - the parts that were written.
 * @throws DATA_NOT_FINITE, DATA_OUT_OF_RANGE, DATA_NULL, DATA_TYPE - with column, count and first row.
 */
export async function explainProblems(
  session: SqlSession,
  dataset: DatasetView,
  code: string | null,
  codes: readonly number[],
  problems: readonly FeedProblem[],
  encoded: readonly EncodedColumn[],
  rules: readonly RowRule[],
): Promise<never> {
  const broken = await brokenRules(session, dataset, code, codes, rules);
  const named = new Set(broken.map((problem) => problem.column));
  // A label that is missing has no class either: the first reason is enough.
  const told = broken.filter(
    (problem, index) => broken.findIndex((other) => other.column === problem.column) === index,
  );
  const errors = told.map((problem) => columnError(problem, dataset.rows));
  for (const { column, count, first } of problems) {
    const source = encoded[column];
    if (source === undefined || source.reads.some((name) => named.has(name))) continue;
    errors.push(columnError({ column: source.reads[0] ?? source.name, kind: 'float32', count, first }, dataset.rows));
  }
  throwProblems(errors);
  throw new MillraceError('INTERNAL', {
    path: 'feed',
    expected: 'a reason in the raw columns for what the writer found',
    received: `${problems.length} columns with bad values`,
  });
}

async function brokenRules(
  session: SqlSession,
  dataset: DatasetView,
  code: string | null,
  codes: readonly number[],
  rules: readonly RowRule[],
) {
  if (rules.length === 0) return [];
  const inner = rules.map(({ sql }, index) => `${sql} AS obeys${index}`);
  const outer = rules.flatMap((_, index) => [
    `count(*) FILTER (WHERE NOT obeys${index}) AS count${index}`,
    `min(position) FILTER (WHERE NOT obeys${index}) AS first${index}`,
  ]);
  const where = code === null ? '' : ` WHERE code IN (${codes.join(', ')})`;
  const { rows } = await session.query(
    `SELECT ${outer.join(', ')} FROM (SELECT ${dataset.position} AS position, ${code ?? '1'} AS code, ${inner.join(', ')} FROM ${dataset.scan})${where}`,
  );
  const row = rows[0]!;
  return rules.flatMap(({ column, kind }, index) => {
    const count = Number(row[`count${index}`]);
    return count === 0 ? [] : [{ column, kind, count, first: Number(row[`first${index}`]) }];
  });
}
