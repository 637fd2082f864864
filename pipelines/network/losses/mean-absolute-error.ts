import { z } from 'zod';
import { defineLoss, type Loss } from './loss.js';

const loss = defineLoss({
  name: 'meanAbsoluteError',
  tasks: ['regression'],
  options: z.strictObject({}),
  trace: (tracer, scaled, label) => tracer.apply('absoluteError', [scaled, label]),
});

/** Mean over the targets of |x - y|, in units of the label's standard deviation: fits the median. */
export function meanAbsoluteError(): Loss<'regression'> {
  return loss({});
}
