import { MillraceError, nearestName, throwProblems } from '../../pipelines/contracts/errors.js';
import { quoteIdentifier } from '../../pipelines/contracts/sql.js';
import type { SplitSpec } from '../../pipelines/plan/relation.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { keyTextSql } from './key-text.js';

export type Part = 'train' | 'validation' | 'test';

export const parts: readonly Part[] = ['train', 'validation', 'test'];

/** What a split needs to know of a dataset. */
export interface SplitDataset {
  readonly columns: readonly Column[];
  /** Empty where none was declared. */
  readonly key: readonly string[];
}

export interface SplitSql {
  /** 'train', 'validation', 'test' or NULL for each row, over the dataset's columns. */
  readonly expression: string;
  /** The same as a number: 1, 2, 3, or 0 for NULL. */
  readonly code: string;
  /** It holds window functions: it may stand in a SELECT list over the whole dataset, in no WHERE, and over no part of the rows. */
  readonly needsWindow: boolean;
}

/** md5 digits that a cut compares: 12 hexadecimal ones, 48 bits. */
const hashRange = 2 ** 48;

/**
 * A split as SQL.
 *
 * By hash: h = md5(seed ':' key text) in lower-case hexadecimal (see {@link keyTextSql}); a row trains where the first
 * 12 digits of h, as a number, are below round(train · 2^48), validates below round((train + validation) · 2^48), and so on.
 * Stratified: u = rank of h among the rows with the same value (from 0, equal h share a rank) · 2^48 / their number.
 *
 * @throws SQL_UNKNOWN_COLUMN - with the nearest name. @throws CONFIG_INVALID - a cut that is no time, or cuts out of order.
 */
export function splitSql(spec: SplitSpec, dataset: SplitDataset): SplitSql {
  checkColumns(spec, dataset);
  switch (spec.kind) {
    case 'hash':
      return hashSplit(spec, dataset);
    case 'time':
      return timeSplit(spec);
    case 'column':
      return columnSplit(spec, dataset);
  }
}

/**
 * The digest that says across runs whether a row has been seen: md5 of the key text of `by` (hash), of entity and time
 * (time: the key and the time column), else of the key; of all columns (less a column that names the part) where there is no key.
 */
export function rowIdentitySql(spec: SplitSpec, dataset: SplitDataset): string {
  checkColumns(spec, dataset);
  return `md5(${keyTextSql(identityColumns(spec, dataset))})`;
}

/** Names of the columns that the split's expression reads. */
export function splitColumns(spec: SplitSpec, dataset: SplitDataset): string[] {
  checkColumns(spec, dataset);
  switch (spec.kind) {
    case 'hash':
      return [
        ...new Set([
          ...hashColumns(spec.by, dataset, []).map((column) => column.name),
          ...(spec.stratify === null ? [] : [spec.stratify]),
        ]),
      ];
    case 'time':
      return [spec.column];
    case 'column':
      return [
        ...new Set([
          spec.column,
          ...(spec.validation === null
            ? []
            : hashColumns(spec.validation.by, dataset, [spec.column]).map((column) => column.name)),
        ]),
      ];
  }
}

/** Names of the columns that {@link rowIdentitySql} reads. */
export function rowIdentityColumns(spec: SplitSpec, dataset: SplitDataset): string[] {
  return identityColumns(spec, dataset).map((column) => column.name);
}

function identityColumns(spec: SplitSpec, dataset: SplitDataset): readonly Column[] {
  switch (spec.kind) {
    case 'hash':
      return hashColumns(spec.by, dataset, []);
    case 'time':
      return dataset.key.length === 0
        ? dataset.columns
        : columnsNamed([...new Set([...dataset.key, spec.column])], dataset);
    case 'column':
      return hashColumns([], dataset, [spec.column]);
  }
}

function columnsNamed(names: readonly string[], dataset: SplitDataset): Column[] {
  return names.map((name) => dataset.columns.find((column) => column.name === name)!);
}

/** `by`, else the key, else all columns but those that only say which part a row is in. */
function hashColumns(by: readonly string[], dataset: SplitDataset, without: readonly string[]): readonly Column[] {
  if (by.length > 0) return columnsNamed(by, dataset);
  if (dataset.key.length > 0) return columnsNamed(dataset.key, dataset);
  const rest = dataset.columns.filter((column) => !without.includes(column.name));
  return rest.length > 0 ? rest : dataset.columns;
}

function hashSql(seed: number, columns: readonly Column[]): string {
  return `md5('${seed}:' || ${keyTextSql(columns)})`;
}

/** The cut of a cumulated fraction, in 1 / 2^48; rounded, so that 0.7 + 0.2 + 0.1 leaves no row out. */
function cutOf(fraction: number): number {
  return Math.min(hashRange, Math.round(fraction * hashRange));
}

/** True (as 1) where the hash is at or above the cut. Texts compare as the numbers they spell; the digits behind the 12th change nothing. */
function reaches(hash: string, cut: number): string {
  return cut >= hashRange ? '0' : `(${hash} >= '${cut.toString(16).padStart(12, '0')}')::INTEGER`;
}

/** `steps` counts the cuts that a row reaches: 0 trains, 1 validates, 2 tests, 3 is left out. Sums let DuckDB compute the hash once. */
function fromSteps(steps: readonly string[], needsWindow: boolean): SplitSql {
  const index = `1 + ${steps.join(' + ')}`;
  return { expression: `['train', 'validation', 'test'][${index}]`, code: `(${index}) % 4`, needsWindow };
}

