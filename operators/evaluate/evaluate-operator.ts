import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Artifact } from '../../pipelines/contracts/artifacts.js';
import { MillraceError, nearestName, throwProblems } from '../../pipelines/contracts/errors.js';
import type { InferenceSession } from '../../pipelines/contracts/infer.js';
import { defineOperator, type OperatorContext } from '../../pipelines/contracts/operator.js';
import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import { quoteIdentifier, type SqlSession } from '../../pipelines/contracts/sql.js';
import { canonicalJson, digestOf } from '../../pipelines/plan/digest.js';
import { artifactOfKind, type DatasetView, readDataset } from '../split/read-dataset.js';
import { rowIdentityColumns, splitColumns } from '../split/split-sql.js';
import { evaluateOptionsSchema, type ResolvedEvaluateOptions } from './evaluate-options.js';
import { permutationImportance } from './importance.js';
import { labeledPredictions } from './labeled-predictions.js';
import { measure } from './measure.js';
import { calibrationCurve } from './metrics/calibration.js';
import { confusion } from './metrics/confusion.js';
import { precisionRecallCurve, rocCurve, thinCurve } from './metrics/curves.js';
import { metricNames } from './metrics/metric-table.js';
import { type Predictions, selectRows } from './metrics/predictions.js';
import { residuals } from './metrics/residuals.js';
import { compareWithNative } from './native-parity.js';
import { renderReport } from './page/report-page.js';
import { reportText } from './page/report-text.js';
import { type Report, reportSchema } from './report.js';
import { readSampledInputs, sampleRows } from './sampled-inputs.js';
import { openTestSession, readSignature, scoreOutput, scoreRows, testRowsSql } from './scored-rows.js';
import { groupRows } from './slice-groups.js';
import { writePredictions } from './write-predictions.js';

const CURVE_POINTS = 200;
const RESIDUAL_LABELS = 4;

/**
 * Scores the exported bundle on the test split and measures it. Leaves a `report` artifact (report.json,
 * predictions.parquet) and as records report.html and a TensorBoard text.
 *
 * @throws SPLIT_EMPTY, DATA_SINGLE_CLASS, DATA_NULL, DATA_NOT_FINITE, DATA_OUT_OF_RANGE, DATA_COLUMN_MISSING
 */
export const evaluateOperator = defineOperator<ResolvedEvaluateOptions>({
  name: 'evaluate',
  class: 'pure',
  options: evaluateOptionsSchema,
  outputs: { report: 'report' },
  weight: 'sql',
  engines: ['duckdb', 'onnxruntime', 'libtorch'],
  async keyParts(_context, { options, inputs }) {
    const bundle = artifactOfKind(inputs, 'onnx', 'onnx');
    const dataset = readDataset(artifactOfKind(inputs, 'dataset', 'dataset'));
    const signature = await readSignature(bundle);
    const { split } = options;
    const read = new Set([
      ...signature.inputs.map((input) => input.column.name),
      ...signature.labels,
      ...options.slices,
      ...splitColumns(split, dataset),
      ...rowIdentityColumns(split, dataset),
    ]);
    const columns = dataset.columns.filter((column) => read.has(column.name));
    return {
      ...Object.fromEntries(Object.entries(options).map(([name, value]) => [`options.${name}`, digestOf(value)])),
      'input.onnx': bundle.digest,
      ...(inputs['model'] === undefined ? {} : { 'input.model': artifactOfKind(inputs, 'model', 'model').digest }),
      ...Object.fromEntries(columns.map((column) => [`column ${column.name}`, column.digest])),
    };
  },
  async run(context, { options, inputs }) {
    const bundle = artifactOfKind(inputs, 'onnx', 'onnx');
    const model = inputs['model'] === undefined ? null : artifactOfKind(inputs, 'model', 'model');
    const source = artifactOfKind(inputs, 'dataset', 'dataset');
    const dataset = readDataset(source);
    const signature = await readSignature(bundle);
    const metrics = chosenMetrics(signature, options.metrics);
    checkSlices(options.slices, dataset);
    const writer = await context.artifacts.create('report');
    try {
      const report = await evaluateBundle(context, {
        bundle,
        model,
        source,
        dataset,
        signature,
        metrics,
        options,
        directory: writer.directory,
      });
      await writeFile(join(writer.directory, 'report.json'), canonicalJson(report));
      await writeRecords(context, report);
      const values = Object.entries(report.metrics).flatMap(([name, { value }]) =>
        value === null ? [] : [[name, value] as const],
      );
      const artifact = await writer.commit({
        task: report.task,
        rows: report.rows,
        metrics: Object.fromEntries(values),
      });
      return {
        outputs: [{ name: 'report', digest: artifact.digest }],
        summary: {
          rows: report.rows,
          metrics: report.metrics,
          threshold: report.threshold,
          parity: report.parity,
          records: ['report.html'],
        },
        metrics: Object.fromEntries(values),
      };
    } catch (error) {
      await writer.discard();
      throw error;
    }
  },
});

