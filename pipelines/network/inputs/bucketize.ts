import { z } from 'zod';
import { MillraceError } from '../../contracts/errors.js';
import type { NumberKind } from '../../types/column-type.js';
import { sizeOf } from '../graph.js';
import type { Value } from '../tracer.js';
import type { Categories } from './categories.js';
import { defineInput, type Input } from './define-input.js';
import { widenEmbedding } from './embed.js';
import { numberKinds } from './missing.js';
import { widenOneHot } from './one-hot.js';
import type { RawColumn } from './raw-column.js';

export interface Bucketize extends Input<NumberKind> {}

export interface BucketizeOptions {
  /** Ascending borders: k of them make k + 1 buckets; a border belongs to the bucket above it. */
  readonly edges?: readonly number[];
  /** Buckets between the quantiles of the train split. Give this or `edges`. */
  readonly bins?: number;
  /** A trained vector of this many numbers for each bucket. Default: a column of 0 and 1 for each. */
  readonly embed?: number;
}

const input = defineInput({
  name: 'bucketize',
  kinds: numberKinds,
  options: z.strictObject({
    edges: z.array(z.number()).min(1).max(256).readonly().optional(),
    bins: z.int().min(2).max(1_024).optional(),
    embed: z.int().min(1).max(65_536).optional(),
  }),
  check: ({ edges, bins }, _column, path) => {
    if ((edges === undefined) === (bins === undefined)) {
      return [
        new MillraceError('NETWORK_INVALID', {
          path,
          expected: 'either edges or bins',
          received: edges === undefined ? 'neither' : 'both',
        }),
      ];
    }
    const unordered = edges?.findIndex((edge, index) => index > 0 && !(edge > edges[index - 1]!)) ?? -1;
    if (unordered < 0) return [];
    return [
      new MillraceError('NETWORK_INVALID', {
        path: `${path}.edges.${unordered}`,
        expected: `a number above ${edges![unordered - 1]}`,
        received: String(edges![unordered]),
      }),
    ];
  },
  encode: (raw, { edges, bins, embed }) => {
    const buckets = edges === undefined ? quantileBuckets(raw, bins!) : givenBuckets(raw, edges);
    return embed === undefined ? widenOneHot(buckets) : widenEmbedding(buckets, embed);
  },
});

/**
 * Which bucket a number lies in, as columns of 0 and 1 or as a trained vector. Missing numbers of a nullable column
 * have a bucket of their own.
 *
 * Shapes: [batch] to float32 [batch, buckets] or [batch, embed].
 */
export function bucketize(options: BucketizeOptions): Bucketize {
  return input(options);
}

/** Index 0 is missing where the column is nullable. */
function withMissing(raw: RawColumn, bucket: Value): Value {
  const { tracer } = raw;
  return raw.missing === null
    ? bucket
    : raw.fill(tracer.apply('add', [bucket, tracer.constant(1, 'int64')]), tracer.constant(0, 'int64'));
}

function quantileBuckets(raw: RawColumn, bins: number): Categories {
  const { tracer } = raw;
  const edges = raw.list('bucketEdges', { kind: 'quantiles', bins }, 'float64');
  const bucket = tracer.apply('bucketIndex', [raw.fill(raw.float64(), tracer.constant(0, 'float64')), edges.value]);
  const plus = raw.missing === null ? 1 : 2;
  return { index: withMissing(raw, bucket), size: sizeOf(edges.symbol, plus), symbol: edges.symbol, plus };
}

function givenBuckets(raw: RawColumn, edges: readonly number[]): Categories {
  const { tracer } = raw;
  const x = raw.fill(raw.float64(), tracer.constant(0, 'float64'));
  const steps = edges.map((edge) =>
    raw.cast(tracer.apply('greaterOrEqual', [x, tracer.constant(edge, 'float64')]), 'int64'),
  );
  const plus = edges.length + (raw.missing === null ? 1 : 2);
  return {
    index: withMissing(
      raw,
      steps.reduce((sum, step) => tracer.apply('add', [sum, step])),
    ),
    size: plus,
    symbol: null,
    plus,
  };
}
