/** What was predicted and what was true, in the dataset's order; every number is finite. */
export type Predictions = BinaryPredictions | MulticlassPredictions | RegressionPredictions;

export interface BinaryPredictions {
  readonly task: 'binary';
  readonly rows: number;
  /** 1 where the row is of the second class. */
  readonly label: Uint8Array;
  readonly probability: Float64Array;
  /** At or above it the second class is predicted. */
  readonly threshold: number;
}

export interface MulticlassPredictions {
  readonly task: 'multiclass';
  readonly rows: number;
  readonly classes: number;
  readonly label: Int32Array;
  /** Row-major, shape [rows, classes]. */
  readonly probabilities: Float64Array;
}

export interface RegressionPredictions {
  readonly task: 'regression';
  readonly rows: number;
  readonly targets: number;
  /** Row-major, shape [rows, targets]. */
  readonly label: Float64Array;
  /** Row-major, shape [rows, targets]. */
  readonly prediction: Float64Array;
}

/**
 * A metric under given row weights; what does not depend on them (sorting, logarithms) is done already.
 * NaN where the metric is undefined under these weights (one class left, no rows).
 */
export type Evaluator = (weight: Float64Array) => number;

/** The rows of a slice, in order. */
export function selectRows(predictions: Predictions, rows: Uint32Array): Predictions {
  if (predictions.task === 'binary') {
    const { label, probability } = predictions;
    return {
      ...predictions,
      rows: rows.length,
      label: Uint8Array.from(rows, (row) => label[row]!),
      probability: Float64Array.from(rows, (row) => probability[row]!),
    };
  }
  if (predictions.task === 'multiclass') {
    return {
      ...predictions,
      rows: rows.length,
      label: Int32Array.from(rows, (row) => predictions.label[row]!),
      probabilities: gatherBlocks(predictions.probabilities, rows, predictions.classes),
    };
  }
  return {
    ...predictions,
    rows: rows.length,
    label: gatherBlocks(predictions.label, rows, predictions.targets),
    prediction: gatherBlocks(predictions.prediction, rows, predictions.targets),
  };
}

function gatherBlocks(values: Float64Array, rows: Uint32Array, width: number): Float64Array {
  const gathered = new Float64Array(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    gathered.set(values.subarray(rows[i]! * width, (rows[i]! + 1) * width), i * width);
  }
  return gathered;
}

/** The class with the largest probability, the first of equals. */
export function topClasses({ rows, classes, probabilities }: MulticlassPredictions): Int32Array {
  const top = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const offset = row * classes;
    let best = 0;
    for (let k = 1; k < classes; k++) if (probabilities[offset + k]! > probabilities[offset + best]!) best = k;
    top[row] = best;
  }
  return top;
}
