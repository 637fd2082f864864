/**
 * `millrace/nn`: inputs, layers and losses of networks.
 *
 * @packageDocumentation
 */
export * from './define/inputs.js';
export type {
  AttributeValue,
  Dim,
  DType,
  FitGraph,
  GraphNode,
  Initializer,
  Statistic,
  TensorGraph,
} from './network/graph.js';
export type { RawColumn } from './network/inputs/raw-column.js';
export type { Activation, ActivationName } from './network/layers/activation.js';
export { type BatchNormOptions, batchNorm } from './network/layers/batch-norm.js';
export { concatenate } from './network/layers/concatenate.js';
export { defineLayer, type Layer, type LayerContext, type LayerDefinition } from './network/layers/define-layer.js';
export { type DenseOptions, dense } from './network/layers/dense.js';
export { dropout } from './network/layers/dropout.js';
export { elu } from './network/layers/elu.js';
export { type EmbeddingOptions, embedding } from './network/layers/embedding.js';
export { gelu } from './network/layers/gelu.js';
export { layerNorm } from './network/layers/layer-norm.js';
export { leakyRelu } from './network/layers/leaky-relu.js';
export { type Network, network } from './network/layers/network.js';
export { output } from './network/layers/output.js';
export { relu } from './network/layers/relu.js';
export { residual } from './network/layers/residual.js';
export { sigmoid } from './network/layers/sigmoid.js';
export { silu } from './network/layers/silu.js';
export { softplus } from './network/layers/softplus.js';
export { tanh } from './network/layers/tanh.js';
export { binaryCrossEntropy } from './network/losses/binary-cross-entropy.js';
export { categoricalCrossEntropy } from './network/losses/categorical-cross-entropy.js';
export type { CrossEntropyOptions } from './network/losses/cross-entropy-options.js';
export { huber } from './network/losses/huber.js';
export { type ClassWeights, defineLoss, type Loss, type LossDefinition } from './network/losses/loss.js';
export { meanAbsoluteError } from './network/losses/mean-absolute-error.js';
export { meanSquaredError } from './network/losses/mean-squared-error.js';
export type { Primitive } from './network/primitives.js';
export type { Tracer, Value } from './network/tracer.js';
