import { z } from 'zod';
import { defineLayer, type Layer } from './define-layer.js';

const options = z.strictObject({ slope: z.number().default(0.01) });
const layer = defineLayer({
  name: 'leakyRelu',
  options,
  trace: (tracer, x, { slope }) => tracer.apply('leakyRelu', [x], { slope }),
});

/** x where x > 0, else slope · x (Maas et al. 2013). Any shape. Default slope: 0.01, as torch. */
export function leakyRelu(options: { readonly slope?: number } = {}): Layer {
  return layer(options);
}
