import { MillraceError } from '../contracts/errors.js';
import { type AttributeValue, addDims, type Dim, type DType, dimsEqual, formatShape } from './graph.js';

/** A value in a graph under construction: what a rule sees of a node. */
export interface TypedShape {
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

type Attributes = Readonly<Record<string, AttributeValue>>;

/** One row of the table of primitives. */
export interface Rule {
  /** How many inputs it takes: [least, most]. */
  readonly arity: readonly [number, number];
  /** The region it may live in. Encode primitives have a SQL form; tensor primitives run in ATen. */
  readonly regions: readonly ('encode' | 'tensor')[];
  /** The names of its attributes, all of them required. */
  readonly attributes: readonly string[];
  /** One line on what it computes. */
  readonly formula: string;
  /** dtype and shape of the result; throws NETWORK_SHAPE where the inputs do not fit. */
  readonly infer: (inputs: readonly TypedShape[], attributes: Attributes, path: string) => TypedShape;
}

const both = ['encode', 'tensor'] as const;
const tensorOnly = ['tensor'] as const;
const encodeOnly = ['encode'] as const;

function misfit(path: string, expected: string, received: string, hint?: string): MillraceError {
  return new MillraceError('NETWORK_SHAPE', { path, expected, received, ...(hint === undefined ? {} : { hint }) });
}

/** NumPy's broadcasting rule over symbolic sizes: equal sizes, or one of them 1. */
export function broadcastShapes(a: readonly Dim[], b: readonly Dim[], path: string): Dim[] {
  const ndim = Math.max(a.length, b.length);
  const result: Dim[] = [];
  for (let axis = 0; axis < ndim; axis++) {
    const left = a[a.length - ndim + axis] ?? 1;
    const right = b[b.length - ndim + axis] ?? 1;
    if (left === 1) result.push(right);
    else if (right === 1 || dimsEqual(left, right)) result.push(left);
    else throw misfit(path, 'shapes that broadcast', `${formatShape(a)} and ${formatShape(b)}`);
  }
  return result;
}

function unary(formula: string, regions: Rule['regions'] = tensorOnly, attributes: readonly string[] = []): Rule {
  return { arity: [1, 1], regions, attributes, formula, infer: ([x]) => x! };
}

function binary(formula: string, regions: Rule['regions'] = both): Rule {
  return {
    arity: [2, 2],
    regions,
    attributes: [],
    formula,
    infer: ([a, b], _attributes, path) => {
      if (a!.dtype !== b!.dtype) throw misfit(path, 'two inputs of one dtype', `${a!.dtype} and ${b!.dtype}`);
      return { dtype: a!.dtype, shape: broadcastShapes(a!.shape, b!.shape, path) };
    },
  };
}

function comparison(formula: string): Rule {
  const rule = binary(formula, both);
  return {
    ...rule,
    infer: (inputs, attributes, path) => ({ dtype: 'bool', shape: rule.infer(inputs, attributes, path).shape }),
  };
}

function perRowLoss(formula: string, attributes: readonly string[]): Rule {
  return {
    arity: [2, 2],
    regions: tensorOnly,
    attributes,
    formula,
    infer: ([x, y], _attributes, path) => {
      if (formatShape(x!.shape) !== formatShape(y!.shape)) {
        throw misfit(path, `a target of shape ${formatShape(x!.shape)}`, formatShape(y!.shape));
      }
      return { dtype: x!.dtype, shape: x!.shape.slice(0, 1) };
    },
  };
}

/** Leaves declare their dtype and shape through the tracer, which passes them as the only "input". */
function leaf(formula: string, attributes: readonly string[], regions: Rule['regions'] = both): Rule {
  return { arity: [0, 0], regions, attributes, formula, infer: ([declared]) => declared! };
}

/**
 * The table of primitives. Each has one row here, one short function in `native/graph/primitives.cpp`
 * and one mapping in `operators/export/primitive-mappings.ts`; `scripts/check-primitives.ts` compares the three.
 * "Rows" are entries of the first axis, always `batch`.
 */
const primitives = {
  // leaves
  input: leaf('a raw column (encode) or a named input of a loss graph (tensor)', ['name']),
  parameter: leaf('a trained tensor, shared by name', ['name', 'initializer'], tensorOnly),
  buffer: leaf('running statistics, not trained; starts filled with `fill`', ['name', 'fill'], tensorOnly),
  slot: leaf('a value that `fit` fills in from the train split', ['name']),
  constant: leaf('a scalar', ['value']),

  // arithmetic
  add: binary('a + b'),
  subtract: binary('a - b'),
  multiply: binary('a * b'),
  divide: binary('a / b'),
  minimum: binary('min(a, b)'),
  maximum: binary('max(a, b)'),
  sqrt: unary('sqrt(x)', both),
  negate: unary('-x', both),
  abs: unary('|x|', both),
  exp: unary('exp(x)'),
  log: unary('ln(x)'),
  square: unary('x * x'),
  /** Encode region, float64 only; ln(1 + x) as written, not the library's log1p. */
  log1p: unary('ln(1 + x) in float64', encodeOnly),

  // comparison and choice
  equal: comparison('a = b'),
  greater: comparison('a > b'),
  greaterOrEqual: comparison('a >= b'),
  not: unary('not x', both),
  where: {
    arity: [3, 3],
    regions: both,
    attributes: [],
    formula: 'a where c, else b',
    infer: ([c, a, b], _attributes, path) => {
      if (c!.dtype !== 'bool') throw misfit(path, 'a bool condition', c!.dtype);
      if (a!.dtype !== b!.dtype) throw misfit(path, 'two branches of one dtype', `${a!.dtype} and ${b!.dtype}`);
      return { dtype: a!.dtype, shape: broadcastShapes(c!.shape, broadcastShapes(a!.shape, b!.shape, path), path) };
    },
  },
  cast: {
    arity: [1, 1],
    regions: both,
    attributes: ['to'],
    formula: 'x as dtype `to`; bool becomes 0 or 1',
    infer: ([x], attributes) => ({ dtype: attributes['to'] as DType, shape: x!.shape }),
  },

  // look-ups of the encode region
  isMissing: {
    arity: [1, 1],
    regions: encodeOnly,
    attributes: [],
    formula: "x is NaN (float), '' (string); in SQL NULL as well",
    infer: ([x]) => ({ dtype: 'bool', shape: x!.shape }),
  },
  lookup: {
    arity: [2, 2],
    regions: encodeOnly,
    attributes: ['missing', 'unknown', 'first'],
    formula: 'position of x in the list (from `first`), `missing` where x is missing, else `unknown`',
    infer: ([x, list], _attributes, path) => {
      if (x!.dtype !== list!.dtype) throw misfit(path, `a vocabulary of ${x!.dtype}`, list!.dtype);
      return { dtype: 'int64', shape: x!.shape };
    },
  },
  bucketIndex: {
    arity: [2, 2],
    regions: encodeOnly,
    attributes: [],
    formula: 'number of edges e with x >= e (0 … edges), float64; x is not missing',
    infer: ([x]) => ({ dtype: 'int64', shape: x!.shape }),
  },

  // shape
  concat: {
    arity: [1, Number.POSITIVE_INFINITY],
    regions: tensorOnly,
    attributes: ['axis'],
    formula: 'inputs side by side along `axis`; other sizes equal',
    infer: (inputs, attributes, path) => {
      const axis = attributes['axis'] as number;
      const [first, ...rest] = inputs;
      const shape = [...first!.shape];
      for (const next of rest) {
        if (next.dtype !== first!.dtype) throw misfit(path, `inputs of dtype ${first!.dtype}`, next.dtype);
        const fits =
          next.shape.length === shape.length && next.shape.every((dim, i) => i === axis || dimsEqual(dim, shape[i]!));
        if (!fits)
          throw misfit(
            path,
            `inputs that agree with ${formatShape(first!.shape)} off axis ${axis}`,
            formatShape(next.shape),
          );
        shape[axis] = addDims(shape[axis]!, next.shape[axis]!);
      }
      return { dtype: first!.dtype, shape };
    },
  },
  /** [batch] to [batch, 1]. */
  expandDims: {
    arity: [1, 1],
    regions: tensorOnly,
    attributes: ['axis'],
    formula: 'x with an axis of size 1 put in at `axis`',
    infer: ([x], attributes) => {
      const shape = [...x!.shape];
      shape.splice(attributes['axis'] as number, 0, 1);
      return { dtype: x!.dtype, shape };
    },
  },
  squeeze: {
    arity: [1, 1],
    regions: tensorOnly,
    attributes: ['axis'],
    formula: 'x without its axis `axis`, which has size 1',
    infer: ([x], attributes, path) => {
      const axis = attributes['axis'] as number;
      if (x!.shape[axis] !== 1) throw misfit(path, `size 1 at axis ${axis}`, formatShape(x!.shape));
      return { dtype: x!.dtype, shape: x!.shape.filter((_, i) => i !== axis) };
    },
  },
  slice: {
    arity: [1, 1],
    regions: tensorOnly,
    attributes: ['axis', 'skipFirst', 'skipLast'],
    formula: 'x without its first `skipFirst` and last `skipLast` entries of `axis`',
    infer: ([x], attributes, path) => {
      const axis = attributes['axis'] as number;
      const size = x!.shape[axis];
      if (size === undefined) throw misfit(path, `an input with an axis ${axis}`, formatShape(x!.shape));
      const left = addDims(size, -(attributes['skipFirst'] as number) - (attributes['skipLast'] as number));
      if (typeof left === 'number' && left < 1)
        throw misfit(path, `at least one entry left of axis ${axis}`, String(left));
      return { dtype: x!.dtype, shape: x!.shape.map((dim, i) => (i === axis ? left : dim)) };
    },
  },
  reduceSum: {
    arity: [1, 1],
    regions: tensorOnly,
    attributes: ['axis'],
    formula: 'sum over `axis`, which goes',
    infer: ([x], attributes) => ({
      dtype: x!.dtype,
      shape: x!.shape.filter((_, i) => i !== (attributes['axis'] as number)),
    }),
  },
  reduceMean: {
    arity: [1, 1],
    regions: tensorOnly,
    attributes: ['axis'],
    formula: 'mean over `axis`, which goes',
    infer: ([x], attributes) => ({
      dtype: x!.dtype,
      shape: x!.shape.filter((_, i) => i !== (attributes['axis'] as number)),
    }),
  },
  oneHot: {
    arity: [1, 1],
    regions: tensorOnly,
    /** `depth` is a number or, before sizes are resolved, comes from the declared shape. */
    attributes: ['depthSymbol', 'depthPlus'],
    formula: '[batch] int64 to [batch, size(depthSymbol) + depthPlus] float32 of 0 and 1',
    infer: ([x], attributes) => {
      const symbol = attributes['depthSymbol'] as string | null;
      const plus = attributes['depthPlus'] as number;
      const depth: Dim = symbol === null ? plus : { constant: plus, terms: { [symbol]: 1 } };
      return { dtype: 'float32', shape: [...x!.shape, depth] };
    },
  },

  // products
  matmul: {
    arity: [2, 2],
    regions: tensorOnly,
    attributes: [],
    formula: 'a [.., n, k] times b [k, m]',
    infer: ([a, b], _attributes, path) => {
      const k = a!.shape.at(-1);
      if (k === undefined || b!.shape.length !== 2 || !dimsEqual(k, b!.shape[0]!)) {
        throw misfit(
          path,
          `a right factor of shape [${k === undefined ? 'k' : formatShape([k]).slice(1, -1)}, m]`,
          formatShape(b!.shape),
        );
      }
      return { dtype: a!.dtype, shape: [...a!.shape.slice(0, -1), b!.shape[1]!] };
    },
  },
  linear: {
    arity: [2, 3],
    regions: tensorOnly,
    attributes: [],
    formula: 'x [.., in] times weight [out, in] transposed, plus bias [out] where given',
    infer: ([x, weight, bias], _attributes, path) => {
      const width = x!.shape.at(-1);
      if (width === undefined || x!.shape.length < 2)
        throw misfit(path, 'an input of at least two axes', formatShape(x!.shape));
      if (!dimsEqual(width, weight!.shape[1]!))
        throw misfit(path, `a weight of shape [out, ${formatShape([width]).slice(1, -1)}]`, formatShape(weight!.shape));
      if (bias !== undefined && !dimsEqual(bias.shape[0]!, weight!.shape[0]!))
        throw misfit(
          path,
          `a bias of shape [${formatShape([weight!.shape[0]!]).slice(1, -1)}]`,
          formatShape(bias.shape),
        );
      return { dtype: x!.dtype, shape: [...x!.shape.slice(0, -1), weight!.shape[0]!] };
    },
  },
  embedding: {
    arity: [2, 2],
    regions: tensorOnly,
    attributes: [],
    formula: 'rows of table [n, d] at indices [batch] int64: [batch, d]',
    infer: ([index, table], _attributes, path) => {
      if (index!.dtype !== 'int64') throw misfit(path, 'int64 indices', index!.dtype);
      return { dtype: table!.dtype, shape: [...index!.shape, table!.shape[1]!] };
    },
  },

  // activations
  relu: unary('max(x, 0)'),
  leakyRelu: unary('x where x > 0, else slope * x', tensorOnly, ['slope']),
  elu: unary('x where x > 0, else alpha * (exp(x) - 1)', tensorOnly, ['alpha']),
  gelu: unary('x * Phi(x), Phi the standard normal distribution (exact, by erf)'),
  silu: unary('x * sigmoid(x)'),
  sigmoid: unary('1 / (1 + exp(-x))'),
  tanh: unary('tanh(x)'),
  softplus: unary('ln(1 + exp(x))'),
  softmax: unary('exp(x) / sum(exp(x)) over the last axis'),
  logSoftmax: unary('x - ln(sum(exp(x))) over the last axis'),

  // regularization and normalization
  dropout: unary(
    'training: 0 with probability `rate`, else x / (1 - rate), by (seed, step, row, node); evaluation: x',
    tensorOnly,
    ['rate'],
  ),
  batchNorm: {
    arity: [5, 5],
    regions: tensorOnly,
    attributes: ['epsilon', 'momentum'],
    formula:
      'inputs x [batch, c], scale, bias, running mean, running variance [c]; training: statistics of the shard (biased variance), running = (1 - momentum) * running + momentum * batch (unbiased variance); evaluation: running ones',
    infer: ([x, scale], _attributes, path) => {
      if (x!.shape.length !== 2 || !dimsEqual(x!.shape[1]!, scale!.shape[0]!))
        throw misfit(path, 'an input of shape [batch, channels]', formatShape(x!.shape));
      return x!;
    },
  },
  layerNorm: {
    arity: [3, 3],
    regions: tensorOnly,
    attributes: ['epsilon'],
    formula: 'x normalized over its last axis (biased variance), times scale plus bias',
    infer: ([x]) => x!,
  },

  // losses: one value a row
  sigmoidCrossEntropy: perRowLoss(
    '[batch] logits x, [batch] targets y in [0, 1]; z = y (1 - s) + s / 2, s = smoothing; softplus(x) - x z',
    ['smoothing'],
  ),
  softmaxCrossEntropy: {
    arity: [2, 2],
    regions: tensorOnly,
    attributes: ['smoothing'],
    formula: '[batch, c] logits, [batch] int64 class; -(1 - s) logp[class] - s / c sum(logp), s = smoothing',
    infer: ([x, y], _attributes, path) => {
      if (x!.shape.length !== 2 || y!.dtype !== 'int64')
        throw misfit(
          path,
          'logits [batch, classes] and int64 classes [batch]',
          `${formatShape(x!.shape)} and ${y!.dtype} ${formatShape(y!.shape)}`,
        );
      return { dtype: x!.dtype, shape: x!.shape.slice(0, 1) };
    },
  },
  squaredError: perRowLoss('mean over the targets of (x - y)^2, for [batch, k]', []),
  absoluteError: perRowLoss('mean over the targets of |x - y|, for [batch, k]', []),
  huberError: perRowLoss(
    'mean over the targets of r^2 / 2 where |r| <= delta, else delta (|r| - delta / 2); r = x - y',
    ['delta'],
  ),
} as const satisfies Record<string, Rule>;

export type Primitive = keyof typeof primitives;

/** The table, typed for look-up by any primitive. */
export const primitiveRules: Readonly<Record<Primitive, Rule>> = primitives;
