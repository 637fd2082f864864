import { z } from 'zod';
import { defineLayer, type Layer } from './define-layer.js';

const options = z.strictObject({ alpha: z.number().default(1) });
const layer = defineLayer({
  name: 'elu',
  options,
  trace: (tracer, x, { alpha }) => tracer.apply('elu', [x], { alpha }),
});

/** x where x > 0, else alpha (exp(x) - 1) (Clevert et al. 2016). Any shape. Default alpha: 1. */
export function elu(options: { readonly alpha?: number } = {}): Layer {
  return layer(options);
}