/** The page, and the numbers for TensorBoard. */
async function writeRecords(context: OperatorContext, report: Report): Promise<void> {
  await mkdir(context.records, { recursive: true });
  await writeFile(join(context.records, 'report.html'), renderReport(report, context.stage));
  await using log = await context.events(context.records);
  log.text('report', 0, reportText(report));
  await log.close();
}

interface Evaluation {
  readonly bundle: Artifact;
  readonly model: Artifact | null;
  readonly source: Artifact;
  readonly dataset: DatasetView;
  readonly signature: ModelSignature;
  readonly metrics: readonly string[];
  readonly options: ResolvedEvaluateOptions;
  readonly directory: string;
}

async function evaluateBundle(context: OperatorContext, evaluation: Evaluation): Promise<Report> {
  const { bundle, dataset, signature, metrics, options } = evaluation;
  const { signal } = context;
  await using sql = await openTestSession(context, [dataset.directory]);
  await using session = await context.infer.load(join(bundle.directory, 'model.onnx'));
  const counted = await sql.query(`SELECT count(*) AS "rows" FROM ${testRowsSql(dataset, options.split)}`);
  const rows = Number(counted.rows[0]!['rows']);
  if (rows === 0) {
    throw new MillraceError('SPLIT_EMPTY', {
      path: `${context.stage}.split`,
      expected: 'at least one row in the test split',
      received: `none of ${dataset.rows} rows`,
      hint: 'Give the test split a larger fraction, later cuts or more data.',
    });
  }
  const scored = await scoreRows(sql, {
    dataset,
    split: options.split,
    signature,
    model: session,
    extras: Object.fromEntries(options.slices.map((name) => [name, `CAST(${quoteIdentifier(name)} AS VARCHAR)`])),
    onRows: (scoredRows) => {
      context.progress({ fraction: (0.4 * scoredRows) / rows, message: `scoring · ${scoredRows} of ${rows} rows` });
    },
  });
  const predictions = labeledPredictions(signature, scored);
  await writePredictions(context, { ...evaluation, split: options.split, scored, predictions });
  const groups = options.slices.map((name) =>
    groupRows(scored.extras[name]!, dataset.columns.find((column) => column.name === name)!.type.kind),
  );
  context.progress({ fraction: 0.45, message: `measuring · ${rows} rows` });
  const measured = await measure({
    predictions,
    metrics,
    slices: groups,
    resamples: options.bootstrap,
    seed: options.seed,
    signal,
  });
  const importance = await measureImportance(context, evaluation, { sql, session, predictions });
  const { model, source } = evaluation;
  const parity =
    model === null
      ? null
      : await compareWithNative(context, { model, dataset: source, split: options.split, predictions });
  const learning = model === null ? { learning: [], bestEpoch: null } : await readLearning(model);
  return reportSchema.parse({
    formatVersion: 1,
    task: signature.task,
    labels: signature.labels,
    classes: signature.classes,
    threshold: predictions.task === 'binary' ? predictions.threshold : null,
    split: options.split,
    rows,
    classRows: classRows(signature, predictions),
    metrics: measured.metrics,
    bootstrap:
      measured.resamples === 0 ? null : { resamples: measured.resamples, confidence: 0.95, seed: options.seed },
    slices: options.slices.map((column, i) => ({
      column,
      values: groups[i]!.groups.map((group, j) => ({
        value: group.value,
        rows: group.rows.length,
        metrics: measured.slices[i]![j]!,
      })),
      omitted: groups[i]!.omitted,
    })),
    curves: curvesOf(predictions),
    confusion: predictions.task === 'regression' ? null : confusion(predictions),
    residuals:
      predictions.task === 'regression'
        ? signature.labels
            .slice(0, RESIDUAL_LABELS)
            .map((label, target) => ({ label, ...residuals(predictions, target) }))
        : [],
    importance,
    parity,
    ...learning,
  });
}

