import { MillraceError, throwProblems } from '../../pipelines/contracts/errors.js';
import type { OperatorContext } from '../../pipelines/contracts/operator.js';
import { encodeToSql } from '../../pipelines/encode/encode-to-sql.js';
import { readDataset } from '../split/read-dataset.js';
import { type Part, parts, splitSql } from '../split/split-sql.js';
import type { WriteRowsRequest } from './encode-rows.js';
import type { FeedOptions } from './feed-options.js';

/**
 * Refuses a split in which every row weighs 0: a mean over no weight is no loss, and the first epoch would win.
 *
 * @throws DATA_OUT_OF_RANGE - names the weight's column and every such split.
 */
export async function checkWeights(
  context: Pick<OperatorContext, 'sql' | 'placement' | 'signal'>,
  { split, label }: FeedOptions,
  { dataset: artifact, statistics }: Pick<WriteRowsRequest, 'dataset' | 'statistics'>,
): Promise<void> {
  const dataset = readDataset(artifact);
  const weight = encodeToSql(label, statistics, dataset.columns).find((column) => column.name === 'weight');
  if (weight === undefined) return;
  await using session = await context.sql.open({
    readable: [artifact.directory],
    writable: [],
    threads: context.placement.threads,
    memoryLimitMb: context.placement.memoryLimitMb,
    signal: context.signal,
  });
  const { rows } = await session.query(
    `SELECT code, count(*) AS rows FROM (SELECT ${splitSql(split, dataset).code} AS code, ${weight.sql} AS weight FROM ${dataset.scan}) GROUP BY code HAVING NOT bool_or(weight > 0)`,
  );
  const weightless = new Map(rows.map((row) => [parts[Number(row['code']) - 1], Number(row['rows'])]));
  const trained: readonly Part[] = ['train', 'validation'];
  throwProblems(
    trained
      .filter((part) => weightless.has(part))
      .map(
        (part) =>
          new MillraceError('DATA_OUT_OF_RANGE', {
            path: `column ${weight.reads[0] ?? 'weight'}`,
            expected: `a weight above 0 in the ${part} split`,
            received: `0 in all of its ${weightless.get(part)} rows`,
            hint: 'Mend the weights in the SQL that makes the dataset, or leave weight out of fit.',
          }),
      ),
  );
}
