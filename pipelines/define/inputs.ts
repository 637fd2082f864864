/** Inputs: how columns enter a network. One file a kind under `pipelines/network/inputs`. */
export { type Bucketize, type BucketizeOptions, bucketize } from '../network/inputs/bucketize.js';
export { defineInput, type Encoding, type Input, type InputDefinition } from '../network/inputs/define-input.js';
export { type Embed, type EmbedOptions, embed } from '../network/inputs/embed.js';
export { type Log1p, log1p } from '../network/inputs/log1p.js';
export { type MinMax, minMax } from '../network/inputs/min-max.js';
export type { MissingNumbers } from '../network/inputs/missing.js';
export { type OneHot, type OneHotOptions, oneHot } from '../network/inputs/one-hot.js';
export { type Passthrough, passthrough } from '../network/inputs/passthrough.js';
export {
  type PiecewiseLinear,
  type PiecewiseLinearOptions,
  piecewiseLinear,
} from '../network/inputs/piecewise-linear.js';
export { type Standardize, standardize } from '../network/inputs/standardize.js';
