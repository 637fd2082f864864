import { type CrossEntropyOptions, crossEntropyOptions } from './cross-entropy-options.js';
import { defineLoss, type Loss } from './loss.js';

const loss = defineLoss({
  name: 'binaryCrossEntropy',
  tasks: ['binary'],
  options: crossEntropyOptions,
  classWeights: ({ classWeights }) => classWeights,
  trace: (tracer, logits, label, { labelSmoothing }) =>
    tracer.apply('sigmoidCrossEntropy', [logits, label], { smoothing: labelSmoothing }),
});

/**
 * Cross-entropy of a sigmoid, on logits: softplus(x) - x z, z = y (1 - s) + s / 2, y in {0, 1}. The default of binary tasks.
 * Without smoothing it is torch's BCEWithLogitsLoss.
 */
export function binaryCrossEntropy(options: CrossEntropyOptions = {}): Loss<'binary'> {
  return loss(options);
}
