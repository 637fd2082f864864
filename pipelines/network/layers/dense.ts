import { z } from 'zod';
import { MillraceError } from '../../contracts/errors.js';
import { type Dim, formatShape, type Initializer } from '../graph.js';
import type { Tracer, Value } from '../tracer.js';
import { type Activation, activationLayer, activationSchema } from './activation.js';
import { defineLayer, type Layer } from './define-layer.js';
import { initializerSchema } from './initializer.js';

export interface DenseOptions {
  /** Adds a bias. Default: true. */
  readonly bias?: boolean;
  /** How the weight [units, width] begins. Default: uniform over ±1/√width, as torch's Linear. */
  readonly initializer?: Initializer;
}

const options = z.strictObject({
  units: z.int().min(1).max(1_048_576),
  activation: activationSchema.optional(),
  bias: z.boolean().default(true),
  initializer: initializerSchema.optional(),
});

const layer = defineLayer({
  name: 'dense',
  options,
  layers: ({ activation }) => (activation === undefined ? {} : { activation: [activationLayer(activation)] }),
  trace: (tracer, x, { units, activation, bias, initializer }, context) => {
    const y = traceLinear(tracer, x, units, bias, initializer);
    return activation === undefined
      ? y
      : context.sequence([activationLayer(activation)], y, `${context.path}.activation`);
  },
});

/**
 * A fully connected layer: activation(x Wᵀ + b).
 *
 * Shapes: float32 [batch, width] to [batch, units]; weight [units, width], bias [units].
 * Both begin uniform over ±1/√width, as torch.nn.Linear (Paszke et al. 2019; LeCun et al. 1998).
 */
export function dense(units: number, activation?: Activation, options: DenseOptions = {}): Layer {
  return layer({ units, ...options, ...(activation === undefined ? {} : { activation }) });
}

/** x [.., width] times weight [units, width] transposed, plus bias. */
export function traceLinear(tracer: Tracer, x: Value, units: Dim, bias: boolean, initializer?: Initializer): Value {
  const width = x.shape.at(-1);
  if (width === undefined || x.shape.length < 2 || x.dtype !== 'float32') {
    throw new MillraceError('NETWORK_SHAPE', {
      path: tracer.path('linear'),
      expected: 'float32 of shape [batch, width]',
      received: `${x.dtype} ${formatShape(x.shape)}`,
    });
  }
  const weight = tracer.parameter('weight', [units, width], initializer ?? { kind: 'fanInUniform', axis: 1, gain: 1 });
  if (!bias) return tracer.apply('linear', [x, weight]);
  const of = tracer.path('weight');
  return tracer.apply('linear', [
    x,
    weight,
    tracer.parameter('bias', [units], { kind: 'fanInUniformOf', of, axis: 1, gain: 1 }),
  ]);
}
