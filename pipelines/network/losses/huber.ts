import { z } from 'zod';
import { defineLoss, type Loss } from './loss.js';

const loss = defineLoss({
  name: 'huber',
  tasks: ['regression'],
  options: z.strictObject({ delta: z.number().positive().default(1) }),
  trace: (tracer, scaled, label, { delta }) => tracer.apply('huberError', [scaled, label], { delta }),
});

/**
 * Huber's loss (1964): r² / 2 where |r| ≤ delta, else delta (|r| - delta / 2), mean over the targets. Torch's HuberLoss.
 *
 * @param options.delta - in units of the label's standard deviation. Default: 1.
 */
export function huber(options: { readonly delta?: number } = {}): Loss<'regression'> {
  return loss(options);
}
