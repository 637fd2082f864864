import { MillraceError } from '../contracts/errors.js';
import type { TaskKind } from '../define/stage-values.js';
import type { Column } from '../types/column-type.js';
import { BATCH, type SlotSpec, sizeOf, type TensorGraph } from './graph.js';
import { rawDtype } from './inputs/raw-column.js';
import type { ClassWeights } from './losses/loss.js';
import { Tracer, type Value } from './tracer.js';

export interface TracedLabel {
  readonly graph: TensorGraph;
  readonly slots: readonly SlotSpec[];
}

/** The symbol of the number of classes. */
export const CLASSES = 'label.classes';

/** The slots that put a scaled target back into the label's units. */
export function targetSlots(column: string): { readonly mean: SlotSpec; readonly deviation: SlotSpec } {
  const slot = (name: string, statistic: SlotSpec['statistic']): SlotSpec => ({
    name: `${column}.${name}`,
    column,
    statistic,
    dtype: 'float64',
    shape: [],
    size: null,
  });
  return {
    mean: slot('mean', { kind: 'mean', transform: 'none' }),
    deviation: slot('standardDeviation', { kind: 'standardDeviation', transform: 'none' }),
  };
}

/**
 * The label's encode region. Feed columns: `label` (binary float32 of 0 and 1, multiclass int64, regression float32
 * scaled) or `label.0`, `label.1`, … for several targets, and `weight` (float32) where rows or classes have weights.
 * Classes are the values of the slot `label.vocabulary` in ascending order; a bool label needs none.
 * A class that the train split does not have is -1.
 */
export function traceLabel(
  task: TaskKind,
  labels: readonly Column[],
  weight: Column | null,
  classWeights: ClassWeights | null,
): TracedLabel {
  const tracer = new Tracer();
  const raw = (column: Column): Value => tracer.input(column.name, rawDtype(column.type) ?? 'float64', [BATCH]);
  const cast = (value: Value, to: 'float32' | 'float64' | 'int64'): Value =>
    value.dtype === to ? value : tracer.apply('cast', [value], { to });
  tracer.encode(() => {
    if (task === 'regression') {
      labels.forEach((column, index) => {
        const { mean, deviation } = targetSlots(column.name);
        const centered = tracer.apply('subtract', [cast(raw(column), 'float64'), tracer.slot(mean)]);
        const scaled = cast(tracer.apply('divide', [centered, tracer.slot(deviation)]), 'float32');
        tracer.feed(labels.length === 1 ? 'label' : `label.${index}`, scaled);
      });
    } else {
      tracer.feed('label', classIndex(tracer, labels[0]!, raw(labels[0]!), task, cast));
    }
    const factors = [
      ...(weight === null ? [] : [cast(raw(weight), 'float32')]),
      ...(classWeights === null ? [] : [classFactor(tracer, labels[0]!, raw(labels[0]!), classWeights, cast)]),
    ];
    if (factors.length > 0)
      tracer.feed(
        'weight',
        factors.reduce((product, factor) => tracer.apply('multiply', [product, factor])),
      );
  });
  return { graph: tracer.finish({}), slots: tracer.slots };
}

type Cast = (value: Value, to: 'float32' | 'float64' | 'int64') => Value;

function classIndex(tracer: Tracer, column: Column, x: Value, task: TaskKind, cast: Cast): Value {
  if (column.type.kind === 'bool') return cast(x, 'float32');
  const spec: SlotSpec = {
    name: 'label.vocabulary',
    column: column.name,
    statistic: { kind: 'vocabulary', minCount: 1, maxSize: 1_000_000 },
    dtype: column.type.kind === 'string' ? 'string' : 'int64',
    shape: [sizeOf(CLASSES)],
    size: CLASSES,
  };
  const whole = x.dtype === 'float64' ? cast(x, 'int64') : x;
  const index = tracer.apply('lookup', [whole, tracer.slot(spec)], { missing: -1, unknown: -1, first: 0 });
  return task === 'binary' ? cast(index, 'float32') : index;
}

/** The factor of the row's class; 1 for classes that are not named. */
function classFactor(tracer: Tracer, column: Column, x: Value, weights: ClassWeights, cast: Cast): Value {
  const { kind } = column.type;
  const value = kind === 'string' ? x : cast(x, 'int64');
  return Object.entries(weights).reduce<Value>(
    (rest, [name, factor]) => {
      const isClass = tracer.apply('equal', [
        value,
        kind === 'string' ? tracer.constant(name, 'string') : tracer.constant(classNumber(name, kind), 'int64'),
      ]);
      return tracer.apply('where', [isClass, tracer.constant(factor, 'float32'), rest]);
    },
    tracer.constant(1, 'float32'),
  );
}

function classNumber(name: string, kind: string): number {
  if (kind === 'bool') {
    if (name === 'true' || name === 'false') return name === 'true' ? 1 : 0;
    throw new MillraceError('NETWORK_INVALID', {
      path: `fit.loss.classWeights.${name}`,
      expected: `'false' or 'true' for a bool label`,
      received: `'${name}'`,
    });
  }
  const number = Number(name);
  if (!Number.isSafeInteger(number)) {
    throw new MillraceError('NETWORK_INVALID', {
      path: `fit.loss.classWeights.${name}`,
      expected: 'an integer, as the label is',
      received: `'${name}'`,
    });
  }
  return number;
}
