import { z } from 'zod';
import { defineLayer, type Layer } from './define-layer.js';
import { asLayers, type Network } from './network.js';

const options = z.strictObject({
  branches: z
    .array(
      z.custom<Layer | Network>((value) => typeof value === 'object' && value !== null && 'kind' in value, {
        error: 'layers or networks',
      }),
    )
    .min(1),
});

const layer = defineLayer({
  name: 'concatenate',
  options,
  layers: ({ branches }) =>
    Object.fromEntries(branches.map((branch, index) => [`branches.${index}`, asLayers(branch)])),
  trace: (tracer, x, { branches }, context) => {
    const results = branches.map((branch, index) =>
      context.sequence(asLayers(branch), x, `${context.path}.branches.${index}`),
    );
    return tracer.apply('concat', results, { axis: 1 });
  },
});

/**
 * Gives x to every branch and puts their results side by side (wide and deep: Cheng et al. 2016).
 *
 * Shapes: [batch, width] to [batch, sum of the branches' widths].
 *
 * @param branches - layers, or several in a row as `network(…)`.
 */
export function concatenate(...branches: readonly (Layer | Network)[]): Layer {
  return layer({ branches: [...branches] });
}
