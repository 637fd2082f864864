import { MillraceError, throwProblems } from '../contracts/errors.js';
import type { TaskKind } from '../define/stage-values.js';
import { checkSource, columnOf, type FitSource } from './fit-source.js';
import {
  BATCH,
  type Dim,
  dimsEqual,
  type FitGraph,
  formatShape,
  sizeOf,
  type Task,
  type TensorGraph,
} from './graph.js';
import type { Encoding } from './inputs/define-input.js';
import { problemsOf, traceSequence } from './layers/define-layer.js';
import { binaryCrossEntropy } from './losses/binary-cross-entropy.js';
import { categoricalCrossEntropy } from './losses/categorical-cross-entropy.js';
import type { Loss } from './losses/loss.js';
import { meanSquaredError } from './losses/mean-squared-error.js';
import { CLASSES, type TracedLabel, targetSlots, traceLabel } from './trace-label.js';
import { Tracer, type Value } from './tracer.js';

export type { FitSource } from './fit-source.js';

/**
 * Traces everything that `fit` needs: encode and tensor region of the network, the label's encode region and the loss.
 *
 * Numbers that enter as they are come first, side by side and in order, both in the feed and in the network's input;
 * one-hot columns, embeddings and piecewise encodings follow.
 *
 * @throws NETWORK_INVALID, NETWORK_SHAPE - every problem at once, with paths like `fit.inputs.age`.
 */
export function traceFit(source: FitSource): FitGraph {
  const labels = typeof source.label === 'string' ? [source.label] : [...source.label];
  throwProblems(checkSource(source));

  const tracer = new Tracer();
  const encodings = encodeInputs(tracer, source);
  const encoded = tracer.scope('inputs', () => joinInputs(tracer, encodings));
  const width = outputWidth(source.task, labels);
  const last = traceSequence(tracer, source.network.layers, encoded, width, 'fit.network');
  if (last.shape.length !== 2 || last.dtype !== 'float32' || !dimsEqual(last.shape[1]!, width)) {
    throw new MillraceError('NETWORK_SHAPE', {
      path: 'fit.network',
      expected: `a last layer that gives float32 ${formatShape([BATCH, width])}`,
      received: `${last.dtype} ${formatShape(last.shape)}`,
      hint: 'End the network with output().',
    });
  }
  const { outputs, prediction } = traceLink(tracer, last, source.task, labels);
  const graph = tracer.finish(outputs);

  const loss = source.loss ?? defaultLoss(source.task);
  const label = labelOf(source, labels, loss);
  const slots = new Map([...tracer.slots, ...label.slots].map((slot) => [slot.name, slot]));
  return {
    graph,
    label: label.graph,
    loss: traceLoss(loss, prediction.name, prediction.value, source.task),
    slots: [...slots.values()],
    task: taskOf(source.task, labels),
  };
}

function outputWidth(task: TaskKind, labels: readonly string[]): Dim {
  return task === 'binary' ? 1 : task === 'multiclass' ? sizeOf(CLASSES) : labels.length;
}

interface EncodedInput {
  readonly name: string;
  readonly encoding: Encoding;
}

function encodeInputs(tracer: Tracer, source: FitSource): readonly EncodedInput[] {
  const problems: MillraceError[] = [];
  const encodings: EncodedInput[] = [];
  for (const [name, input] of Object.entries(source.inputs)) {
    try {
      const column = columnOf(source, name);
      encodings.push({
        name,
        encoding: tracer.scope(`encode/${name}`, () => tracer.encode(() => input.encode(tracer, column))),
      });
    } catch (error) {
      problems.push(...problemsOf(error, `fit.inputs.${name}`));
    }
  }
  throwProblems(problems);
  return encodings;
}

