import { defineLayer, type Layer } from './define-layer.js';

const layer = defineLayer({ name: 'sigmoid', trace: (tracer, x) => tracer.apply('sigmoid', [x]) });

/** 1 / (1 + exp(-x)). Any shape. The last layer needs none: output() has its link. */
export function sigmoid(): Layer {
  return layer();
}