async function measureImportance(
  context: OperatorContext,
  { dataset, signature, options }: Evaluation,
  scored: { readonly sql: SqlSession; readonly session: InferenceSession; readonly predictions: Predictions },
): Promise<Report['importance']> {
  if (options.importance === null) return null;
  const { repeats, maxRows } = options.importance;
  const { seed } = options;
  const rows = sampleRows(scored.predictions.rows, maxRows, seed);
  const metric = importanceMetric(options.metrics, signature.task);
  const inputs = await permutationImportance({
    model: scored.session,
    inputs: await readSampledInputs(scored.sql, { dataset, split: options.split, signature, rows }),
    predictions: selectRows(scored.predictions, rows),
    output: scoreOutput(signature),
    metric,
    repeats,
    seed,
    signal: context.signal,
    onInput: (done, of) => {
      context.progress({ fraction: 0.5 + (0.4 * done) / of, message: `importance · ${done} of ${of} inputs` });
    },
  });
  return { metric, repeats, rows: rows.length, inputs: [...inputs] };
}

function curvesOf(predictions: Predictions): Report['curves'] {
  if (predictions.task !== 'binary') return null;
  const weight = new Float64Array(predictions.rows).fill(1);
  return {
    roc: [...thinCurve(rocCurve(predictions, weight), CURVE_POINTS)],
    precisionRecall: [...thinCurve(precisionRecallCurve(predictions, weight), CURVE_POINTS)],
    calibration: [...calibrationCurve(predictions, weight)],
  };
}

function classRows(signature: ModelSignature, predictions: Predictions): number[] {
  if (predictions.task === 'regression') return [];
  const counts = signature.classes.map(() => 0);
  for (const index of predictions.label) counts[index]! += 1;
  return counts;
}

/** The first metric that was asked for; of all of them the one that says most. */
function importanceMetric(asked: readonly string[] | null, task: Predictions['task']): string {
  return asked?.[0] ?? { binary: 'auc', multiclass: 'logLoss', regression: 'rmse' }[task];
}

function chosenMetrics(signature: ModelSignature, asked: readonly string[] | null): readonly string[] {
  const known = metricNames(signature.task);
  if (asked === null) return known;
  throwProblems(
    asked.flatMap((name, i) => {
      if (known.includes(name)) return [];
      const nearest = nearestName(name, known);
      return new MillraceError('CONFIG_INVALID', {
        path: `evaluate.metrics.${i}`,
        expected: `a metric of a ${signature.task} model (${known.join(', ')})`,
        received: `'${name}'`,
        ...(nearest === null ? {} : { hint: `Did you mean '${nearest}'?` }),
      });
    }),
  );
  return [...new Set(asked)];
}

function checkSlices(slices: readonly string[], dataset: DatasetView): void {
  const known = dataset.columns.map((column) => column.name);
  throwProblems(
    slices.flatMap((name, i) => {
      if (known.includes(name)) return [];
      const nearest = nearestName(name, known);
      return new MillraceError('SQL_UNKNOWN_COLUMN', {
        path: `evaluate.slices.${i}`,
        expected: 'a column of the dataset',
        received: `'${name}'`,
        hint: nearest === null ? `It has ${known.join(', ')}.` : `Did you mean '${nearest}'?`,
      });
    }),
  );
}

async function readLearning(model: Artifact): Promise<Pick<Report, 'learning' | 'bestEpoch'>> {
  const document = JSON.parse(await readFile(join(model.directory, 'model.json'), 'utf8')) as {
    readonly curve?: Report['learning'];
    readonly bestEpoch?: number;
  };
  return { learning: document.curve ?? [], bestEpoch: document.bestEpoch ?? null };
}
