import { type CrossEntropyOptions, crossEntropyOptions } from './cross-entropy-options.js';
import { defineLoss, type Loss } from './loss.js';

const loss = defineLoss({
  name: 'categoricalCrossEntropy',
  tasks: ['multiclass'],
  options: crossEntropyOptions,
  classWeights: ({ classWeights }) => classWeights,
  trace: (tracer, logits, label, { labelSmoothing }) =>
    tracer.apply('softmaxCrossEntropy', [logits, label], { smoothing: labelSmoothing }),
});

/**
 * Cross-entropy of a softmax, on logits: -(1 - s) log p[class] - s / classes · Σ log p. The default of multiclass tasks.
 * Torch's CrossEntropyLoss with label_smoothing.
 */
export function categoricalCrossEntropy(options: CrossEntropyOptions = {}): Loss<'multiclass'> {
  return loss(options);
}