function hashSplit(spec: Extract<SplitSpec, { kind: 'hash' }>, dataset: SplitDataset): SplitSql {
  const cuts = [spec.train, spec.train + spec.validation, spec.train + spec.validation + spec.test].map(cutOf);
  const hash = hashSql(spec.seed, hashColumns(spec.by, dataset, []));
  if (spec.stratify === null)
    return fromSteps(
      cuts.map((cut) => reaches(hash, cut)),
      false,
    );
  const stratum = quoteIdentifier(spec.stratify);
  const rank = `(rank() OVER (PARTITION BY ${stratum} ORDER BY ${hash}) - 1)::HUGEINT * ${hashRange}`;
  const rows = `(count(*) OVER (PARTITION BY ${stratum}))::HUGEINT`;
  return fromSteps(
    cuts.map((cut) => (cut >= hashRange ? '0' : `(${rank} >= ${rows} * ${cut})::INTEGER`)),
    true,
  );
}

function timeSplit(spec: Extract<SplitSpec, { kind: 'time' }>): SplitSql {
  const [first, second] = spec.cuts.map((cut, index) => cutTime(cut, `split.cuts.${index}`));
  if (first! >= second!) {
    throw new MillraceError('CONFIG_INVALID', {
      path: 'split.cuts',
      expected: 'two times in ascending order',
      received: spec.cuts.map((cut) => `'${cut}'`).join(' and '),
    });
  }
  const purge = Math.round(spec.purgeHours * 3_600_000);
  const column = `epoch_us(CAST(${quoteIdentifier(spec.column)} AS TIMESTAMP))`;
  const at = (ms: number) => `${column} < ${BigInt(ms) * 1000n}`;
  const arms = (train: string, validation: string, test: string, none: string) =>
    `CASE WHEN ${at(first! - purge)} THEN ${train} WHEN ${at(first!)} THEN ${none} WHEN ${at(second! - purge)} THEN ${validation} WHEN ${at(second!)} THEN ${none} WHEN ${column} IS NOT NULL THEN ${test} ELSE ${none} END`;
  return {
    expression: arms("'train'", "'validation'", "'test'", 'NULL'),
    code: arms('1', '2', '3', '0'),
    needsWindow: false,
  };
}

/** ms since the epoch; a text without a zone is UTC. */
function cutTime(text: string, path: string): number {
  const iso = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?)?(Z|[+-]\d{2}:\d{2})?$/.exec(text);
  const zoned =
    iso === null
      ? ''
      : iso[1] === undefined
        ? `${text.slice(0, 10)}T00:00Z`
        : `${text.replace(' ', 'T')}${iso[4] === undefined ? 'Z' : ''}`;
  const ms = Date.parse(zoned);
  if (Number.isNaN(ms))
    throw new MillraceError('CONFIG_INVALID', { path, expected: 'a date or time as ISO 8601', received: `'${text}'` });
  return ms;
}

function columnSplit(spec: Extract<SplitSpec, { kind: 'column' }>, dataset: SplitDataset): SplitSql {
  const column = `CAST(${quoteIdentifier(spec.column)} AS VARCHAR)`;
  const arms = (train: string, validation: string, test: string, none: string) =>
    `CASE ${column} WHEN 'train' THEN ${train} WHEN 'validation' THEN ${validation} WHEN 'test' THEN ${test} ELSE ${none} END`;
  if (spec.validation === null)
    return {
      expression: arms("'train'", "'validation'", "'test'", 'NULL'),
      code: arms('1', '2', '3', '0'),
      needsWindow: false,
    };
  const hash = hashSql(spec.validation.seed, hashColumns(spec.validation.by, dataset, [spec.column]));
  const step = reaches(hash, cutOf(spec.validation.fraction));
  return {
    expression: arms(`['validation', 'train'][1 + ${step}]`, "'validation'", "'test'", 'NULL'),
    code: arms(`2 - ${step}`, '2', '3', '0'),
    needsWindow: false,
  };
}

function checkColumns(spec: SplitSpec, dataset: SplitDataset): void {
  const named: [path: string, name: string][] = [];
  if (spec.kind === 'hash') {
    named.push(...spec.by.map((name, index): [string, string] => [`split.by.${index}`, name]));
    if (spec.stratify !== null) named.push(['split.stratify', spec.stratify]);
  } else {
    named.push(['split.column', spec.column]);
    if (spec.kind === 'column' && spec.validation !== null)
      named.push(...spec.validation.by.map((name, index): [string, string] => [`split.validation.by.${index}`, name]));
  }
  const known = dataset.columns.map((column) => column.name);
  const problems = named
    .filter(([, name]) => !known.includes(name))
    .map(([path, name]) => {
      const nearest = nearestName(name, known);
      return new MillraceError('SQL_UNKNOWN_COLUMN', {
        path,
        expected: 'a column of the dataset',
        received: `'${name}'`,
        hint: nearest === null ? `It has ${known.join(', ')}.` : `Did you mean '${nearest}'?`,
      });
    });
  if (spec.kind === 'time' && problems.length === 0) {
    const { type } = dataset.columns.find((column) => column.name === spec.column)!;
    if (type.kind !== 'timestamp' && type.kind !== 'date') {
      problems.push(
        new MillraceError('CONFIG_INVALID', {
          path: 'split.column',
          expected: 'a column of type timestamp or date',
          received: `'${spec.column}' of type ${type.kind}`,
          hint: 'Cast it in the SQL that makes the dataset.',
        }),
      );
    }
  }
  throwProblems(problems);
}
