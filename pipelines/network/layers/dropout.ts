import { z } from 'zod';
import { defineLayer, type Layer } from './define-layer.js';

const options = z.strictObject({ rate: z.number().min(0).lt(1) });
const layer = defineLayer({
  name: 'dropout',
  options,
  trace: (tracer, x, { rate }) => (rate === 0 ? x : tracer.apply('dropout', [x], { rate })),
});

/**
 * While training, each value is 0 with probability `rate`, else x / (1 - rate); x otherwise (Srivastava et al. 2014).
 * Which values are dropped is a function of seed, step, row and layer. Any shape.
 *
 * @param rate - from 0 up to but not including 1.
 */
export function dropout(rate: number): Layer {
  return layer({ rate });
}
