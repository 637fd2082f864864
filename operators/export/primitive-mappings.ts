import type { SlotValue } from '../../pipelines/contracts/training.js';
import type { DType, GraphNode } from '../../pipelines/network/graph.js';
import type { Primitive } from '../../pipelines/network/primitives.js';
import { writeBucketIndex, writeIsMissing, writeLookup, writeWhere } from './encode-mappings.js';
import type { OnnxBuilder } from './onnx-builder.js';
import { elementTypes } from './onnx-tensors.js';

/** What a mapping works with. */
export interface MappingContext {
  readonly builder: OnnxBuilder;
  readonly node: GraphNode;
  /** Names of the inputs' values, in order. */
  readonly inputs: readonly string[];
  /** The nodes that the inputs come from. */
  readonly sources: readonly GraphNode[];
  /** The name that the result takes. */
  readonly target: string;
  /** A name for a value in between: `<target>/<suffix>`. */
  between(suffix: string): string;
  /** What `fit` filled a slot with. */
  slotValue(source: GraphNode): SlotValue;
}

/** A primitive in ONNX: leaves are written from weights and statistics, losses are never exported. */
export type Mapping =
  | { readonly kind: 'leaf' }
  | { readonly kind: 'operator'; readonly write: (context: MappingContext) => string }
  | { readonly kind: 'notExportable'; readonly reason: string };

const leaf: Mapping = { kind: 'leaf' };
const loss: Mapping = { kind: 'notExportable', reason: 'a loss is for training alone' };

function operator(write: (context: MappingContext) => string): Mapping {
  return { kind: 'operator', write };
}

/** One ONNX operator with the same inputs in the same order. */
function direct(op: string): Mapping {
  return operator(({ builder, inputs, target }) => builder.node(op, inputs, target));
}

function numberOf(node: GraphNode, attribute: string): number {
  return node.attributes[attribute] as number;
}

/** Slice's end that means "to the end". */
const toTheEnd = Number.MAX_SAFE_INTEGER;

/** The table: one row a primitive; a missing row does not compile. */
export const primitiveMappings: { readonly [P in Primitive]: Mapping } = {
  input: leaf,
  parameter: leaf,
  buffer: leaf,
  slot: leaf,
  constant: leaf,

  add: direct('Add'),
  subtract: direct('Sub'),
  multiply: direct('Mul'),
  divide: direct('Div'),
  minimum: direct('Min'),
  maximum: direct('Max'),
  sqrt: direct('Sqrt'),
  negate: direct('Neg'),
  abs: direct('Abs'),
  exp: direct('Exp'),
  log: direct('Log'),
  square: operator(({ builder, inputs, target }) => builder.node('Mul', [inputs[0]!, inputs[0]!], target)),
  log1p: operator(({ builder, inputs, target, between }) => {
    const one = builder.constant([], { dtype: 'float64', values: [1] });
    return builder.node('Log', [builder.node('Add', [inputs[0]!, one], between('shifted'))], target);
  }),

  equal: direct('Equal'),
  greater: direct('Greater'),
  greaterOrEqual: direct('GreaterOrEqual'),
  not: direct('Not'),
  where: operator(writeWhere),
  cast: operator(({ builder, node, inputs, target }) =>
    builder.node('Cast', inputs, target, { to: BigInt(elementTypes[node.attributes['to'] as DType]) }),
  ),

  isMissing: operator(writeIsMissing),
  lookup: operator(writeLookup),
  bucketIndex: operator(writeBucketIndex),

  concat: operator(({ builder, node, inputs, target }) =>
    builder.node('Concat', inputs, target, { axis: BigInt(numberOf(node, 'axis')) }),
  ),
  expandDims: operator(({ builder, node, inputs, target }) =>
    builder.node('Unsqueeze', [inputs[0]!, builder.integers([numberOf(node, 'axis')])], target),
  ),
  squeeze: operator(({ builder, node, inputs, target }) =>
    builder.node('Squeeze', [inputs[0]!, builder.integers([numberOf(node, 'axis')])], target),
  ),
  slice: operator(({ builder, node, inputs, target }) => {
    const last = numberOf(node, 'skipLast');
    const bounds = [[numberOf(node, 'skipFirst')], [last === 0 ? toTheEnd : -last], [numberOf(node, 'axis')]];
    return builder.node('Slice', [inputs[0]!, ...bounds.map((bound) => builder.integers(bound))], target);
  }),
  reduceSum: operator(({ builder, node, inputs, target }) =>
    builder.node('ReduceSum', [inputs[0]!, builder.integers([numberOf(node, 'axis')])], target, { keepdims: 0n }),
  ),
  reduceMean: operator(({ builder, node, inputs, target }) =>
    builder.node('ReduceMean', [inputs[0]!, builder.integers([numberOf(node, 'axis')])], target, { keepdims: 0n }),
  ),
  oneHot: operator(({ builder, node, inputs, target }) => {
    const depth = builder.constant([], { dtype: 'int64', values: [BigInt(node.shape.at(-1) as number)] });
    const values = builder.constant([2], { dtype: 'float32', values: [0, 1] });
    return builder.node('OneHot', [inputs[0]!, depth, values], target, { axis: -1n });
  }),

  matmul: direct('MatMul'),
  linear: operator(({ builder, node, inputs, target, between }) => {
    const [x, weight, bias] = inputs as [string, string, string | undefined];
    if (node.shape.length === 2) return builder.node('Gemm', inputs, target, { transB: 1n });
    const transposed = builder.node('Transpose', [weight], between('weight'), { perm: [1n, 0n] });
    if (bias === undefined) return builder.node('MatMul', [x, transposed], target);
    return builder.node('Add', [builder.node('MatMul', [x, transposed], between('product')), bias], target);
  }),
  embedding: operator(({ builder, inputs, target }) =>
    builder.node('Gather', [inputs[1]!, inputs[0]!], target, { axis: 0n }),
  ),

  relu: direct('Relu'),
  leakyRelu: operator(({ builder, node, inputs, target }) =>
    builder.node('LeakyRelu', inputs, target, { alpha: numberOf(node, 'slope') }),
  ),
  elu: operator(({ builder, node, inputs, target }) =>
    builder.node('Elu', inputs, target, { alpha: numberOf(node, 'alpha') }),
  ),
  gelu: operator(({ builder, inputs, target }) => builder.node('Gelu', inputs, target, { approximate: 'none' })),
  silu: operator(({ builder, inputs, target, between }) =>
    builder.node('Mul', [inputs[0]!, builder.node('Sigmoid', inputs, between('gate'))], target),
  ),
  sigmoid: direct('Sigmoid'),
  tanh: direct('Tanh'),
  softplus: direct('Softplus'),
  softmax: operator(({ builder, inputs, target }) => builder.node('Softmax', inputs, target, { axis: -1n })),
  logSoftmax: operator(({ builder, inputs, target }) => builder.node('LogSoftmax', inputs, target, { axis: -1n })),

  dropout: direct('Identity'),
  batchNorm: operator(({ builder, node, inputs, target }) =>
    builder.node('BatchNormalization', inputs, target, { epsilon: numberOf(node, 'epsilon') }),
  ),
  layerNorm: operator(({ builder, node, inputs, target }) =>
    builder.node('LayerNormalization', inputs, target, { axis: -1n, epsilon: numberOf(node, 'epsilon') }),
  ),

  sigmoidCrossEntropy: loss,
  softmaxCrossEntropy: loss,
  squaredError: loss,
  absoluteError: loss,
  huberError: loss,
};
