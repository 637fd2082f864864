import { join } from 'node:path';
import type { Artifact } from '../../pipelines/contracts/artifacts.js';
import { type ErrorCode, isMillraceError } from '../../pipelines/contracts/errors.js';
import type { OperatorContext } from '../../pipelines/contracts/operator.js';
import type { ModelVersion } from '../../pipelines/contracts/registry.js';
import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import { quoteLiteral, type SqlSession } from '../../pipelines/contracts/sql.js';
import type { SplitSpec } from '../../pipelines/plan/relation.js';
import { affordableResamples, intervalOf, visitResamples } from '../evaluate/bootstrap.js';
import { labeledPredictions } from '../evaluate/labeled-predictions.js';
import { metricDirection, prepareMetric } from '../evaluate/metrics/metric-table.js';
import { type Predictions, selectRows } from '../evaluate/metrics/predictions.js';
import { openTestSession, readSignature, type ScoredRows, scoreRows } from '../evaluate/scored-rows.js';
import type { DatasetView } from '../split/read-dataset.js';
import { splitSchema } from '../split/split-options.js';
import { rowIdentitySql } from '../split/split-sql.js';
import type { Baseline, ComparedMetric } from './evidence.js';
import { LEAST_UNSEEN_ROWS } from './judge.js';

const RESAMPLES = 1000;
const SEED = 0;

/** What says that the baseline's own model or rows do not fit these rows. */
const incompatible: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'DATA_COLUMN_MISSING',
  'REQUEST_INVALID',
  'DATA_OUT_OF_RANGE',
  'DATA_NOT_FINITE',
  'GRAPH_NOT_EXPORTABLE',
]);

export interface ComparisonRequest {
  readonly candidate: Artifact;
  readonly holder: ModelVersion;
  readonly dataset: DatasetView;
  readonly split: SplitSpec;
  readonly metrics: readonly string[];
  readonly contaminated: 'block' | 'allow';
}

/**
 * Scores candidate and baseline on the same raw rows of the test split, less those that the baseline was trained or
 * validated on (`seen.parquet` of the artifact that its lineage names as `seen`), and compares them row by row.
 */
export async function compareWithBaseline(context: OperatorContext, request: ComparisonRequest): Promise<Baseline> {
  const { candidate, holder, dataset, split } = request;
  const { version } = holder;
  const bundle = await context.artifacts.open(holder.bundle);
  const [ours, theirs] = [await readSignature(candidate), await readSignature(bundle)];
  const difference = signatureDifference(ours, theirs);
  if (difference !== null) return { kind: 'incompatible', version, reason: difference };
  const seen = await openSeen(context, holder);
  const identity = seen === null ? null : identitySql(seen, split, dataset);
  await using sql = await openTestSession(context, [dataset.directory, ...(seen === null ? [] : [seen.directory])]);
  const extras: Record<string, string> = seen === null || identity === null ? {} : { seen: seenSql(seen, identity) };
  let theirRows: ScoredRows;
  let theirPredictions: Predictions;
  try {
    theirRows = await scoreBundle(context, sql, bundle, theirs, request, extras);
    theirPredictions = labeledPredictions(theirs, theirRows);
  } catch (error) {
    if (!isMillraceError(error) || !incompatible.has(error.code)) throw error;
    return { kind: 'incompatible', version, reason: error.message.split('\n')[0]! };
  }
  const seenRows = theirRows.extras['seen']?.reduce<number>((sum, cell) => sum + (cell === true ? 1 : 0), 0) ?? null;
  const unseen = theirRows.rows - (seenRows ?? 0);
  const isContaminated = seenRows !== null && unseen < LEAST_UNSEEN_ROWS;
  if (isContaminated && request.contaminated === 'block') {
    return { kind: 'contaminated', version, unseen, rows: theirRows.rows };
  }
  const ourPredictions = labeledPredictions(ours, await scoreBundle(context, sql, candidate, ours, request, {}));
  const keepsSeen = isContaminated;
  const kept =
    keepsSeen || seenRows === null || seenRows === 0
      ? null
      : Uint32Array.from(theirRows.extras['seen']!.flatMap((cell, row) => (cell === true ? [] : [row])));
  const pick = (predictions: Predictions) => (kept === null ? predictions : selectRows(predictions, kept));
  const metrics = await compareMetrics(pick(ourPredictions), pick(theirPredictions), request.metrics, context.signal);
  return { kind: 'compared', version, rows: kept?.length ?? theirRows.rows, seen: seenRows, keepsSeen, metrics };
}

