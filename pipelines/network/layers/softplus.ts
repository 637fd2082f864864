import { defineLayer, type Layer } from './define-layer.js';

const layer = defineLayer({ name: 'softplus', trace: (tracer, x) => tracer.apply('softplus', [x]) });

/** ln(1 + exp(x)). Any shape. */
export function softplus(): Layer {
  return layer();
}
