import { MillraceError } from '../contracts/errors.js';
import type { Column } from '../types/column-type.js';
import { t } from '../types/type.js';
import { datasetKinds, type FitNode, nodeOf } from './build-node.js';
import { datasetValue } from './dataset-value.js';
import { parseOptions } from './parse-options.js';
import type { Dataset, Live, Onnx, Rows, TaskKind } from './stage-values.js';
import { z } from 'zod';

const schema = z.strictObject({ keep: z.array(z.string()).default([]) });

/**
 * Scores a dataset in one go: `keep` columns, then the prediction: binary `probability` and `class`,
 * multiclass `class` and `probability`, regression `prediction` (or `prediction_<label>` for several labels).
 *
 * @param model - an exported model of this pipeline, or what `promote` returned (then the champion of the run's moment).
 */
export function predict<C>(model: Onnx<TaskKind, Partial<C>> | Live, rows: Rows<C>, options: { readonly keep?: readonly (keyof C & string)[] } = {}): Dataset<Record<string, never>> {
  const from = nodeOf(model, ['exportOnnx', 'promote'], 'predict.model');
  const dataset = nodeOf(rows, datasetKinds, 'predict.rows');
  const { keep } = parseOptions(schema, options, 'predict');
  const known = dataset.columns ?? [];
  const kept = keep.map((name) => {
    const column = known.find((candidate) => candidate.name === name);
    if (column === undefined) throw new MillraceError('CONFIG_INVALID', { path: 'predict.keep', expected: `columns of the dataset (${known.map((candidate) => candidate.name).join(', ')})`, received: `'${name}'` });
    return column;
  });
  const fit = from.kind === 'exportOnnx' ? from.model : from.gates[0]!.version.onnx.model;
  const columns = [...kept, ...predictionColumns(fit)];
  return datasetValue({ kind: 'predict', from, dataset, keep, columns, key: [] }, columns);
}

/** The columns that a prediction adds, by task. */
export function predictionColumns(fit: Pick<FitNode, 'fit' | 'labels'>): readonly Column[] {
  const { task } = fit.fit;
  if (task.kind !== 'regression') return [{ name: 'probability', type: t.float32.columnType }, { name: 'class', type: t.string.columnType }];
  const names = fit.labels.length === 1 ? ['prediction'] : fit.labels.map((label) => `prediction_${label}`);
  return names.map((name) => ({ name, type: t.float32.columnType }));
}
