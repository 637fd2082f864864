import { z } from 'zod';
import { defineLayer, type Layer } from './define-layer.js';

const options = z.strictObject({ epsilon: z.number().positive().default(1e-5) });

const layer = defineLayer({
  name: 'layerNorm',
  options,
  trace: (tracer, x, { epsilon }) => {
    const width = [x.shape.at(-1) ?? 1];
    return tracer.apply(
      'layerNorm',
      [x, tracer.parameter('scale', width, { kind: 'ones' }), tracer.parameter('bias', width, { kind: 'zeros' })],
      { epsilon },
    );
  },
});

/**
 * Layer normalization (Ba et al. 2016): (x - mean) / √(variance + epsilon) · scale + bias, the statistics
 * over the last axis of each row (biased variance). Default epsilon: 1e-5, as torch.
 *
 * Shapes: float32 [.., width] to the same.
 */
export function layerNorm(options: { readonly epsilon?: number } = {}): Layer {
  return layer(options);
}
