import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import type { SqlCell } from '../../pipelines/contracts/sql.js';
import type { Predictions } from './metrics/predictions.js';
import { type ScoredRows, scoreOutput } from './scored-rows.js';

/**
 * Labels as numbers beside the model's outputs.
 *
 * @throws DATA_NULL - rows without a label. @throws DATA_NOT_FINITE - an output or a label that is NaN or infinite.
 * @throws DATA_OUT_OF_RANGE - labels that are none of the model's classes.
 * @throws DATA_SINGLE_CLASS - a classification whose rows are all of one class: AUC and others have no value.
 */
export function labeledPredictions(signature: ModelSignature, scored: ScoredRows): Predictions {
  const { rows, outputs } = scored;
  signature.labels.forEach((label, i) => {
    checkNulls(label, scored.labels[i]!);
  });
  checkFinite(`output ${scoreOutput(signature).name}`, outputs, 'Look for inputs far outside the range of training.');
  if (signature.task === 'regression') {
    const targets = signature.labels.length;
    const label = new Float64Array(rows * targets);
    scored.labels.forEach((cells, target) => {
      for (let row = 0; row < rows; row++) label[row * targets + target] = Number(cells[row]);
    });
    checkFinite(`label ${signature.labels.join(', ')}`, label, 'Leave such rows out in SQL.');
    return { task: 'regression', rows, targets, label, prediction: outputs };
  }
  const label = classIndices(signature, scored.labels[0]!);
  if (signature.task === 'binary') {
    return {
      task: 'binary',
      rows,
      label: Uint8Array.from(label),
      probability: outputs,
      threshold: signature.threshold ?? 0.5,
    };
  }
  return { task: 'multiclass', rows, classes: signature.classes.length, label, probabilities: outputs };
}

function classIndices(signature: ModelSignature, cells: readonly SqlCell[]): Int32Array {
  const [name] = signature.labels;
  const indices = new Map(signature.classes.map((text, index) => [text, index]));
  const label = new Int32Array(cells.length);
  let strangers = 0;
  for (let row = 0; row < cells.length; row++) {
    const index = indices.get(String(cells[row]));
    if (index === undefined) strangers++;
    else label[row] = index;
  }
  if (strangers > 0) {
    throw new MillraceError('DATA_OUT_OF_RANGE', {
      path: `test.${name}`,
      expected: `one of the ${signature.classes.length} classes that the model knows`,
      received: `another value in ${strangers} of ${cells.length} rows`,
      hint: 'Stratify the split by the label, or leave such rows out in SQL.',
    });
  }
  const first = label[0];
  if (label.every((index) => index === first)) {
    throw new MillraceError('DATA_SINGLE_CLASS', {
      path: `test.${name}`,
      expected: 'rows of at least two classes',
      received: `${cells.length} rows, all of class '${signature.classes[first ?? 0]}'`,
      hint: 'Give the test split more rows, or stratify the split by the label.',
    });
  }
  return label;
}

function checkNulls(label: string, cells: readonly SqlCell[]): void {
  const nulls = cells.reduce<number>((count, cell) => count + (cell === null ? 1 : 0), 0);
  if (nulls === 0) return;
  throw new MillraceError('DATA_NULL', {
    path: `test.${label}`,
    expected: 'a label in every row of the test split',
    received: `NULL in ${nulls} of ${cells.length} rows`,
    hint: 'Leave such rows out in SQL.',
  });
}

function checkFinite(what: string, values: Float64Array, hint: string): void {
  const bad = values.reduce((count, value) => count + (Number.isFinite(value) ? 0 : 1), 0);
  if (bad === 0) return;
  throw new MillraceError('DATA_NOT_FINITE', {
    path: `test: ${what}`,
    expected: 'finite numbers',
    received: `${bad} that are NaN or infinite`,
    hint,
  });
}
