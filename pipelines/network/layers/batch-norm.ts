import { z } from 'zod';
import { defineLayer, type Layer } from './define-layer.js';

export interface BatchNormOptions {
  /** Added to the variance. Default: 1e-5. */
  readonly epsilon?: number;
  /** How much of a batch's statistics enters the running ones. Default: 0.1. */
  readonly momentum?: number;
}

const options = z.strictObject({
  epsilon: z.number().positive().default(1e-5),
  momentum: z.number().min(0).max(1).default(0.1),
});

const layer = defineLayer({
  name: 'batchNorm',
  options,
  trace: (tracer, x, { epsilon, momentum }) => {
    const channels = [x.shape.at(-1) ?? 1];
    return tracer.apply(
      'batchNorm',
      [
        x,
        tracer.parameter('scale', channels, { kind: 'ones' }),
        tracer.parameter('bias', channels, { kind: 'zeros' }),
        tracer.buffer('mean', channels, 0),
        tracer.buffer('variance', channels, 1),
      ],
      { epsilon, momentum },
    );
  },
});

/**
 * Batch normalization (Ioffe and Szegedy 2015): (x - mean) / √(variance + epsilon) · scale + bias, per column.
 * Training takes the statistics of its gradient shard (biased variance) and moves running ones by
 * `momentum` (unbiased variance); evaluation takes the running ones. Defaults as torch's BatchNorm1d.
 *
 * Shapes: float32 [batch, width] to the same.
 */
export function batchNorm(options: BatchNormOptions = {}): Layer {
  return layer(options);
}
