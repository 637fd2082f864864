import type { SourceSpec } from '../plan/relation.js';
import type { Column } from '../types/column-type.js';

/** A value bound to `$name` or `?`; it carries its type. Dates are days and timestamps µs since the epoch (UTC). */
export type SqlValue =
  | null
  | boolean
  | number
  | bigint
  | string
  /** A bigint as plans keep it: JSON has none. Bound as BIGINT, or HUGEINT where it does not fit. */
  | { readonly kind: 'bigint'; readonly text: string }
  | { readonly kind: 'date'; readonly iso: string }
  | { readonly kind: 'timestamp'; readonly iso: string }
  | { readonly kind: 'list'; readonly items: readonly SqlValue[] };

export type SqlCell =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly SqlCell[]
  | { readonly [field: string]: SqlCell };
export type SqlRow = Readonly<Record<string, SqlCell>>;

export interface SqlResult {
  readonly columns: readonly Column[];
  readonly rows: readonly SqlRow[];
}

/** Some rows of a result, one array a column, nulls as null. */
export interface SqlBatch {
  readonly rows: number;
  readonly columns: readonly (readonly SqlCell[])[];
}

export interface SqlSessionOptions {
  /** Directories and files that statements may read; everything else on the machine is out of reach. */
  readonly readable: readonly string[];
  /** Directories that COPY may write to. */
  readonly writable: readonly string[];
  /** Default: the engine's. Order-sensitive statements run on one. */
  readonly threads?: number;
  readonly memoryLimitMb?: number;
  readonly signal?: AbortSignal;
}

/** What a statement is, for keys and checks. */
export interface StatementInfo {
  /** The parsed statement without positions, comments and layout: equal for equal meaning. */
  readonly canonical: string;
  /** Names of the functions it calls, lower case. */
  readonly functions: readonly string[];
  /** Names of the tables it reads (not those of its own CTEs). */
  readonly tables: readonly string[];
  /** True where its values depend on the order in which threads finish (facts on float sums, first, arg_max, …). */
  readonly isOrderSensitive: boolean;
  /** What makes it so: `sum`, `row_number OVER`, `ASOF join`, `LIMIT` … `sum` and `avg` only over floats, which the text does not tell. */
  readonly orderSensitive: readonly string[];
  /** Functions in it that give another answer each time: random, now, uuid, … */
  readonly volatileFunctions: readonly string[];
}

/** Files as a table of one session. */
export interface SqlSource {
  /** A SELECT of {@link SqlSource.columns}, in their order; stands where a query may stand. */
  readonly sql: string;
  /** Declared or found columns; found ones may be null. */
  readonly columns: readonly Column[];
  /** True where the files' own types may differ from the declared ones, so that a checked cast must follow. */
  readonly needsCast: boolean;
}

/**
 * A hardened in-memory DuckDB of its own: no network, no extensions, no files but the allowed ones,
 * configuration locked.
 */
export interface SqlSession extends AsyncDisposable {
  /** Runs statements of our own (CREATE VIEW, CREATE MACRO …): never text from a user. */
  execute(sql: string, values?: readonly SqlValue[]): Promise<void>;
  /** For small results: everything in memory. */
  query(sql: string, values?: readonly SqlValue[]): Promise<SqlResult>;
  batches(sql: string, values?: readonly SqlValue[]): AsyncIterable<SqlBatch>;
  /** Names and types of a SELECT's columns, without running it. @throws SQL_INVALID, SQL_UNKNOWN_COLUMN, DATA_TYPE (a type that the table refuses, with the cast to write) */
  describe(sql: string, values?: readonly SqlValue[]): Promise<readonly Column[]>;
  /** Writes a SELECT to one Parquet file (zstd, row groups of 122,880 rows); returns the number of rows. Cancelled by the session's signal. */
  writeParquet(sql: string, target: string, values?: readonly SqlValue[]): Promise<{ readonly rows: number }>;
  /**
   * Makes files readable as a table; CSV without columns is sniffed whole. `files` come from {@link SqlEngine.files}.
   * @throws SOURCE_EMPTY, SOURCE_MALFORMED, DATA_COLUMN_MISSING, DATA_TYPE
   */
  source(spec: SourceSpec, files: readonly string[], path: string): Promise<SqlSource>;
  /** Creates a table of these columns and fills it from memory; returns the number of rows. */
  append(
    table: string,
    columns: readonly Column[],
    batches: AsyncIterable<SqlBatch> | Iterable<SqlBatch>,
  ): Promise<number>;
  /** Interrupts what runs; it ends with CANCELLED. */
  interrupt(): void;
  onProgress(listener: (fraction: number) => void): void;
}

export interface SqlEngine {
  /** "duckdb 1.5.5", part of keys. */
  readonly version: string;
  open(options: SqlSessionOptions): Promise<SqlSession>;
  /**
   * Expands a source's path or glob below `root`: absolute paths, sorted by their text.
   * @throws SOURCE_NOT_FOUND (with the nearest existing name)
   */
  files(source: SourceSpec, root: string, path: string): Promise<readonly string[]>;
  /**
   * Parses text from a user: exactly one SELECT.
   * @throws SQL_INVALID (with line and column), SQL_REFUSED (another statement, several, a forbidden function)
   */
  inspect(sql: string, path: string): Promise<StatementInfo>;
}

/** Quotes an identifier for SQL text. @throws NAME_INVALID - NUL inside */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes a string literal for SQL text. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
