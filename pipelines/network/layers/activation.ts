import { z } from 'zod';
import type { Layer } from './define-layer.js';
import { elu } from './elu.js';
import { gelu } from './gelu.js';
import { leakyRelu } from './leaky-relu.js';
import { relu } from './relu.js';
import { sigmoid } from './sigmoid.js';
import { silu } from './silu.js';
import { softplus } from './softplus.js';
import { tanh } from './tanh.js';

const byName = { relu, leakyRelu, elu, gelu, silu, sigmoid, tanh, softplus };

/** An activation by name, with its default options. */
export type ActivationName = keyof typeof byName;

/** A name, or a layer of its own options: `leakyRelu({ slope: 0.2 })`. */
export type Activation = ActivationName | Layer;

const names = Object.keys(byName) as [ActivationName, ...ActivationName[]];

export const activationSchema = z.custom<Activation>(
  (value) =>
    typeof value === 'string'
      ? names.includes(value as ActivationName)
      : typeof value === 'object' && value !== null && 'trace' in value,
  { error: `one of ${names.join(', ')}, or an activation layer` },
);

export function activationLayer(activation: Activation): Layer {
  return typeof activation === 'string' ? byName[activation]() : activation;
}
