import { z } from 'zod';
import { MillraceError } from '../../contracts/errors.js';
import { formatShape } from '../graph.js';
import { defineLayer, type Layer } from './define-layer.js';

const options = z.strictObject({
  layers: z
    .array(
      z.custom<Layer>((value) => typeof value === 'object' && value !== null && 'trace' in value, { error: 'layers' }),
    )
    .min(1),
});

const layer = defineLayer({
  name: 'residual',
  options,
  layers: ({ layers }) => ({ layers }),
  trace: (tracer, x, { layers }, context) => {
    const y = context.sequence(layers, x, `${context.path}.layers`);
    if (formatShape(x.shape) !== formatShape(y.shape)) {
      throw new MillraceError('NETWORK_SHAPE', {
        path: context.path,
        expected: `inner layers that keep the shape ${formatShape(x.shape)}`,
        received: formatShape(y.shape),
        hint: 'End them with a dense layer of the width that comes in.',
      });
    }
    return tracer.apply('add', [x, y]);
  },
});

/**
 * x + layers(x): a residual connection (He et al. 2016).
 *
 * Shapes: [batch, width] to the same; the layers inside must keep the width.
 */
export function residual(...layers: readonly Layer[]): Layer {
  return layer({ layers: [...layers] });
}
