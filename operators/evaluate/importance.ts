import { setImmediate } from 'node:timers/promises';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { InferenceSession, TensorValue } from '../../pipelines/contracts/infer.js';
import { metricDirection, prepareMetric } from './metrics/metric-table.js';
import type { Predictions } from './metrics/predictions.js';
import { createRandom, shuffledIndices } from './random.js';
import { outputValues } from './scored-rows.js';

/** Random streams of the importance lie far from those of the bootstrap. */
const STREAM = 1 << 30;
const BATCH = 2048;

export interface ImportanceRequest {
  readonly model: InferenceSession;
  /** Inputs of the rows it is measured on, by name. */
  readonly inputs: Readonly<Record<string, TensorValue>>;
  /** Labels and undisturbed outputs of the same rows. */
  readonly predictions: Predictions;
  readonly output: { readonly name: string; readonly width: number };
  readonly metric: string;
  readonly repeats: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onInput: (done: number, of: number) => void;
}

export interface InputImportance {
  readonly name: string;
  /** How much worse the metric becomes; negative where the input does harm. */
  readonly mean: number;
  /** Over the repeats (population). */
  readonly standardDeviation: number;
}

/**
 * Permutation importance (Breiman 2001; Fisher, Rudin and Dominici 2019): the metric of the exported model when one
 * input's values are shuffled among the rows, against the undisturbed one. Inputs that carry the same information
 * share it: each alone then looks unimportant.
 *
 * @returns the largest mean first.
 * @throws CANCELLED
 */
export async function permutationImportance(request: ImportanceRequest): Promise<readonly InputImportance[]> {
  const { inputs, predictions, metric, repeats, seed, signal } = request;
  const { rows } = predictions;
  const weight = new Float64Array(rows).fill(1);
  const sign = metricDirection(predictions.task, metric) === 'higher' ? 1 : -1;
  const undisturbed = prepareMetric(predictions, metric)(weight);
  const names = Object.keys(inputs);
  const found: InputImportance[] = [];
  for (const [index, name] of names.entries()) {
    const losses: number[] = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      const order = shuffledIndices(rows, createRandom(seed, STREAM + index * repeats + repeat));
      const shuffled = { ...inputs, [name]: gatherRows(inputs[name]!, order) };
      const outputs = await runInBatches(request, shuffled, rows, signal);
      losses.push(sign * (undisturbed - prepareMetric(withOutputs(predictions, outputs), metric)(weight)));
    }
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / repeats;
    const variance = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / repeats;
    found.push({ name, mean, standardDeviation: Math.sqrt(variance) });
    request.onInput(index + 1, names.length);
  }
  return found.sort((a, b) => b.mean - a.mean || (a.name < b.name ? -1 : 1));
}

function withOutputs(predictions: Predictions, outputs: Float64Array): Predictions {
  if (predictions.task === 'binary') return { ...predictions, probability: outputs };
  if (predictions.task === 'multiclass') return { ...predictions, probabilities: outputs };
  return { ...predictions, prediction: outputs };
}

async function runInBatches(
  { model, output }: ImportanceRequest,
  inputs: Readonly<Record<string, TensorValue>>,
  rows: number,
  signal: AbortSignal,
): Promise<Float64Array> {
  const outputs = new Float64Array(rows * output.width);
  for (let start = 0; start < rows; start += BATCH) {
    if (signal.aborted) {
      throw new MillraceError('CANCELLED', {
        path: 'evaluate.importance',
        expected: 'to run to its end',
        received: 'a cancellation',
        retryable: true,
      });
    }
    const end = Math.min(rows, start + BATCH);
    const batch = Object.entries(inputs).map(([name, tensor]) => [name, sliceRows(tensor, start, end)]);
    const answer = await model.run(Object.fromEntries(batch));
    outputs.set(outputValues(answer, output.name, (end - start) * output.width), start * output.width);
    await setImmediate();
  }
  return outputs;
}

/** Rows `order` of a tensor of shape [rows]. */
export function gatherRows(tensor: TensorValue, order: Uint32Array): TensorValue {
  const shape = [order.length];
  switch (tensor.dtype) {
    case 'string':
      return { ...tensor, shape, data: Array.from(order, (row) => tensor.data[row]!) };
    case 'int64':
      return {
        ...tensor,
        shape,
        data: BigInt64Array.from({ length: order.length }, (_, i) => tensor.data[order[i]!]!),
      };
    case 'float32':
      return { ...tensor, shape, data: Float32Array.from(order, (row) => tensor.data[row]!) };
    case 'float64':
      return { ...tensor, shape, data: Float64Array.from(order, (row) => tensor.data[row]!) };
    case 'bool':
      return { ...tensor, shape, data: Uint8Array.from(order, (row) => tensor.data[row]!) };
  }
}

function sliceRows(tensor: TensorValue, start: number, end: number): TensorValue {
  const shape = [end - start];
  switch (tensor.dtype) {
    case 'string':
      return { ...tensor, shape, data: tensor.data.slice(start, end) };
    case 'int64':
      return { ...tensor, shape, data: tensor.data.subarray(start, end) };
    case 'float32':
      return { ...tensor, shape, data: tensor.data.subarray(start, end) };
    case 'float64':
      return { ...tensor, shape, data: tensor.data.subarray(start, end) };
    case 'bool':
      return { ...tensor, shape, data: tensor.data.subarray(start, end) };
  }
}
