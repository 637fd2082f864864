import { defineLayer, type Layer } from './define-layer.js';

const layer = defineLayer({ name: 'relu', trace: (tracer, x) => tracer.apply('relu', [x]) });

/** max(x, 0) (Nair and Hinton 2010). Any shape. */
export function relu(): Layer {
  return layer();
}
