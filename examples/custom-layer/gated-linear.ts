import { defineLayer, type Layer } from 'millrace/nn';
import { z } from 'zod';

const layer = defineLayer({
  name: 'gatedLinear',
  options: z.strictObject({ units: z.int().min(1) }),
  trace(tracer, x, { units }) {
    const width = x.shape[1]!;
    const half = (name: string) => {
      const weight = tracer.parameter(`${name}/weight`, [units, width], { kind: 'fanInUniform', axis: 1, gain: 1 });
      const bias = tracer.parameter(`${name}/bias`, [units], { kind: 'zeros' });
      return tracer.apply('linear', [x, weight, bias]);
    };
    return tracer.apply('multiply', [half('value'), tracer.apply('sigmoid', [half('gate')])]);
  },
});

/**
 * A gated linear unit (Dauphin et al. 2017): (x Wᵀ + b) · sigmoid(x Vᵀ + c).
 *
 * Shapes: float32 [batch, width] to [batch, units].
 */
export function gatedLinear(units: number): Layer {
  return layer({ units });
}
