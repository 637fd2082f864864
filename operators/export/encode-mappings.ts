import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { MappingContext } from './primitive-mappings.js';

/** onnxruntime's Where has no kernel for bool branches: (c and a) or (not c and b). */
export function writeWhere({ builder, node, inputs, target, between }: MappingContext): string {
  if (node.dtype !== 'bool') return builder.node('Where', inputs, target);
  const [condition, a, b] = inputs as [string, string, string];
  const chosen = builder.node('And', [condition, a], between('chosen'));
  const inverse = builder.node('Not', [condition], between('not'));
  return builder.node('Or', [chosen, builder.node('And', [inverse, b], between('other'))], target);
}

/** NaN for floats, '' for strings; whole numbers and bools are never missing. */
export function writeIsMissing({ builder, sources, inputs, target, between }: MappingContext): string {
  const x = inputs[0]!;
  switch (sources[0]!.dtype) {
    case 'float32':
    case 'float64':
      return builder.node('IsNaN', [x], target);
    case 'string':
      return builder.node('Equal', [x, builder.constant([], { dtype: 'string', values: [''] })], target);
    default:
      return builder.node('Not', [builder.node('Equal', [x, x], between('itself'))], target);
  }
}

/** LabelEncoder with the vocabulary as keys, and '' as a further key for a missing string. */
export function writeLookup({ builder, node, sources, inputs, target, slotValue, between }: MappingContext): string {
  const [missing, unknown, first] = ['missing', 'unknown', 'first'].map((name) =>
    BigInt(node.attributes[name] as number),
  ) as [bigint, bigint, bigint];
  const list = slotValue(sources[1]!);
  const indices = Array.from({ length: list.values.length }, (_, index) => first + BigInt(index));
  if (list.dtype === 'string') {
    return builder.node('ml:LabelEncoder', [inputs[0]!], target, {
      keys_strings: ['', ...list.values],
      values_int64s: [missing, ...indices],
      default_int64: unknown,
    });
  }
  if (list.dtype === 'int64') {
    // An attribute cannot be an empty list: an empty vocabulary gets one key that leads to `unknown`.
    const keys = list.values.length === 0 ? [0n] : list.values.map(BigInt);
    const values = list.values.length === 0 ? [unknown] : indices;
    return builder.node('ml:LabelEncoder', [inputs[0]!], target, {
      keys_int64s: keys,
      values_int64s: values,
      default_int64: unknown,
    });
  }
  throw new MillraceError('GRAPH_NOT_EXPORTABLE', {
    path: between('list'),
    expected: 'a vocabulary of strings or whole numbers',
    received: list.dtype,
    hint: 'Cast the column to int64 before the look-up.',
  });
}

/** The number of edges that are not above x: [batch, 1] against [edges], summed. */
export function writeBucketIndex({ builder, inputs, target, between }: MappingContext): string {
  const column = builder.node('Unsqueeze', [inputs[0]!, builder.integers([1])], between('column'));
  const reached = builder.node('GreaterOrEqual', [column, inputs[1]!], between('reached'));
  const ones = builder.node('Cast', [reached], between('ones'), { to: 7n });
  return builder.node('ReduceSum', [ones, builder.integers([1])], target, { keepdims: 0n });
}
