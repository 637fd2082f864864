import { z } from 'zod';
import { MillraceError, nearestName, throwProblems } from '../contracts/errors.js';
import { attachNode, nodeOf } from './build-node.js';
import { declaredColumnsOf, unknownColumn } from './column-checks.js';
import { parseOptions } from './parse-options.js';
import type { MetricTable, Onnx, Report, Split, TaskKind } from './stage-values.js';

export interface EvaluateOptions<M extends string, C> {
  /** Default: all metrics of the task. */
  readonly metrics?: readonly M[];
  /** Columns whose values get metrics of their own, with counts. */
  readonly slices?: readonly (keyof C & string)[];
  /** Resamples for 95% intervals; 0 for none. Default 1000. */
  readonly bootstrap?: number;
  /** Permutation importance of every input; false for none. Default 3 repeats over at most 10,000 rows. */
  readonly importance?: false | { readonly repeats?: number; readonly maxRows?: number };
  /** Default 0. */
  readonly seed?: number;
}

export const taskMetrics: { readonly [T in TaskKind]: readonly MetricTable[T][] } = {
  binary: ['auc', 'logLoss', 'accuracy', 'precision', 'recall', 'f1', 'averagePrecision', 'brier', 'calibrationError'],
  multiclass: ['auc', 'logLoss', 'accuracy', 'precision', 'recall', 'f1'],
  regression: ['rmse', 'mae', 'r2'],
};

const schema = z.strictObject({
  metrics: z.array(z.string()).min(1).nullable().default(null),
  slices: z.array(z.string()).default([]),
  bootstrap: z.int().min(0).max(100_000).default(1000),
  importance: z
    .union([
      z.literal(false),
      z.strictObject({ repeats: z.int().min(1).max(100).default(3), maxRows: z.int().min(1).default(10_000) }),
    ])
    .prefault({})
    .transform((value) => (value === false ? null : value)),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(0),
});

/**
 * Scores what will be served, the exported bundle, on the test split, and the native model beside it.
 *
 * @returns metrics with bootstrap intervals, curves, slices and importance; per-row predictions are kept.
 * @throws CONFIG_INVALID; SPLIT_EMPTY, DATA_SINGLE_CLASS - when the run finds a test split that cannot be measured.
 */
export function evaluate<
  T extends TaskKind,
  C,
  L extends string,
  D extends C,
  const M extends MetricTable[NoInfer<T>] = MetricTable[NoInfer<T>],
>(onnx: Onnx<T, C, L>, data: Split<D>, options: EvaluateOptions<M, D> = {}): Report<T, M> {
  const node = nodeOf(onnx, ['exportOnnx'], 'evaluate.onnx');
  const split = nodeOf(data, ['split'], 'evaluate.data');
  const parsed = parseOptions(schema, options, 'evaluate');
  const problems: MillraceError[] = [];
  const known: readonly string[] = taskMetrics[onnx.task];
  const metrics = parsed.metrics ?? [];
  for (const [index, metric] of metrics.entries()) {
    if (metrics.indexOf(metric) !== index) problems.push(repeated('metrics', metric));
    if (known.includes(metric)) continue;
    const nearest = nearestName(metric, known);
    problems.push(
      new MillraceError('CONFIG_INVALID', {
        path: 'evaluate.metrics',
        expected: `metrics of a ${onnx.task} model (${known.join(', ')})`,
        received: `'${metric}'`,
        ...(nearest === null ? {} : { hint: `Did you mean '${nearest}'?` }),
      }),
    );
  }
  const columns = declaredColumnsOf(split.dataset, 'evaluate.data');
  for (const [index, slice] of parsed.slices.entries()) {
    if (parsed.slices.indexOf(slice) !== index) problems.push(repeated('slices', slice));
    problems.push(...unknownColumn(slice, columns, 'evaluate.slices'));
  }
  for (const column of [...node.model.inputs, ...node.model.labels]) {
    problems.push(...unknownColumn(column, columns, `evaluate.data.${column}`));
  }
  throwProblems(problems);
  return attachNode(
    { stage: 'report' as const, task: onnx.task },
    { kind: 'evaluate', onnx: node, split, options: parsed },
  ) as unknown as Report<T, M>;
}

function repeated(option: string, name: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', {
    path: `evaluate.${option}`,
    expected: 'each name once',
    received: `'${name}' again`,
  });
}
