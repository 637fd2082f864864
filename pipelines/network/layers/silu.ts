import { defineLayer, type Layer } from './define-layer.js';

const layer = defineLayer({ name: 'silu', trace: (tracer, x) => tracer.apply('silu', [x]) });

/** x sigmoid(x), also called swish (Elfwing et al. 2018). Any shape. */
export function silu(): Layer {
  return layer();
}
