import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { OperatorContext } from '../../pipelines/contracts/operator.js';
import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import { quoteIdentifier, quoteLiteral } from '../../pipelines/contracts/sql.js';
import type { SplitSpec } from '../../pipelines/plan/relation.js';
import type { DatasetView } from '../split/read-dataset.js';
import { rowIdentitySql } from '../split/split-sql.js';
import type { Predictions } from './metrics/predictions.js';
import { openTestSession, type ScoredRows, scoreOutput, testRowsSql } from './scored-rows.js';

/**
 * Writes one line per test row, in the dataset's order: `identity` (what names the row across runs), the label
 * (`label`, or `label_<name>` for several), and the outputs: binary `probability` and `class`; multiclass `class`,
 * `probability` (of that class) and `probabilities`; regression `prediction` (or `prediction_<name>`).
 */
export async function writePredictions(
  context: OperatorContext,
  request: {
    readonly dataset: DatasetView;
    readonly split: SplitSpec;
    readonly signature: ModelSignature;
    readonly scored: ScoredRows;
    readonly predictions: Predictions;
    readonly directory: string;
  },
): Promise<void> {
  const { dataset, split, signature, scored } = request;
  await mkdir(context.scratch, { recursive: true });
  const temporary = await mkdtemp(join(context.scratch, 'predictions-'));
  try {
    const outputs = join(temporary, 'outputs.csv');
    await pipeline(Readable.from(outputLines(scored, scoreOutput(signature).width)), createWriteStream(outputs));
    await using sql = await openTestSession(context, [dataset.directory, temporary], [request.directory]);
    const isOne = signature.labels.length === 1;
    const labels = signature.labels.map(
      (label) => `t.${quoteIdentifier(label)} AS ${quoteIdentifier(isOne ? 'label' : `label_${label}`)}`,
    );
    const ranked = `SELECT *, row_number() OVER (ORDER BY __position) - 1 AS __row FROM ${testRowsSql(dataset, split, { __identity: rowIdentitySql(split, dataset) })}`;
    const { columns, select } = outputColumns(signature);
    const csv = `read_csv(${quoteLiteral(outputs)}, header = false, auto_detect = false, delim = ';', quote = '', escape = '', columns = {${columns}})`;
    await sql.writeParquet(
      `SELECT t.__identity AS identity, ${[...labels, ...select].join(', ')} FROM (${ranked}) t JOIN ${csv} o ON t.__row = o."row" ORDER BY t.__row`,
      join(request.directory, 'predictions.parquet'),
    );
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** float32 values print as the shortest float64 text, which reads back as the same float32. */
function* outputLines({ rows, outputs }: ScoredRows, width: number): Iterable<string> {
  let text = '';
  for (let row = 0; row < rows; row++) {
    text += `${row};`;
    if (width === 1) text += outputs[row];
    else text += `[${outputs.subarray(row * width, (row + 1) * width).join(',')}]`;
    text += '\n';
    if (text.length < 65_536) continue;
    yield text;
    text = '';
  }
  yield text;
}

function outputColumns(signature: ModelSignature): { columns: string; select: string[] } {
  const { width } = scoreOutput(signature);
  const classes = `[${signature.classes.map(quoteLiteral).join(', ')}]`;
  if (signature.task === 'binary') {
    const threshold = `CAST('${signature.threshold ?? 0.5}' AS DOUBLE)`;
    return {
      columns: `'row': 'BIGINT', 'score': 'DOUBLE'`,
      select: [
        'CAST(o.score AS FLOAT) AS probability',
        `(${classes})[1 + CAST(o.score >= ${threshold} AS INTEGER)] AS class`,
      ],
    };
  }
  const list = `CAST(o.scores AS FLOAT[])`;
  if (signature.task === 'multiclass') {
    return {
      columns: `'row': 'BIGINT', 'scores': 'VARCHAR'`,
      select: [
        `(${classes})[list_position(${list}, list_max(${list}))] AS class`,
        `list_max(${list}) AS probability`,
        `${list} AS probabilities`,
      ],
    };
  }
  if (width === 1)
    return { columns: `'row': 'BIGINT', 'score': 'DOUBLE'`, select: ['CAST(o.score AS FLOAT) AS prediction'] };
  return {
    columns: `'row': 'BIGINT', 'scores': 'VARCHAR'`,
    select: signature.labels.map((label, i) => `(${list})[${i + 1}] AS ${quoteIdentifier(`prediction_${label}`)}`),
  };
}
