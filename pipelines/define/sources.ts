import { z } from 'zod';
import { MillraceError } from '../contracts/errors.js';
import type { SourceSpec } from '../plan/relation.js';
import type { Column } from '../types/column-type.js';
import type { ColumnsOf } from '../types/type.js';
import { datasetValue, declareColumns, undeclaredValue } from './dataset-value.js';
import { parseOptions } from './parse-options.js';
import type { AsOptions, Dataset, UndeclaredDataset } from './stage-values.js';

/** Options of {@link csv}. */
export interface CsvOptions {
  /** Does the first line name the columns? Default true, or false where `names` are given. */
  readonly header?: boolean;
  /** Column names for files without a header. */
  readonly names?: readonly string[];
  /** Words that mean NULL, besides the empty field: `['?', 'NA']`. Default none. */
  readonly nulls?: readonly string[];
  /** Strip white space around every field. Default false. */
  readonly trim?: boolean;
  /** Adds a column of this name (int64) with the line number, from 1, the header counted. */
  readonly lineNumber?: string;
  /** One character. Default ','. */
  readonly delimiter?: string;
}

const csvSchema = z.strictObject({
  header: z.boolean().optional(),
  names: z.array(z.string().min(1)).min(1).optional(),
  nulls: z.array(z.string()).default([]),
  trim: z.boolean().default(false),
  lineNumber: z.string().min(1).nullable().default(null),
  delimiter: z.string().length(1).default(','),
});

/**
 * CSV files: a path or glob, relative to the package of the pipeline; `.gz` is read as it is.
 * Without `columns` whole files are sniffed and the schema found is recorded.
 *
 * @throws SOURCE_NOT_FOUND, SOURCE_EMPTY, SOURCE_MALFORMED (with file and line), DATA_TYPE - when the run reads it.
 */
export function csv(path: string, options?: CsvOptions): UndeclaredDataset;
export function csv<C extends ColumnsOf<C>>(path: string, options: CsvOptions & { readonly columns: C } & AsOptions<C>): Dataset<C>;
export function csv<C extends ColumnsOf<C>>(
  path: string,
  options: CsvOptions & { readonly columns?: C } & AsOptions<C> = {},
): UndeclaredDataset | Dataset<C> {
  const { columns, key, ...rest } = options;
  const parsed = parseOptions(csvSchema, rest, 'csv');
  if (parsed.header === true && parsed.names !== undefined) {
    throw new MillraceError('CONFIG_INVALID', { path: 'csv.names', expected: 'a header or names', received: 'both', hint: 'Remove one of the two.' });
  }
  return source<C>(
    path,
    columns,
    key,
    (declared) => ({
      format: 'csv',
      path,
      columns: declared,
      header: parsed.header ?? parsed.names === undefined,
      names: parsed.names ?? null,
      nulls: parsed.nulls,
      trim: parsed.trim,
      lineNumber: parsed.lineNumber,
      delimiter: parsed.delimiter,
    }),
    'csv',
  );
}

/** Parquet files: a path or glob. @throws SOURCE_NOT_FOUND, SOURCE_MALFORMED - when the run reads it. */
export function parquet(path: string): UndeclaredDataset;
export function parquet<C extends ColumnsOf<C>>(path: string, options: { readonly columns: C } & AsOptions<C>): Dataset<C>;
export function parquet<C extends ColumnsOf<C>>(path: string, options: { readonly columns?: C } & AsOptions<C> = {}): UndeclaredDataset | Dataset<C> {
  return source<C>(path, options.columns, options.key, (columns) => ({ format: 'parquet', path, columns }), 'parquet');
}

/** JSON lines (one object a line): a path or glob. @throws SOURCE_NOT_FOUND, SOURCE_MALFORMED - when the run reads it. */
export function json(path: string): UndeclaredDataset;
export function json<C extends ColumnsOf<C>>(path: string, options: { readonly columns: C } & AsOptions<C>): Dataset<C>;
export function json<C extends ColumnsOf<C>>(path: string, options: { readonly columns?: C } & AsOptions<C> = {}): UndeclaredDataset | Dataset<C> {
  return source<C>(path, options.columns, options.key, (columns) => ({ format: 'json', path, columns }), 'json');
}

/** Arrow IPC files (file or stream format): a path or glob. @throws SOURCE_NOT_FOUND, SOURCE_MALFORMED - when the run reads it. */
export function arrow(path: string): UndeclaredDataset;
export function arrow<C extends ColumnsOf<C>>(path: string, options: { readonly columns: C } & AsOptions<C>): Dataset<C>;
export function arrow<C extends ColumnsOf<C>>(path: string, options: { readonly columns?: C } & AsOptions<C> = {}): UndeclaredDataset | Dataset<C> {
  return source<C>(path, options.columns, options.key, (columns) => ({ format: 'arrow', path, columns }), 'arrow');
}

function source<C extends ColumnsOf<C>>(
  path: string,
  columns: C | undefined,
  key: AsOptions<C>['key'],
  spec: (columns: readonly Column[] | null) => SourceSpec,
  name: string,
): UndeclaredDataset | Dataset<C> {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new MillraceError('CONFIG_INVALID', { path: `${name}.path`, expected: 'a path or glob', received: typeof path === 'string' ? `'${path.replaceAll('\0', '\\0')}'` : `a ${typeof path}` });
  }
  if (columns === undefined) return undeclaredValue({ kind: 'source', source: spec(null), columns: null, key: [] });
  const declared = declareColumns(columns as Readonly<Record<string, unknown>>, key ?? [], name);
  return datasetValue<C>({ kind: 'source', source: spec(declared.columns), ...declared }, declared.columns);
}