/** Feeds what was encoded and puts it side by side: float32 [batch, width]. */
function joinInputs(tracer: Tracer, encodings: readonly EncodedInput[]): Value {
  const names = new Set<string>();
  const feed = (column: string, suffix: string, value: Value): Value => {
    const plain = suffix === '' ? column : `${column}.${suffix}`;
    let name = plain;
    for (let count = 1; names.has(name); count++) name = `${plain}_${count}`;
    names.add(name);
    return tracer.feed(name, checked(value, column));
  };
  const parts: Value[] = [];
  for (const { name, encoding } of encodings) {
    for (const [suffix, value] of Object.entries(encoding.numbers)) {
      const fed = feed(
        name,
        suffix,
        tracer.encode(() => (value.dtype === 'float32' ? value : tracer.apply('cast', [value], { to: 'float32' }))),
      );
      parts.push(tracer.apply('expandDims', [fed], { axis: 1 }));
    }
  }
  for (const { name, encoding } of encodings) {
    const { widen } = encoding;
    if (widen === null) continue;
    const values = Object.fromEntries(
      Object.entries(encoding.widened).map(([suffix, value]) => [suffix, feed(name, suffix, value)]),
    );
    try {
      parts.push(tracer.scope(name, () => widen(tracer, values)));
    } catch (error) {
      throwProblems(problemsOf(error, `fit.inputs.${name}`));
    }
  }
  return parts.length === 1 ? parts[0]! : tracer.apply('concat', parts, { axis: 1 });
}

function checked(value: Value, column: string): Value {
  const fits =
    (value.dtype === 'float32' || value.dtype === 'int64') &&
    value.shape.length === 1 &&
    dimsEqual(value.shape[0]!, BATCH);
  if (fits) return value;
  throw new MillraceError('NETWORK_SHAPE', {
    path: `fit.inputs.${column}`,
    expected: 'encoded values of float32 [batch] or int64 [batch]',
    received: `${value.dtype} ${formatShape(value.shape)}`,
  });
}

interface Link {
  readonly outputs: Readonly<Record<string, Value>>;
  /** What the loss takes. */
  readonly prediction: { readonly name: string; readonly value: Value };
}

/** From the last layer to the named outputs of the task. */
function traceLink(tracer: Tracer, last: Value, task: TaskKind, labels: readonly string[]): Link {
  return tracer.scope('link', (): Link => {
    if (task === 'binary') {
      const logits = tracer.apply('squeeze', [last], { axis: 1 });
      return {
        outputs: { logits, probability: tracer.apply('sigmoid', [logits]) },
        prediction: { name: 'logits', value: logits },
      };
    }
    if (task === 'multiclass') {
      return {
        outputs: { logits: last, probabilities: tracer.apply('softmax', [last]) },
        prediction: { name: 'logits', value: last },
      };
    }
    const slots = labels.map(targetSlots);
    const vector = (specs: readonly Value[]): Value => {
      const parts = specs.map((spec) => tracer.apply('expandDims', [spec], { axis: 0 }));
      return parts.length === 1 ? parts[0]! : tracer.apply('concat', parts, { axis: 0 });
    };
    const deviation = vector(slots.map((slot) => tracer.slot(slot.deviation)));
    const mean = vector(slots.map((slot) => tracer.slot(slot.mean)));
    const wide = tracer.apply('cast', [last], { to: 'float64' });
    const prediction = tracer.apply('add', [tracer.apply('multiply', [wide, deviation]), mean]);
    return { outputs: { scaled: last, prediction }, prediction: { name: 'scaled', value: last } };
  });
}

function defaultLoss(task: TaskKind): Loss {
  return task === 'binary'
    ? binaryCrossEntropy()
    : task === 'multiclass'
      ? categoricalCrossEntropy()
      : meanSquaredError();
}

function labelOf(source: FitSource, labels: readonly string[], loss: Loss): TracedLabel {
  const columns = labels.map((name) => columnOf(source, name));
  return traceLabel(
    source.task,
    columns,
    source.weight === null ? null : columnOf(source, source.weight),
    loss.classWeights,
  );
}

/** Inputs by name: the prediction, `label`, `weight`; outputs `loss` (times weight) and `weight`, both [batch]. */
function traceLoss(loss: Loss, name: string, prediction: Value, task: TaskKind): TensorGraph {
  const tracer = new Tracer();
  const x = tracer.input(name, prediction.dtype, prediction.shape);
  const label = tracer.input(
    'label',
    task === 'multiclass' ? 'int64' : 'float32',
    task === 'multiclass' ? [BATCH] : prediction.shape,
  );
  const weight = tracer.input('weight', 'float32', [BATCH]);
  const perRow = loss.trace(tracer, x, label);
  return tracer.finish({ loss: tracer.apply('multiply', [perRow, weight]), weight });
}

function taskOf(task: TaskKind, labels: readonly string[]): Task {
  return task === 'regression' ? { kind: task, labels } : { kind: task, label: labels[0]! };
}