async function compareMetrics(
  ours: Predictions,
  theirs: Predictions,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Record<string, ComparedMetric>> {
  const { rows } = ours;
  const weight = new Float64Array(rows).fill(1);
  const prepared = names.map((name) => ({
    name,
    sign: metricDirection(ours.task, name) === 'higher' ? 1 : -1,
    ours: prepareMetric(ours, name),
    theirs: prepareMetric(theirs, name),
    differences: new Float64Array(RESAMPLES),
  }));
  const resamples = affordableResamples(RESAMPLES, rows * 2 * names.length);
  await visitResamples({ rows, weight, resamples, seed: SEED, signal }, (drawn, index) => {
    for (const each of prepared) each.differences[index] = each.sign * (each.ours(drawn) - each.theirs(drawn));
  });
  return Object.fromEntries(
    prepared.map((each) => [
      each.name,
      {
        candidate: definedOrNull(each.ours(weight)),
        baseline: definedOrNull(each.theirs(weight)),
        interval: intervalOf(each.differences.subarray(0, resamples)),
      },
    ]),
  );
}

async function scoreBundle(
  context: OperatorContext,
  sql: SqlSession,
  bundle: Artifact,
  signature: ModelSignature,
  { dataset, split }: ComparisonRequest,
  extras: Readonly<Record<string, string>>,
): Promise<ScoredRows> {
  await using model = await context.infer.load(join(bundle.directory, 'model.onnx'));
  // Awaited here: the session is released when this function returns.
  return await scoreRows(sql, { dataset, split, signature, model, extras });
}

/** Metrics compare only where both predict the same thing in the same order. */
function signatureDifference(ours: ModelSignature, theirs: ModelSignature): string | null {
  if (ours.task !== theirs.task) return `it is a ${theirs.task} model, the candidate a ${ours.task} one`;
  if (ours.labels.join('\0') !== theirs.labels.join('\0')) {
    return `it predicts ${theirs.labels.join(', ')}, the candidate ${ours.labels.join(', ')}`;
  }
  if (ours.classes.join('\0') !== theirs.classes.join('\0')) {
    return `it knows ${theirs.classes.length} classes, the candidate ${ours.classes.length}, or in another order`;
  }
  return null;
}

/** null where the lineage does not say what the version has seen. */
async function openSeen(context: OperatorContext, holder: ModelVersion): Promise<Artifact | null> {
  const { lineage } = holder;
  if (typeof lineage !== 'object' || lineage === null || Array.isArray(lineage)) return null;
  const digest = (lineage as { readonly seen?: unknown }).seen;
  return typeof digest === 'string' ? await context.artifacts.open(digest) : null;
}

function seenSql(seen: Artifact, identity: string): string {
  const file = quoteLiteral(join(seen.directory, 'seen.parquet'));
  return `${identity} IN (SELECT identity FROM read_parquet(${file}, hive_partitioning = false))`;
}

/**
 * What names a row, by the split that the baseline was registered with where its artifact keeps it, else by ours.
 * null where the dataset lacks a column of it: then nobody can say what it has seen.
 */
function identitySql(seen: Artifact, split: SplitSpec, dataset: DatasetView): string | null {
  const kept = splitSchema.safeParse((seen.manifest.meta as { readonly split?: unknown } | null)?.split);
  try {
    return rowIdentitySql(kept.success ? kept.data : split, dataset);
  } catch (error) {
    if (kept.success && isMillraceError(error) && error.code === 'SQL_UNKNOWN_COLUMN') return null;
    throw error;
  }
}

function definedOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
