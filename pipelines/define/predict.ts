import { z } from 'zod';
import { MillraceError, throwProblems } from '../contracts/errors.js';
import type { Column } from '../types/column-type.js';
import { t } from '../types/type.js';
import { datasetKinds, type FitNode, nodeOf } from './build-node.js';
import { declaredColumnsOf, unknownColumn } from './column-checks.js';
import { datasetValue } from './dataset-value.js';
import { parseOptions } from './parse-options.js';
import { promotedGate } from './promoted-model.js';
import type { Dataset, Live, Onnx, PredictionColumns, Rows, TaskKind } from './stage-values.js';

const schema = z.strictObject({ keep: z.array(z.string()).default([]), model: z.string().optional() });

/**
 * Scores a dataset in one go: `keep` columns, then the prediction: binary and multiclass `probability` and `class`,
 * regression `prediction` (or `prediction_<label>` for several labels). The rows need the model's inputs, no label.
 *
 * @param model - an exported model of this pipeline, or what `promote` returned: then it scores once that went well.
 * @param options.model - which model, where several were promoted together.
 * @throws CONFIG_INVALID, PIPELINE_INVALID - while the pipeline is built, every problem at once.
 * @throws REQUEST_INVALID - a cell that the model does not take, when the run reads it.
 */
export function predict<
  T extends TaskKind,
  C,
  L extends string,
  D extends Omit<C, L>,
  K extends keyof D & string = never,
>(
  model: Onnx<T, C, L> | Live<Onnx<T, C, L>>,
  rows: Rows<D>,
  options: { readonly keep?: readonly K[]; readonly model?: string } = {},
): Dataset<Pick<D, K> & PredictionColumns<T, L>> {
  const from = nodeOf(model, ['exportOnnx', 'promote'], 'predict.model');
  const dataset = nodeOf(rows, datasetKinds, 'predict.rows');
  const columns = declaredColumnsOf(dataset, 'predict.rows');
  const { keep, model: name } = parseOptions(schema, options, 'predict');
  const onnx = from.kind === 'exportOnnx' ? from : promotedGate(from, name, 'predict.model').version.onnx;
  const predicted = predictionColumns(onnx.model);
  throwProblems([
    ...onnx.model.inputs.flatMap((input) => unknownColumn(input, columns, `predict.rows.${input}`)),
    ...keep.flatMap((column) => unknownColumn(column, columns, 'predict.keep')),
    ...keep.filter((column, index) => keep.indexOf(column) !== index).map(twice),
    ...keep.filter((column) => predicted.some((own) => own.name === column)).map(clash),
  ]);
  const kept = keep.map((column) => columns.find((candidate) => candidate.name === column)!);
  const after = from.kind === 'promote' ? from : null;
  const made = [...kept, ...predicted];
  return datasetValue({ kind: 'predict', onnx, after, dataset, keep, columns: made, key: [] }, made);
}

function clash(column: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', {
    path: 'predict.keep',
    expected: "columns other than the prediction's",
    received: `'${column}'`,
    hint: 'Rename it in the SQL that makes the dataset.',
  });
}

function twice(column: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', {
    path: 'predict.keep',
    expected: 'each column once',
    received: `'${column}' again`,
  });
}

/** The columns that a prediction adds, by task. */
export function predictionColumns(fit: Pick<FitNode, 'fit' | 'labels'>): readonly Column[] {
  const { task } = fit.fit;
  if (task.kind !== 'regression') {
    return [
      { name: 'probability', type: t.float32.columnType },
      { name: 'class', type: t.string.columnType },
    ];
  }
  const names = fit.labels.length === 1 ? ['prediction'] : fit.labels.map((label) => `prediction_${label}`);
  return names.map((name) => ({ name, type: t.float32.columnType }));
}
