import type { z } from 'zod';
import type { MillraceError } from '../../contracts/errors.js';
import { parseOptions } from '../../define/parse-options.js';
import type { TaskKind } from '../../define/stage-values.js';
import { problemsOf } from '../layers/define-layer.js';
import type { Tracer, Value } from '../tracer.js';

/** A factor a class, by the class's name: 'false' and 'true' for a bool label. Classes that are not named have 1. */
export type ClassWeights = Readonly<Record<string, number>>;

/** A loss as a value: one number a row; weights are applied outside. */
export interface Loss<out T extends TaskKind = TaskKind> {
  readonly kind: string;
  readonly tasks: readonly T[];
  readonly options: unknown;
  readonly classWeights: ClassWeights | null;
  readonly check: (path: string) => readonly MillraceError[];
  /**
   * @param prediction - the network's output before its link: `logits`, or `scaled` for regression.
   * @param label - binary: float32 [batch]; multiclass: int64 [batch]; regression: float32 [batch, targets].
   * @returns float32 [batch].
   */
  readonly trace: (tracer: Tracer, prediction: Value, label: Value) => Value;
}

export interface LossDefinition<S extends z.ZodType, T extends TaskKind> {
  readonly name: string;
  /** The tasks that it is a loss of. */
  readonly tasks: readonly T[];
  readonly options: S;
  readonly classWeights?: (options: z.output<S>) => ClassWeights | undefined;
  readonly trace: (tracer: Tracer, prediction: Value, label: Value, options: z.output<S>) => Value;
}

/** Defines a loss: ours are made here, and so may a user's be. */
export function defineLoss<S extends z.ZodType, T extends TaskKind>(
  definition: LossDefinition<S, T>,
): (options: z.input<S>) => Loss<T> {
  const read = (options: unknown, path: string): z.output<S> =>
    parseOptions(definition.options as unknown as z.ZodType<z.output<S>>, options, path, 'NETWORK_INVALID');
  return (options) => {
    const parsed = definition.options.safeParse(options);
    return Object.freeze<Loss<T>>({
      kind: definition.name,
      tasks: definition.tasks,
      options,
      classWeights: (parsed.success ? definition.classWeights?.(parsed.data) : undefined) ?? null,
      check: (path) => {
        try {
          read(options, path);
          return [];
        } catch (error) {
          return problemsOf(error, path);
        }
      },
      trace: (tracer, prediction, label) =>
        tracer.scope(definition.name, () => definition.trace(tracer, prediction, label, read(options, 'fit.loss'))),
    });
  };
}
