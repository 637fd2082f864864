import { z } from 'zod';
import { MillraceError, nearestName, throwProblems } from '../contracts/errors.js';
import type { SplitSpec } from '../plan/relation.js';
import type { Column } from '../types/column-type.js';
import { attachNode, datasetKinds, nodeOf } from './build-node.js';
import { parseOptions } from './parse-options.js';
import type { Rows, Split } from './stage-values.js';

/** By hash: stable when rows are added. Fractions sum to at most 1; what is left over is in no part. */
export interface HashSplitOptions<C> {
  /** Columns whose equal values stay together. Default: the dataset's key, else all columns. */
  readonly by?: (keyof C & string) | readonly (keyof C & string)[];
  readonly fractions: { readonly train: number; readonly validation: number; readonly test: number };
  readonly seed: number;
  /** A column whose values each get the same fractions. */
  readonly stratify?: keyof C & string;
}

/** By time: train before `cuts[0]`, validation before `cuts[1]`, test from there. */
export interface TimeSplitOptions<C> {
  readonly time: keyof C & string;
  /** ISO 8601 dates or times, ascending. */
  readonly cuts: readonly [string, string];
  /** Rows this many hours before each cut are left out. Default 0. */
  readonly purgeHours?: number;
}

/** By a column that says 'train', 'validation' or 'test'. */
export interface ColumnSplitOptions<C> {
  readonly column: keyof C & string;
  /** Cuts validation out of train by hash, for data sets that come with train and test alone. */
  readonly validation?: { readonly fraction: number; readonly by?: (keyof C & string) | readonly (keyof C & string)[]; readonly seed: number };
}

const fraction = z.number().min(0).max(1);
const names = z.union([z.string(), z.array(z.string())]).transform((value) => (typeof value === 'string' ? [value] : value));
const seed = z.int().min(0).max(2 ** 31 - 1);

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
  validation: z.strictObject({ fraction, by: names.default([]), seed }).nullable().default(null),
});

/**
 * Says which rows train, validate and test: an expression over the dataset, not a copy.
 *
 * @throws CONFIG_INVALID - with every problem at once; SPLIT_EMPTY - when the run finds a part without rows.
 */
export function split<C>(rows: Rows<C>, options: HashSplitOptions<C> | TimeSplitOptions<C> | ColumnSplitOptions<C>): Split<C> {
  const dataset = nodeOf(rows, datasetKinds, 'split.rows');
  if (dataset.columns === null) {
    throw new MillraceError('PIPELINE_INVALID', { path: 'split.rows', expected: 'a dataset with declared columns', received: 'an undeclared one', hint: 'Declare them with .as({ … }).' });
  }
  const spec = specOf(options as unknown as Readonly<Record<string, unknown>>);
  checkSpec(spec, dataset.columns);
  return attachNode({ stage: 'split' as const }, { kind: 'split', dataset, spec }) as unknown as Split<C>;
}

function specOf(options: Readonly<Record<string, unknown>>): SplitSpec {
  if (options === null || typeof options !== 'object') parseOptions(hashSchema, options, 'split');
  if ('time' in options || 'cuts' in options) {
    const { time, cuts, purgeHours } = parseOptions(timeSchema, options, 'split');
    return { kind: 'time', column: time, cuts, purgeHours };
  }
  if ('column' in options) return { kind: 'column', ...parseOptions(columnSchema, options, 'split') };
  const { by, fractions, seed: splitSeed, stratify } = parseOptions(hashSchema, options, 'split');
  return { kind: 'hash', by, ...fractions, seed: splitSeed, stratify };
}

function checkSpec(spec: SplitSpec, columns: readonly Column[]): void {
  const problems: MillraceError[] = [];
  const known = columns.map((column) => column.name);
  const check = (name: string, path: string): void => {
    if (known.includes(name)) return;
    const nearest = nearestName(name, known);
    problems.push(
      new MillraceError('CONFIG_INVALID', { path, expected: `a column of the dataset (${known.join(', ')})`, received: `'${name}'`, ...(nearest === null ? {} : { hint: `Did you mean '${nearest}'?` }) }),
    );
  };
  if (spec.kind === 'hash') {
    spec.by.forEach((name) => {
      check(name, 'split.by');
    });
    if (spec.stratify !== null) check(spec.stratify, 'split.stratify');
    const sum = spec.train + spec.validation + spec.test;
    if (sum > 1 + 1e-9) problems.push(new MillraceError('CONFIG_INVALID', { path: 'split.fractions', expected: 'fractions that sum to at most 1', received: String(Number(sum.toFixed(6))) }));
    for (const part of ['train', 'validation', 'test'] as const) {
      if (spec[part] === 0) problems.push(new MillraceError('CONFIG_INVALID', { path: `split.fractions.${part}`, expected: 'more than 0', received: '0' }));
    }
  } else if (spec.kind === 'time') {
    check(spec.column, 'split.time');
    const type = columns.find((column) => column.name === spec.column)?.type.kind;
    if (type !== undefined && type !== 'date' && type !== 'timestamp') problems.push(new MillraceError('CONFIG_INVALID', { path: 'split.time', expected: 'a date or timestamp column', received: `'${spec.column}', which is ${type}` }));
    const times = spec.cuts.map((cut, index) => {
      const isTime = z.union([z.iso.date(), z.iso.datetime({ offset: true })]).safeParse(cut).success;
      if (!isTime) problems.push(new MillraceError('CONFIG_INVALID', { path: `split.cuts.${index}`, expected: 'a date as YYYY-MM-DD or a time as ISO 8601 with a zone', received: `'${cut}'` }));
      return Date.parse(cut);
    });
    if (times[0]! >= times[1]!) problems.push(new MillraceError('CONFIG_INVALID', { path: 'split.cuts', expected: 'ascending cuts', received: `'${spec.cuts[0]}' and '${spec.cuts[1]}'` }));
  } else {
    check(spec.column, 'split.column');
    spec.validation?.by.forEach((name) => {
      check(name, 'split.validation.by');
    });
    if (spec.validation !== null && (spec.validation.fraction <= 0 || spec.validation.fraction >= 1)) {
      problems.push(new MillraceError('CONFIG_INVALID', { path: 'split.validation.fraction', expected: 'a number between 0 and 1', received: String(spec.validation.fraction) }));
    }
  }
  throwProblems(problems);
}
