import { z } from 'zod';
import { MillraceError, throwProblems } from '../contracts/errors.js';
import type { SplitSpec } from '../plan/relation.js';
import { attachNode, datasetKinds, nodeOf } from './build-node.js';
import { declaredColumnsOf } from './column-checks.js';
import { describeValue } from './describe-value.js';
import { parseOptions } from './parse-options.js';
import { splitProblems } from './split-checks.js';
import type { Rows, Split } from './stage-values.js';

/** By hash: stable when rows are added. Fractions sum to at most 1; what is left over is in no part. */
export interface HashSplitOptions<C> {
  /** Columns whose equal values stay together. Default: the dataset's key, else all columns. */
  readonly by?: (keyof C & string) | readonly (keyof C & string)[];
  readonly fractions: { readonly train: number; readonly validation: number; readonly test: number };
  readonly seed: number;
  /** A column whose values each get the same fractions. */
  readonly stratify?: keyof C & string;
  readonly time?: never;
  readonly column?: never;
}

/** By time: train before `cuts[0]`, validation before `cuts[1]`, test from there. */
export interface TimeSplitOptions<C> {
  readonly time: keyof C & string;
  /** ISO 8601 dates or times, ascending. */
  readonly cuts: readonly [string, string];
  /** Rows this many hours before each cut are left out. Default 0. */
  readonly purgeHours?: number;
  readonly fractions?: never;
  readonly column?: never;
}

/** By a column that says 'train', 'validation' or 'test'. */
export interface ColumnSplitOptions<C> {
  readonly column: keyof C & string;
  /** Cuts validation out of train by hash, for data sets that come with train and test alone. */
  readonly validation?: {
    readonly fraction: number;
    readonly by?: (keyof C & string) | readonly (keyof C & string)[];
    readonly seed: number;
  };
  readonly fractions?: never;
  readonly time?: never;
}

const fraction = z.number().min(0).max(1);
const names = z
  .union([z.string(), z.array(z.string()).min(1)])
  .transform((value) => (typeof value === 'string' ? [value] : value));
const seed = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);

const hashSchema = z.strictObject({
  by: names.default([]),
  fractions: z.strictObject({ train: fraction, validation: fraction, test: fraction }),
  seed,
  stratify: z.string().nullable().default(null),
});
const timeSchema = z.strictObject({
  time: z.string(),
  cuts: z.tuple([z.string(), z.string()]),
  purgeHours: z.number().min(0).default(0),
});
const columnSchema = z.strictObject({
  column: z.string(),
  validation: z
    .strictObject({ fraction, by: names.default([]), seed })
    .nullable()
    .default(null),
});

/**
 * Says which rows train, validate and test: an expression over the dataset, not a copy.
 *
 * @throws CONFIG_INVALID - with every problem at once; SPLIT_EMPTY - when the run finds a part without rows.
 */
export function split<C>(
  rows: Rows<C>,
  options: HashSplitOptions<C> | TimeSplitOptions<C> | ColumnSplitOptions<C>,
): Split<C> {
  const dataset = nodeOf(rows, datasetKinds, 'split.rows');
  const columns = declaredColumnsOf(dataset, 'split.rows');
  const spec = specOf(options);
  throwProblems(splitProblems(spec, columns));
  return attachNode({ stage: 'split' as const }, { kind: 'split', dataset, spec }) as unknown as Split<C>;
}

function specOf(options: unknown): SplitSpec {
  const given = typeof options === 'object' && options !== null ? options : {};
  if ('time' in given || 'cuts' in given) {
    const { time, cuts, purgeHours } = parseOptions(timeSchema, options, 'split');
    return { kind: 'time', column: time, cuts, purgeHours };
  }
  if ('column' in given) return { kind: 'column', ...parseOptions(columnSchema, options, 'split') };
  if ('fractions' in given || 'by' in given) {
    const { by, fractions, seed: hashSeed, stratify } = parseOptions(hashSchema, options, 'split');
    return { kind: 'hash', by, ...fractions, seed: hashSeed, stratify };
  }
  throw new MillraceError('CONFIG_INVALID', {
    path: 'split',
    expected: '{ fractions, seed }, { time, cuts } or { column }',
    received: given === options ? `the keys ${Object.keys(given).join(', ') || '(none)'}` : describeValue(options),
  });
}
