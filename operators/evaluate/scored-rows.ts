import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Artifact } from '../../pipelines/contracts/artifacts.js';
import { MillraceError, nearestName, throwProblems } from '../../pipelines/contracts/errors.js';
import type { InferenceSession, TensorValue } from '../../pipelines/contracts/infer.js';
import type { OperatorContext } from '../../pipelines/contracts/operator.js';
import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import { quoteIdentifier, type SqlCell, type SqlSession } from '../../pipelines/contracts/sql.js';
import type { SplitSpec } from '../../pipelines/plan/relation.js';
import { parseSignature } from '../../pipelines/signature/signature-schema.js';
import { scoreBatches } from '../predict/score-dataset.js';
import type { DatasetView } from '../split/read-dataset.js';
import { splitSql } from '../split/split-sql.js';

/** What the exported model is asked and what it answered, for rows of the test split in the dataset's order. */
export interface ScoredRows {
  readonly rows: number;
  /** By label column; raw cells: text for a class, a number for a regression. */
  readonly labels: readonly (readonly SqlCell[])[];
  /** What {@link ScoreRequest.extras} asked for, by name. */
  readonly extras: Readonly<Record<string, readonly SqlCell[]>>;
  /** `probability` [rows], `probabilities` [rows, classes] or `prediction` [rows, targets]; row-major. */
  readonly outputs: Float64Array;
}

export interface ScoreRequest {
  readonly dataset: DatasetView;
  readonly split: SplitSpec;
  readonly signature: ModelSignature;
  readonly model: InferenceSession;
  /** SQL expressions over the dataset's columns, by name. */
  readonly extras: Readonly<Record<string, string>>;
  readonly onRows?: (rows: number) => void;
}

/** The output that metrics are made of, and its values for one row. */
export function scoreOutput(signature: ModelSignature): { readonly name: string; readonly width: number } {
  if (signature.task === 'binary') return { name: 'probability', width: 1 };
  if (signature.task === 'multiclass') return { name: 'probabilities', width: signature.classes.length };
  return { name: 'prediction', width: signature.labels.length };
}

/** @throws ARTIFACT_CORRUPT */
export async function readSignature(bundle: Artifact): Promise<ModelSignature> {
  const text = await readFile(join(bundle.directory, 'signature.json'), 'utf8');
  return parseSignature(text, `bundle ${bundle.digest.slice(0, 12)}: signature.json`);
}

/** A FROM item with the test split's rows: all columns, `__position`, and `extras`. */
export function testRowsSql(
  dataset: DatasetView,
  split: SplitSpec,
  extras: Readonly<Record<string, string>> = {},
): string {
  const { code } = splitSql(split, dataset);
  const further = Object.entries(extras).map(([name, sql]) => `, ${sql} AS ${quoteIdentifier(name)}`);
  const all = `SELECT *, ${dataset.position} AS __position, ${code} AS __part${further.join('')} FROM ${dataset.scan}`;
  return `(SELECT * FROM (${all}) WHERE __part = 3)`;
}

/**
 * Scores the test split in one pass, in batches as DuckDB delivers them.
 *
 * @throws DATA_COLUMN_MISSING - an input or label that the dataset lacks, all at once.
 * @throws REQUEST_INVALID - a cell that the signature refuses.
 */
export async function scoreRows(sql: SqlSession, request: ScoreRequest): Promise<ScoredRows> {
  const { dataset, signature } = request;
  requireColumns(dataset, signature);
  const extraNames = Object.keys(request.extras);
  const extras = [
    ...signature.labels.map((label) => labelSql(signature, label)),
    ...extraNames.map((extra) => request.extras[extra]!),
  ];
  const cells = extras.map((): SqlCell[] => []);
  const { name, width } = scoreOutput(signature);
  const chunks: Float64Array[] = [];
  let rows = 0;
  const part = { split: request.split, name: 'test' as const };
  const batches = scoreBatches(sql, { dataset, signature, session: request.model, part, limit: null, extras });
  for await (const batch of batches) {
    chunks.push(outputValues(batch.outputs, name, batch.rows * width));
    batch.extras.forEach((column, i) => {
      for (const cell of column) cells[i]!.push(cell);
    });
    rows += batch.rows;
    request.onRows?.(rows);
  }
  const outputs = new Float64Array(rows * width);
  let offset = 0;
  for (const chunk of chunks) {
    outputs.set(chunk, offset);
    offset += chunk.length;
  }
  const labels = cells.slice(0, signature.labels.length);
  return {
    rows,
    labels,
    extras: Object.fromEntries(extraNames.map((extra, i) => [extra, cells[labels.length + i]!])),
    outputs,
  };
}

/** One output of a call, as float64. @throws ARTIFACT_CORRUPT - it is not there, is no float, or has another length. */
export function outputValues(
  outputs: Readonly<Record<string, TensorValue>>,
  name: string,
  length: number,
): Float64Array {
  const output = outputs[name];
  if (
    output !== undefined &&
    (output.dtype === 'float32' || output.dtype === 'float64') &&
    output.data.length === length
  ) {
    return Float64Array.from(output.data);
  }
  throw new MillraceError('ARTIFACT_CORRUPT', {
    path: `outputs.${name}`,
    expected: `a float tensor of ${length} values`,
    received: output === undefined ? 'no such output' : `${output.dtype} of ${output.data.length}`,
    hint: 'Export the model again.',
  });
}

/** Opens DuckDB over a dataset's files. */
export function openTestSession(
  context: OperatorContext,
  readable: readonly string[],
  writable: readonly string[] = [],
): Promise<SqlSession> {
  return context.sql.open({
    readable,
    writable,
    threads: context.placement.threads,
    memoryLimitMb: context.placement.memoryLimitMb,
    signal: context.signal,
  });
}

function labelSql(signature: ModelSignature, label: string): string {
  const column = quoteIdentifier(label);
  return signature.task === 'regression' ? `CAST(${column} AS DOUBLE)` : `CAST(${column} AS VARCHAR)`;
}

function requireColumns(dataset: DatasetView, signature: ModelSignature): void {
  const known = dataset.columns.map((column) => column.name);
  const needed = [...signature.inputs.map((input) => input.column.name), ...signature.labels];
  throwProblems(
    needed
      .filter((name) => !known.includes(name))
      .map((name) => {
        const nearest = nearestName(name, known);
        return new MillraceError('DATA_COLUMN_MISSING', {
          path: `dataset.${name}`,
          expected: 'a column that the model takes or predicts',
          received: 'no such column',
          ...(nearest === null ? {} : { hint: `The nearest one is '${nearest}'.` }),
        });
      }),
  );
}
