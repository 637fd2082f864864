import { defineLayer, type Layer } from './define-layer.js';
import { traceLinear } from './dense.js';

const layer = defineLayer({
  name: 'output',
  trace: (tracer, x, _options, context) => traceLinear(tracer, x, context.outputWidth, true),
});

/**
 * The last layer: dense, with width and link from the label. Binary: one logit and sigmoid; multiclass: a logit a
 * class and softmax; regression: a scaled value a target, put back into the label's units.
 *
 * Shapes: float32 [batch, width] to [batch, 1 | classes | targets].
 */
export function output(): Layer {
  return layer();
}
