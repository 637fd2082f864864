import { defineLayer, type Layer } from './define-layer.js';

const layer = defineLayer({ name: 'tanh', trace: (tracer, x) => tracer.apply('tanh', [x]) });

/** tanh(x). Any shape. */
export function tanh(): Layer {
  return layer();
}
