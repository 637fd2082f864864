import { z } from 'zod';
import { defineLoss, type Loss } from './loss.js';

const loss = defineLoss({
  name: 'meanSquaredError',
  tasks: ['regression'],
  options: z.strictObject({}),
  trace: (tracer, scaled, label) => tracer.apply('squaredError', [scaled, label]),
});

/** Mean over the targets of (x - y)², in units of the label's standard deviation. The default of regression. */
export function meanSquaredError(): Loss<'regression'> {
  return loss({});
}
