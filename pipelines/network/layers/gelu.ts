import { defineLayer, type Layer } from './define-layer.js';

const layer = defineLayer({ name: 'gelu', trace: (tracer, x) => tracer.apply('gelu', [x]) });

/** x Φ(x), Φ the distribution function of the standard normal, exactly by erf (Hendrycks and Gimpel 2016). Any shape. */
export function gelu(): Layer {
  return layer();
}
