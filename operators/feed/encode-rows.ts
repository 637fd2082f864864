import { type FeedResponse, type WrittenShard, writeFeed } from '../../native/ts/feed.js';
import type { Artifact } from '../../pipelines/contracts/artifacts.js';
import type { OperatorContext } from '../../pipelines/contracts/operator.js';
import type { StatisticsDocument } from '../../pipelines/contracts/training.js';
import { encodeToSql } from '../../pipelines/encode/encode-to-sql.js';
import type { TensorGraph } from '../../pipelines/network/graph.js';
import type { SplitSpec } from '../../pipelines/plan/relation.js';
import { readDataset } from '../split/read-dataset.js';
import { type Part, parts, splitSql } from '../split/split-sql.js';
import { explainProblems } from './explain-problems.js';
import { type FeedLayout, feedLayout } from './feed-layout.js';
import { isRegressionLabel, rowRules } from './row-rules.js';

export interface WriteRowsRequest {
  readonly dataset: Artifact;
  /** null: every row of the dataset, under the name `all`. */
  readonly split: SplitSpec | null;
  /** The parts to write; ignored where `split` is null. */
  readonly parts: readonly Part[];
  /** The encode region, or a whole graph. */
  readonly graph: TensorGraph;
  /** null: rows without label and weight. */
  readonly label: TensorGraph | null;
  readonly statistics: Pick<StatisticsDocument, 'slots'>;
  /** Absolute, existing: takes the shards. */
  readonly directory: string;
  readonly digests: boolean;
}

export interface WrittenRows {
  readonly layout: FeedLayout;
  readonly parts: FeedResponse['parts'];
  /** Rows of all parts, or null where there was no split. */
  readonly counts: Readonly<Record<Part, number>> | null;
  readonly digests: FeedResponse['digests'];
  readonly peakMb: number;
}

/** What writing rows takes of a stage's context. */
export type WriteRowsContext = Pick<OperatorContext, 'sql' | 'placement' | 'signal' | 'progress'>;

/**
 * Encodes rows of a dataset by SQL and writes them as safetensors shards, in the dataset's order.
 *
 * @throws DATA_NOT_FINITE, DATA_OUT_OF_RANGE, DATA_NULL, DATA_TYPE - every problem at once, with column, count and first row.
 */
export async function writeRows(context: WriteRowsContext, request: WriteRowsRequest): Promise<WrittenRows> {
  const dataset = readDataset(request.dataset);
  const { graph, label, statistics } = request;
  const features = encodeToSql(graph, statistics, dataset.columns);
  const labels = label === null ? [] : encodeToSql(label, statistics, dataset.columns);
  const layout = feedLayout(features, labels, label !== null && isRegressionLabel(label));
  const encoded = layout.tensors.flatMap(({ columns }) => columns);
  const rules = rowRules(graph, label, labels, dataset.columns);
  const code = request.split === null ? null : splitSql(request.split, dataset).code;
  const wanted =
    code === null ? [{ name: 'all', code: 1 }] : request.parts.map((name) => ({ name, code: parts.indexOf(name) + 1 }));

  if (dataset.rows === 0) {
    const none = Object.fromEntries(wanted.map(({ name }) => [name, { rows: 0, shards: [] }]));
    return {
      layout,
      parts: none,
      counts: code === null ? null : { train: 0, validation: 0, test: 0 },
      digests: {},
      peakMb: 0,
    };
  }
  const obeys = rules.written.length === 0 ? 'TRUE' : `(${rules.written.map(({ sql }) => sql).join(' AND ')})`;
  const values = encoded.map(({ dtype, sql }) => (dtype === 'int64' ? `CAST(${sql} AS INTEGER)` : sql));
  const response = await writeFeed(
    {
      rows: dataset.rows,
      readable: [dataset.directory],
      threads: context.placement.threads,
      memoryLimitMb: context.placement.memoryLimitMb,
      partsSql:
        code === null
          ? null
          : `SELECT sum(feed_part(position, CAST(code AS TINYINT))) FROM (SELECT ${dataset.position} AS position, ${code} AS code FROM ${dataset.scan})`,
      rowsSql: `SELECT sum(feed_row(${[dataset.position, ...values, obeys].join(', ')})) FROM ${dataset.scan}`,
      tensors: layout.tensors.map(({ tensor }) => tensor),
      parts: wanted,
      directory: request.directory,
      digests: request.digests,
    },
    {
      signal: context.signal,
      onProgress: ({ phase, rows }) => {
        const share = dataset.rows === 0 ? 1 : rows / dataset.rows;
        const fraction =
          phase === 'parts' ? share * 0.5 : phase === 'rows' ? (code === null ? share : 0.5 + share * 0.5) : 1;
        context.progress({
          fraction,
          message:
            phase === 'parts' ? `splitting · ${rows} rows` : phase === 'rows' ? `writing · ${rows} rows` : 'hashing',
        });
      },
    },
  );
  if (response.problems.length > 0) {
    await using session = await context.sql.open({
      readable: [dataset.directory],
      writable: [],
      threads: context.placement.threads,
      memoryLimitMb: context.placement.memoryLimitMb,
      signal: context.signal,
    });
    await explainProblems(
      session,
      dataset,
      code,
      wanted.map((part) => part.code),
      response.problems,
      encoded,
      rules.all,
    );
  }
  const { counts } = response;
  return {
    layout,
    parts: response.parts,
    counts: counts === null ? null : { train: counts[1]!, validation: counts[2]!, test: counts[3]! },
    digests: response.digests,
    peakMb: response.peakMb,
  };
}

/**
 * Encodes one part of a split (null: all rows) into `<part>-<nnnnn>.safetensors` (`all-…`) under `directory`.
 * What evaluation and export score the native model on.
 */
export async function encodeRows(
  context: WriteRowsContext,
  request: {
    readonly dataset: Artifact;
    readonly split: SplitSpec;
    readonly part: Part | null;
    readonly graph: TensorGraph;
    readonly label: TensorGraph | null;
    readonly statistics: Pick<StatisticsDocument, 'slots'>;
    readonly directory: string;
  },
): Promise<{ readonly rows: number; readonly shards: readonly WrittenShard[]; readonly layout: FeedLayout }> {
  const { part, split, ...rest } = request;
  const written = await writeRows(context, {
    ...rest,
    split: part === null ? null : split,
    parts: part === null ? [] : [part],
    digests: false,
  });
  const { rows, shards } = written.parts[part ?? 'all']!;
  return { rows, shards, layout: written.layout };
}
