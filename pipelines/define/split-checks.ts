import { z } from 'zod';
import { MillraceError } from '../contracts/errors.js';
import type { SplitSpec } from '../plan/relation.js';
import type { Column } from '../types/column-type.js';
import { unknownColumn } from './column-checks.js';

/** What is wrong with a split over these columns. */
export function splitProblems(spec: SplitSpec, columns: readonly Column[]): readonly MillraceError[] {
  switch (spec.kind) {
    case 'hash':
      return hashProblems(spec, columns);
    case 'time':
      return timeProblems(spec, columns);
    case 'column':
      return columnProblems(spec, columns);
  }
}

function hashProblems(
  spec: Extract<SplitSpec, { kind: 'hash' }>,
  columns: readonly Column[],
): readonly MillraceError[] {
  const problems = spec.by.flatMap((name) => unknownColumn(name, columns, 'split.by'));
  if (spec.stratify !== null) problems.push(...unknownColumn(spec.stratify, columns, 'split.stratify'));
  const sum = spec.train + spec.validation + spec.test;
  if (sum > 1 + 1e-9) {
    problems.push(config('split.fractions', 'fractions that sum to at most 1', String(Number(sum.toFixed(6)))));
  }
  for (const part of ['train', 'validation', 'test'] as const) {
    if (spec[part] === 0) problems.push(config(`split.fractions.${part}`, 'more than 0', '0'));
  }
  return problems;
}

/** No finer than the milliseconds that rows are compared in. */
const cutSchema = z.union([z.iso.date(), z.iso.datetime({ offset: true }).regex(/^[^.]*(\.\d{1,3}\D.*)?$/)]);

function timeProblems(
  spec: Extract<SplitSpec, { kind: 'time' }>,
  columns: readonly Column[],
): readonly MillraceError[] {
  const problems = [...unknownColumn(spec.column, columns, 'split.time')];
  const kind = columns.find((column) => column.name === spec.column)?.type.kind;
  if (kind !== undefined && kind !== 'date' && kind !== 'timestamp') {
    problems.push(config('split.time', 'a date or timestamp column', `'${spec.column}', which is ${kind}`));
  }
  const wrong = spec.cuts.flatMap((cut, index) =>
    cutSchema.safeParse(cut).success
      ? []
      : [
          config(
            `split.cuts.${index}`,
            'a date as YYYY-MM-DD or a time as ISO 8601 with a zone, to the millisecond',
            `'${cut}'`,
          ),
        ],
  );
  const [first, second] = spec.cuts;
  if (wrong.length === 0 && Date.parse(first) >= Date.parse(second)) {
    problems.push(config('split.cuts', 'ascending cuts', `'${first}' and '${second}'`));
  }
  return [...problems, ...wrong];
}

function columnProblems(
  spec: Extract<SplitSpec, { kind: 'column' }>,
  columns: readonly Column[],
): readonly MillraceError[] {
  const problems = [...unknownColumn(spec.column, columns, 'split.column')];
  const kind = columns.find((column) => column.name === spec.column)?.type.kind;
  if (kind !== undefined && kind !== 'string') {
    problems.push(
      config(
        'split.column',
        'a string column that says train, validation or test',
        `'${spec.column}', which is ${kind}`,
      ),
    );
  }
  if (spec.validation === null) return problems;
  const { by, fraction } = spec.validation;
  problems.push(...by.flatMap((name) => unknownColumn(name, columns, 'split.validation.by')));
  if (fraction <= 0 || fraction >= 1) {
    problems.push(config('split.validation.fraction', 'a number between 0 and 1', String(fraction)));
  }
  return problems;
}

function config(path: string, expected: string, received: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', { path, expected, received });
}
