import { MillraceError } from '../contracts/errors.js';
import type { TensorValue } from '../contracts/infer.js';
import type { ModelSignature } from '../contracts/signature.js';

/** One answer a row, by the model's task. A class is named as text: 'true' for the label true. */
export type Answer =
  | { readonly probability: number; readonly class: string }
  | { readonly probabilities: Readonly<Record<string, number>>; readonly class: string }
  | { readonly prediction: number | Readonly<Record<string, number>> };

function outputData(outputs: Readonly<Record<string, TensorValue>>, name: string, length: number): ArrayLike<number> {
  const output = Object.hasOwn(outputs, name) ? outputs[name] : undefined;
  if (
    output === undefined ||
    (output.dtype !== 'float32' && output.dtype !== 'float64') ||
    output.data.length !== length
  ) {
    throw new MillraceError('ARTIFACT_CORRUPT', {
      path: `outputs.${name}`,
      expected: `a float tensor of ${length} values`,
      received: output === undefined ? 'no such output' : `${output.dtype} of ${output.data.length}`,
      hint: 'Export the model again.',
    });
  }
  return output.data;
}

function finite(value: number, row: number): number {
  if (Number.isFinite(value)) return value;
  throw new MillraceError('REQUEST_INVALID', {
    path: `rows[${row}]`,
    expected: 'features whose prediction is finite',
    received: 'values so large that the model overflows',
    hint: 'Send features within the range of the training data.',
  });
}

/**
 * Turns the model's outputs into one answer a row: binary `{ probability, class }`, multiclass
 * `{ probabilities, class }` (the first of the largest), regression `{ prediction }` (by label where there are several).
 *
 * A binary class is the second one where probability >= threshold (0.5 where the signature has none).
 *
 * @param outputs - `probability` [rows], `probabilities` [rows, classes] or `prediction` [rows] or [rows, targets].
 * @throws ARTIFACT_CORRUPT - outputs that do not fit the signature.
 * @throws REQUEST_INVALID - a row whose prediction is not finite.
 */
export function answersFromOutputs(
  signature: ModelSignature,
  outputs: Readonly<Record<string, TensorValue>>,
  rows: number,
): Answer[] {
  const answers: Answer[] = [];
  const { classes, labels } = signature;
  if (signature.task === 'binary') {
    const data = outputData(outputs, 'probability', rows);
    const threshold = signature.threshold ?? 0.5;
    const [negative = 'false', positive = 'true'] = classes;
    for (let row = 0; row < rows; row++) {
      const probability = finite(data[row]!, row);
      answers.push({ probability, class: probability >= threshold ? positive : negative });
    }
    return answers;
  }
  if (signature.task === 'multiclass') {
    const data = outputData(outputs, 'probabilities', rows * classes.length);
    for (let row = 0; row < rows; row++) {
      const offset = row * classes.length;
      let best = 0;
      const entries = classes.map((name, index): [string, number] => {
        const probability = finite(data[offset + index]!, row);
        if (probability > data[offset + best]!) best = index;
        return [name, probability];
      });
      answers.push({ probabilities: Object.fromEntries(entries), class: classes[best] ?? '' });
    }
    return answers;
  }
  const data = outputData(outputs, 'prediction', rows * labels.length);
  for (let row = 0; row < rows; row++) {
    if (labels.length === 1) answers.push({ prediction: finite(data[row]!, row) });
    else {
      const offset = row * labels.length;
      answers.push({
        prediction: Object.fromEntries(labels.map((label, index) => [label, finite(data[offset + index]!, row)])),
      });
    }
  }
  return answers;
}
