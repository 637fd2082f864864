import { type BinaryPredictions, type MulticlassPredictions, topClasses } from './predictions.js';

/** Above this many classes the matrix is too large to read: the most frequent confusions stand for it. */
export const MATRIX_CLASSES = 50;

export interface Confusion {
  /** `counts[actual][predicted]`, rows without weights; null above 50 classes. */
  readonly counts: readonly (readonly number[])[] | null;
  /** The most frequent mistakes, at most 50, largest first. */
  readonly mistakes: readonly { readonly actual: number; readonly predicted: number; readonly rows: number }[];
}

export function confusion(predictions: BinaryPredictions | MulticlassPredictions): Confusion {
  const { rows, label } = predictions;
  const classes = predictions.task === 'binary' ? 2 : predictions.classes;
  const predicted =
    predictions.task === 'binary'
      ? Int32Array.from(predictions.probability, (p) => (p >= predictions.threshold ? 1 : 0))
      : topClasses(predictions);
  const cells = new Map<number, number>();
  for (let row = 0; row < rows; row++) {
    const cell = label[row]! * classes + predicted[row]!;
    cells.set(cell, (cells.get(cell) ?? 0) + 1);
  }
  const mistakes = [...cells]
    .map(([cell, count]) => ({ actual: Math.floor(cell / classes), predicted: cell % classes, rows: count }))
    .filter((cell) => cell.actual !== cell.predicted)
    .sort((a, b) => b.rows - a.rows || a.actual - b.actual || a.predicted - b.predicted)
    .slice(0, 50);
  const counts =
    classes > MATRIX_CLASSES
      ? null
      : Array.from({ length: classes }, (_, actual) =>
          Array.from({ length: classes }, (_, guess) => cells.get(actual * classes + guess) ?? 0),
        );
  return { counts, mistakes };
}
