import { MillraceError, nearestName, throwProblems } from '../../pipelines/contracts/errors.js';
import type { InferenceSession, TensorValue } from '../../pipelines/contracts/infer.js';
import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import { quoteIdentifier, type SqlBatch, type SqlCell, type SqlSession } from '../../pipelines/contracts/sql.js';
import type { SplitSpec } from '../../pipelines/plan/relation.js';
import { tensorsFromColumns } from '../../pipelines/signature/tensors.js';
import type { DatasetView } from '../split/read-dataset.js';
import { type Part, parts, splitSql } from '../split/split-sql.js';

/** Rows of one call of the session: large enough to be quick, small enough to keep a loop responsive. */
export const scoreBatchRows = 8_192;

export interface ScoreRequest {
  readonly dataset: DatasetView;
  readonly signature: ModelSignature;
  readonly session: InferenceSession;
  /** The rows of one part of a split, or null for all of them. */
  readonly part: { readonly split: SplitSpec; readonly name: Part } | null;
  /** At most so many rows, the first ones; null: all. */
  readonly limit: number | null;
  /** SQL expressions over the dataset's columns whose cells come back beside the outputs. */
  readonly extras: readonly string[];
}

/** Some rows in the dataset's order with what the model answered. */
export interface ScoredBatch {
  readonly rows: number;
  readonly outputs: Readonly<Record<string, TensorValue>>;
  readonly extras: readonly (readonly SqlCell[])[];
}

/** All of them: outputs row-major, by name. */
export interface Scores {
  readonly rows: number;
  readonly outputs: Readonly<Record<string, Float32Array | Float64Array>>;
  readonly extras: readonly (readonly SqlCell[])[];
}

/**
 * Scores raw rows of a dataset, in its order, batch by batch.
 *
 * @throws DATA_COLUMN_MISSING - inputs that the dataset lacks, all at once.
 * @throws REQUEST_INVALID - a cell that the signature refuses.
 */
export async function* scoreBatches(sql: SqlSession, request: ScoreRequest): AsyncGenerator<ScoredBatch> {
  const { dataset, signature, session } = request;
  requireInputs(dataset, signature);
  const names = signature.inputs.map((input) => input.column.name);
  for await (const batch of rebatched(sql.batches(rowsSql(request, names)), scoreBatchRows)) {
    const columns = Object.fromEntries(names.map((name, index) => [name, batch.columns[index]!]));
    const outputs = await session.run(tensorsFromColumns(signature, columns, batch.rows));
    yield { rows: batch.rows, outputs, extras: batch.columns.slice(names.length) };
  }
}

/** As {@link scoreBatches}, with everything in memory. */
export async function scoreDataset(sql: SqlSession, request: ScoreRequest): Promise<Scores> {
  const chunks = new Map<string, (Float32Array | Float64Array)[]>(
    request.session.outputs.map((output) => [output.name, []]),
  );
  const extras = request.extras.map((): SqlCell[] => []);
  let rows = 0;
  for await (const batch of scoreBatches(sql, request)) {
    rows += batch.rows;
    for (const [name, list] of chunks) list.push(floats(batch.outputs[name]!, name));
    extras.forEach((cells, index) => {
      for (const cell of batch.extras[index]!) cells.push(cell);
    });
  }
  return { rows, outputs: Object.fromEntries([...chunks].map(([name, list]) => [name, joined(list)])), extras };
}

function rowsSql({ dataset, part, limit, extras }: ScoreRequest, names: readonly string[]): string {
  const further = extras.map((sql, index) => `, ${sql} AS __extra_${index}`).join('');
  const code = part === null ? '' : `, ${splitSql(part.split, dataset).code} AS __part`;
  const all = `SELECT *, ${dataset.position} AS __position${code}${further} FROM ${dataset.scan}`;
  const chosen = [...names.map(quoteIdentifier), ...extras.map((_, index) => `__extra_${index}`)].join(', ');
  const filter = part === null ? '' : ` WHERE __part = ${parts.indexOf(part.name) + 1}`;
  return `SELECT ${chosen} FROM (${all})${filter} ORDER BY __position${limit === null ? '' : ` LIMIT ${limit}`}`;
}

function requireInputs(dataset: DatasetView, signature: ModelSignature): void {
  const known = dataset.columns.map((column) => column.name);
  throwProblems(
    signature.inputs
      .map((input) => input.column)
      .filter((column) => !known.includes(column.name))
      .map((column) => {
        const nearest = nearestName(column.name, known);
        return new MillraceError('DATA_COLUMN_MISSING', {
          path: `dataset.${column.name}`,
          expected: `a column of kind ${column.type.kind}, which the model takes`,
          received: 'no such column',
          ...(nearest === null ? {} : { hint: `The nearest one is '${nearest}'.` }),
        });
      }),
  );
}

/** The same rows in batches of `size`; DuckDB hands out 2,048 at a time. */
async function* rebatched(batches: AsyncIterable<SqlBatch>, size: number): AsyncGenerator<SqlBatch> {
  let columns: SqlCell[][] = [];
  let rows = 0;
  for await (const batch of batches) {
    if (rows === 0) columns = batch.columns.map((cells) => [...cells]);
    else {
      columns.forEach((cells, index) => {
        cells.push(...batch.columns[index]!);
      });
    }
    rows += batch.rows;
    if (rows < size) continue;
    yield { rows, columns };
    rows = 0;
  }
  if (rows > 0) yield { rows, columns };
}

function floats(value: TensorValue, name: string): Float32Array | Float64Array {
  if (value.dtype === 'float32' || value.dtype === 'float64') return value.data;
  throw new MillraceError('ARTIFACT_CORRUPT', {
    path: `outputs.${name}`,
    expected: 'a float tensor',
    received: value.dtype,
    hint: 'Export the model again.',
  });
}

function joined(chunks: readonly (Float32Array | Float64Array)[]): Float32Array | Float64Array {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const result = chunks[0] instanceof Float64Array ? new Float64Array(length) : new Float32Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    result.set(chunk, offset);
    offset += chunk.length;
  }
  return result;
}
