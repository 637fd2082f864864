import { z } from 'zod';
import { MillraceError, throwProblems } from '../contracts/errors.js';
import type { SourceSpec } from '../plan/relation.js';
import type { Column } from '../types/column-type.js';
import type { ColumnsOf } from '../types/type.js';
import { type CsvOptions, csvProblems, csvSchema } from './csv-options.js';
import { datasetValue, declareColumns, undeclaredValue } from './dataset-value.js';
import { describeValue } from './describe-value.js';
import { parseOptions } from './parse-options.js';
import type { AsOptions, Dataset, UndeclaredDataset } from './stage-values.js';

export type { CsvOptions } from './csv-options.js';

/** Columns of files, declared where they are read: with them the dataset needs no `.as(…)`. */
export interface SourceOptions<C> extends AsOptions<C> {
  readonly columns?: C;
}

/** A dataset with the columns that were given, or one that only the files describe. */
export type SourceDataset<C> = [C] extends [never] ? UndeclaredDataset : Dataset<C>;

/**
 * CSV files: a path or glob, relative to the package of the pipeline; `.gz` is read as it is.
 * Without `columns` whole files are sniffed and the schema found is recorded.
 *
 * @throws CONFIG_INVALID - every problem of the options at once, while the pipeline is built.
 * @throws SOURCE_NOT_FOUND, SOURCE_EMPTY, SOURCE_MALFORMED (with file and line), DATA_TYPE - when the run reads it.
 */
export function csv<C extends ColumnsOf<C> = never>(
  path: string,
  options: CsvOptions & SourceOptions<C> = {},
): SourceDataset<C> {
  const parsed = parseOptions(csvSchema, { ...options, columns: undefined, key: undefined }, 'csv');
  throwProblems(csvProblems(parsed, options?.columns));
  return source('csv', path, options, (columns) => ({
    format: 'csv',
    path,
    columns,
    header: parsed.header ?? parsed.names === undefined,
    names: parsed.names ?? null,
    nulls: parsed.nulls,
    trim: parsed.trim,
    lineNumber: parsed.lineNumber,
    delimiter: parsed.delimiter,
  }));
}

/** Parquet files: a path or glob. @throws SOURCE_NOT_FOUND, SOURCE_MALFORMED - when the run reads it. */
export function parquet<C extends ColumnsOf<C> = never>(
  path: string,
  options: SourceOptions<C> = {},
): SourceDataset<C> {
  return declaredSource('parquet', path, options);
}

/** JSON lines (one object a line): a path or glob. @throws SOURCE_NOT_FOUND, SOURCE_MALFORMED - when the run reads it. */
export function json<C extends ColumnsOf<C> = never>(path: string, options: SourceOptions<C> = {}): SourceDataset<C> {
  return declaredSource('json', path, options);
}

/** Arrow IPC files (file or stream format): a path or glob. @throws SOURCE_NOT_FOUND, SOURCE_MALFORMED - when the run reads it. */
export function arrow<C extends ColumnsOf<C> = never>(path: string, options: SourceOptions<C> = {}): SourceDataset<C> {
  return declaredSource('arrow', path, options);
}

const sourceSchema = z.strictObject({ columns: z.unknown().optional(), key: z.unknown().optional() });

function declaredSource<C>(
  format: 'parquet' | 'json' | 'arrow',
  path: string,
  options: SourceOptions<C>,
): SourceDataset<C> {
  parseOptions(sourceSchema, { ...options, columns: undefined, key: undefined }, format);
  return source(format, path, options, (columns) => ({ format, path, columns }));
}

function source<C>(
  name: string,
  path: string,
  options: SourceOptions<C>,
  spec: (columns: readonly Column[] | null) => SourceSpec,
): SourceDataset<C> {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new MillraceError('CONFIG_INVALID', {
      path: `${name}.path`,
      expected: 'a path or glob',
      received: describeValue(path),
    });
  }
  const { columns, key } = options ?? {};
  if (columns !== undefined) {
    const declared = declareColumns(columns, key, name);
    const node = { kind: 'source' as const, source: spec(declared.columns), ...declared };
    return datasetValue<C>(node, declared.columns) as SourceDataset<C>;
  }
  if (key !== undefined) {
    throw new MillraceError('CONFIG_INVALID', {
      path: `${name}.key`,
      expected: 'a key of declared columns',
      received: 'a key without columns',
      hint: 'Give columns, or declare both with .as({ … }, { key }).',
    });
  }
  return undeclaredValue({ kind: 'source', source: spec(null), columns: null, key: [] }) as SourceDataset<C>;
}
