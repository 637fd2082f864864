import { join } from 'node:path';
import { z } from 'zod';
import type { DatasetMeta } from '../../pipelines/contracts/artifacts.js';
import { MillraceError, throwProblems } from '../../pipelines/contracts/errors.js';
import type { TensorValue } from '../../pipelines/contracts/infer.js';
import type { Json } from '../../pipelines/contracts/json.js';
import { defineOperator, type OperatorContext } from '../../pipelines/contracts/operator.js';
import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import { quoteIdentifier, type SqlBatch, type SqlCell } from '../../pipelines/contracts/sql.js';
import { answersFromOutputs } from '../../pipelines/signature/answers.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { readSignature } from '../evaluate/scored-rows.js';
import { artifactOfKind, type DatasetView, readDataset } from '../split/read-dataset.js';
import { describeFile } from '../sql/column-digests.js';
import { scoreBatches } from './score-dataset.js';

const options = z.strictObject({
  /** Columns of the dataset that come along. */
  keep: z.array(z.string()),
  /** The prediction's columns, in order: probability and class, or one a label. */
  columns: z.custom<readonly Column[]>((value) => Array.isArray(value), 'columns'),
});

const partition = 'part-00000.parquet';
const position = '__position';

/**
 * Scores a dataset in one go through the exported model: kept columns and the prediction, in the dataset's order.
 *
 * @throws DATA_COLUMN_MISSING - the dataset lacks inputs of the model.
 * @throws REQUEST_INVALID - a cell that the model's signature refuses, such as NaN or null in a column that has none.
 */
export const predictOperator = defineOperator<z.output<typeof options>>({
  name: 'predict',
  class: 'pure',
  options,
  outputs: { dataset: 'dataset' },
  weight: 'sql',
  engines: ['duckdb', 'onnxruntime'],

  async keyParts(_context, { options: { keep }, inputs }) {
    const onnx = artifactOfKind(inputs, 'onnx', 'onnx');
    const dataset = artifactOfKind(inputs, 'dataset', 'dataset');
    const { columns, key, rows } = dataset.manifest.meta as unknown as DatasetMeta;
    const signature = await readSignature(onnx);
    const read = new Set([...signature.inputs.map((input) => input.column.name), ...keep]);
    const digests = columns
      .filter((column) => read.has(column.name))
      .map((column) => [`column ${column.name}`, column.digest]);
    return { onnx: onnx.digest, rows: String(rows), key: key.join(), ...Object.fromEntries(digests) };
  },

  async run(context, { options: { keep, columns }, inputs }) {
    const onnx = artifactOfKind(inputs, 'onnx', 'onnx');
    const dataset = readDataset(artifactOfKind(inputs, 'dataset', 'dataset'));
    const signature = await readSignature(onnx);
    checkNames(keep, columns, dataset);
    const writer = await context.artifacts.create('dataset');
    try {
      const target = join(writer.directory, partition);
      const { threads, memoryLimitMb } = context.placement;
      await using sql = await context.sql.open({
        readable: [dataset.directory],
        writable: [writer.directory],
        threads,
        memoryLimitMb,
        signal: context.signal,
      });
      await using session = await context.infer.load(join(onnx.directory, 'model.onnx'));
      const batches = predictionBatches(
        context,
        dataset.rows,
        signature,
        columns,
        scoreBatches(sql, { dataset, signature, session, part: null, limit: null, extras: [] }),
      );
      await sql.append(
        'predictions',
        [{ name: position, type: { kind: 'int64', nullable: false } }, ...columns],
        batches,
      );
      const { rows } = await sql.writeParquet(joinedSql(dataset, keep, columns), target);
      const kept = keep.map((name) => {
        const { type } = dataset.columns.find((column) => column.name === name)!;
        return { name, type };
      });
      const file = await describeFile(sql, target, [...kept, ...columns], rows, context.signal);
      const key = dataset.key.every((name) => keep.includes(name)) ? dataset.key : [];
      const meta: DatasetMeta = { rows, columns: file.columns, key, partitions: [{ path: partition, rows }] };
      const artifact = await writer.commit(
        meta as unknown as Json,
        new Map([[partition, { bytes: file.bytes, sha256: file.sha256 }]]),
      );
      return { outputs: [{ name: 'dataset', digest: artifact.digest }], summary: { rows, bytes: file.bytes } };
    } catch (error) {
      await writer.discard();
      throw error;
    }
  },
});

/** @throws CONFIG_INVALID - a kept column that is none, or that has a prediction's name. */
function checkNames(keep: readonly string[], columns: readonly Column[], dataset: DatasetView): void {
  const known = dataset.columns.map((column) => column.name);
  const predicted = columns.map((column) => column.name);
  throwProblems(
    keep
      .filter((name) => !known.includes(name) || predicted.includes(name))
      .map((name) => {
        const isClash = predicted.includes(name);
        return new MillraceError('CONFIG_INVALID', {
          path: 'predict.keep',
          expected: isClash
            ? `columns other than the prediction's (${predicted.join(', ')})`
            : `columns of the dataset (${known.join(', ')})`,
          received: `'${name}'`,
          ...(isClash ? { hint: 'Rename it in the SQL that makes the dataset.' } : {}),
        });
      }),
  );
}

/** Predictions as rows of the table `predictions`, each with its position in the dataset. */
async function* predictionBatches(
  context: OperatorContext,
  total: number,
  signature: ModelSignature,
  columns: readonly Column[],
  scored: AsyncIterable<{ readonly rows: number; readonly outputs: Readonly<Record<string, TensorValue>> }>,
): AsyncGenerator<SqlBatch> {
  let done = 0;
  for await (const { rows, outputs } of scored) {
    const first = done;
    const positions = Array.from({ length: rows }, (_, row) => BigInt(first + row));
    yield { rows, columns: [positions, ...predictionCells(signature, outputs, rows, columns)] };
    done += rows;
    context.progress({
      fraction: total === 0 ? null : done / total,
      message: `${done.toLocaleString('en-US')} rows scored`,
    });
  }
}

/** Binary: probability of the second class, class. Multiclass: probability of the chosen class, class. Regression: one a label. */
function predictionCells(
  signature: ModelSignature,
  outputs: Readonly<Record<string, TensorValue>>,
  rows: number,
  columns: readonly Column[],
): SqlCell[][] {
  const cells = columns.map((): SqlCell[] => []);
  for (const answer of answersFromOutputs(signature, outputs, rows)) {
    const values: readonly (number | string)[] =
      'prediction' in answer
        ? typeof answer.prediction === 'number'
          ? [answer.prediction]
          : signature.labels.map((label) => (answer.prediction as Readonly<Record<string, number>>)[label]!)
        : ['probability' in answer ? answer.probability : answer.probabilities[answer.class]!, answer.class];
    values.forEach((value, index) => {
      cells[index]!.push(value);
    });
  }
  return cells;
}

function joinedSql(dataset: DatasetView, keep: readonly string[], columns: readonly Column[]): string {
  const kept = keep.map((name) => `d.${quoteIdentifier(name)}`);
  const predicted = columns.map((column) => `p.${quoteIdentifier(column.name)}`);
  const rows = `SELECT *, ${dataset.position} AS ${position} FROM ${dataset.scan}`;
  return `SELECT ${[...kept, ...predicted].join(', ')} FROM (${rows}) d JOIN predictions p USING (${position}) ORDER BY ${position}`;
}
