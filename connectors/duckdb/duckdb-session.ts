import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  type DuckDBConnection,
  DuckDBDataChunk,
  type DuckDBInstance,
  type DuckDBPreparedStatement,
  type DuckDBResult,
} from '@duckdb/node-api';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import {
  quoteIdentifier,
  quoteLiteral,
  type SqlBatch,
  type SqlCell,
  type SqlResult,
  type SqlRow,
  type SqlSession,
  type SqlSource,
  type SqlValue,
} from '../../pipelines/contracts/sql.js';
import type { SourceSpec } from '../../pipelines/plan/relation.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { duckdbType, typeFromDuckdb } from '../../pipelines/types/type-table.js';
import { openSource } from '../files/open-source.js';
import { bindValues, cellFromDuckdb, duckdbFromCell } from './cells.js';
import { cancelled, mapDuckdbError } from './duckdb-errors.js';

const interruptEveryMs = 20;
const progressEveryMs = 200;
/** DuckDB's vector size: the most rows that one data chunk holds. */
const chunkRows = 2048;

export interface SessionResources {
  readonly instance: DuckDBInstance;
  /** The first connection; it reports progress. */
  readonly connection: DuckDBConnection;
  /** Called when its last statement has ended, before its memory is given back. */
  readonly ending: () => void;
  /** Removes what the session alone owns. */
  readonly release: () => Promise<void>;
  readonly signal: AbortSignal | undefined;
}

/** A hardened session. Statements may run side by side: each takes a connection of its own. */
export class DuckdbSession implements SqlSession {
  readonly #resources: SessionResources;
  readonly #idle: DuckDBConnection[] = [];
  readonly #running = new Set<DuckDBConnection>();
  readonly #listeners: ((fraction: number) => void)[] = [];
  /** Counts interrupts: a statement that began before the last one was cancelled. */
  #interrupts = 0;
  #isClosed = false;
  #interruptTimer: NodeJS.Timeout | null = null;
  readonly #onAbort = (): void => this.interrupt();

  constructor(resources: SessionResources) {
    this.#resources = resources;
    this.#idle.push(resources.connection);
    resources.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  async execute(sql: string, values: readonly SqlValue[] = []): Promise<void> {
    await this.#with(async (connection) => {
      if (values.length === 0) await connection.run(sql);
      else await withStatement(connection, sql, values, (statement) => statement.run());
    });
  }

  async query(sql: string, values: readonly SqlValue[] = []): Promise<SqlResult> {
    return this.#with((connection) =>
      withStatement(connection, sql, values, async (statement) => {
        const result = await statement.run();
        const columns = columnsOf(result);
        const rows: SqlRow[] = [];
        for (;;) {
          const chunk = await result.fetchChunk();
          if (chunk === null || chunk.rowCount === 0) return { columns, rows };
          const cells = cellsOf(chunk, columns);
          for (let row = 0; row < chunk.rowCount; row++) {
            rows.push(Object.fromEntries(columns.map((column, index) => [column.name, cells[index]?.[row] ?? null])));
          }
        }
      }),
    );
  }

  async *batches(sql: string, values: readonly SqlValue[] = []): AsyncGenerator<SqlBatch> {
    const lease = await this.#begin();
    let isDone = false;
    try {
      const statement = await lease.connection.prepare(sql);
      try {
        bindValues(statement, values);
        const result = await statement.stream();
        const columns = columnsOf(result);
        for (;;) {
          const chunk = await result.fetchChunk();
          // An interrupted stream ends early without an error.
          this.#checkAlive(lease.interrupts);
          if (chunk === null || chunk.rowCount === 0) {
            isDone = true;
            return;
          }
          yield { rows: chunk.rowCount, columns: cellsOf(chunk, columns) };
        }
      } finally {
        statement.destroySync();
      }
    } catch (error) {
      throw this.#mapped(error, lease.interrupts);
    } finally {
      this.#end(lease.connection, isDone);
    }
  }

  async describe(sql: string, values: readonly SqlValue[] = []): Promise<readonly Column[]> {
    return this.#with((connection) =>
      withStatement(connection, `DESCRIBE (${sql}\n)`, values, async (statement) => {
        const result = await statement.runAndReadAll();
        return result.getRowsJS().map((row) => describedColumn(String(row[0]), String(row[1])));
      }),
    );
  }

  async writeParquet(
    sql: string,
    target: string,
    values: readonly SqlValue[] = [],
  ): Promise<{ readonly rows: number }> {
    // Under a private name first: an interrupted COPY leaves an empty or even a full-sized file behind.
    const partial = join(dirname(target), `.${basename(target)}.partial`);
    try {
      const rows = await this.#with((connection) =>
        withStatement(connection, copyText(sql, partial), values, async (statement) => {
          const result = await statement.runAndReadAll();
          return Number(result.getRowsJS()[0]?.[0] ?? 0);
        }),
      );
      await rename(partial, target);
      return { rows };
    } catch (error) {
      await rm(partial, { force: true });
      throw mapDuckdbError(error, { path: 'sql', isCancelled: false });
    }
  }

  async source(spec: SourceSpec, files: readonly string[], path: string): Promise<SqlSource> {
    return openSource(this, spec, files, path, this.#resources.signal);
  }

  async append(
    table: string,
    columns: readonly Column[],
    batches: AsyncIterable<SqlBatch> | Iterable<SqlBatch>,
  ): Promise<number> {
    const definition = columns.map((column) => `${quoteIdentifier(column.name)} ${duckdbType(column.type)}`);
    return this.#with(async (connection, checkAlive) => {
      await connection.run(`CREATE TABLE ${quoteIdentifier(table)} (${definition.join(', ')})`);
      const appender = await connection.createAppender(table);
      const types = columns.map((_, index) => appender.columnType(index));
      let rows = 0;
      try {
        for await (const batch of batches) {
          checkAlive();
          for (let start = 0; start < batch.rows; start += chunkRows) {
            const count = Math.min(chunkRows, batch.rows - start);
            const chunk = DuckDBDataChunk.create(types, count);
            for (const [index, column] of columns.entries()) {
              const cells = batch.columns[index] ?? [];
              chunk.setColumnValues(
                index,
                Array.from({ length: count }, (_, row) =>
                  duckdbFromCell(cells[start + row] ?? null, column.type, column.name),
                ),
              );
            }
            appender.appendDataChunk(chunk);
          }
          rows += batch.rows;
        }
        appender.flushSync();
      } finally {
        appender.closeSync();
      }
      return rows;
    });
  }

  interrupt(): void {
    this.#interrupts++;
    // Asked again until nothing runs: the interrupt of a statement that still waits for a thread is lost.
    const strike = (): void => {
      for (const connection of this.#running) connection.interrupt();
      if (this.#running.size === 0 && this.#interruptTimer !== null) {
        clearInterval(this.#interruptTimer);
        this.#interruptTimer = null;
      }
    };
    strike();
    if (this.#running.size > 0) this.#interruptTimer ??= setInterval(strike, interruptEveryMs);
  }

  onProgress(listener: (fraction: number) => void): void {
    this.#listeners.push(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#resources.signal?.removeEventListener('abort', this.#onAbort);
    if (this.#running.size > 0) {
      this.interrupt();
      while (this.#running.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    if (this.#interruptTimer !== null) clearInterval(this.#interruptTimer);
    this.#resources.ending();
    for (const connection of this.#idle) connection.closeSync();
    this.#resources.instance.closeSync();
    await this.#resources.release();
  }

  async #with<T>(body: (connection: DuckDBConnection, checkAlive: () => void) => Promise<T>): Promise<T> {
    const lease = await this.#begin();
    const stopProgress = this.#reportProgress(lease.connection);
    try {
      const result = await body(lease.connection, () => this.#checkAlive(lease.interrupts));
      this.#checkAlive(lease.interrupts);
      return result;
    } catch (error) {
      throw this.#mapped(error, lease.interrupts);
    } finally {
      stopProgress();
      this.#end(lease.connection, true);
    }
  }

  async #begin(): Promise<{ connection: DuckDBConnection; interrupts: number }> {
    if (this.#isClosed) {
      throw new MillraceError('INTERNAL', {
        path: 'sql',
        expected: 'an open session',
        received: 'a closed one',
        hint: 'Open a new session.',
      });
    }
    const interrupts = this.#interrupts;
    this.#checkAlive(interrupts);
    const connection = this.#idle.pop() ?? (await this.#connect());
    this.#running.add(connection);
    return { connection, interrupts };
  }

  async #connect(): Promise<DuckDBConnection> {
    return this.#resources.instance.connect();
  }

  /** A connection with a stream that was left in the middle is not used again. */
  #end(connection: DuckDBConnection, isDone: boolean): void {
    this.#running.delete(connection);
    if (isDone) this.#idle.push(connection);
    else connection.closeSync();
  }

  #checkAlive(interrupts: number): void {
    if (this.#resources.signal?.aborted === true || this.#interrupts !== interrupts) throw cancelled('sql');
  }

  #mapped(error: unknown, interrupts: number): MillraceError {
    const isCancelled = this.#resources.signal?.aborted === true || this.#interrupts !== interrupts;
    return mapDuckdbError(error, { path: 'sql', isCancelled });
  }

  #reportProgress(connection: DuckDBConnection): () => void {
    if (this.#listeners.length === 0) return () => {};
    const timer = setInterval(() => {
      const { percentage } = connection.progress;
      // −1 means unknown.
      if (percentage < 0) return;
      for (const listener of this.#listeners) listener(Math.min(1, percentage / 100));
    }, progressEveryMs);
    timer.unref();
    return () => clearInterval(timer);
  }
}

/**
 * The COPY that writes a dataset's file. Version 2 names encodings (delta for integers, split bytes for floats) that
 * take a quarter less time than version 1's to write, and half of it to read.
 */
function copyText(sql: string, target: string): string {
  return `COPY (${sql}\n) TO ${quoteLiteral(target)} (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION V2, ROW_GROUP_SIZE 122880, USE_TMP_FILE false)`;
}

async function withStatement<T>(
  connection: DuckDBConnection,
  sql: string,
  values: readonly SqlValue[],
  body: (statement: DuckDBPreparedStatement) => Promise<T>,
): Promise<T> {
  const statement = await connection.prepare(sql);
  try {
    bindValues(statement, values);
    return await body(statement);
  } finally {
    statement.destroySync();
  }
}

function columnsOf(result: DuckDBResult): readonly Column[] {
  return result
    .deduplicatedColumnNames()
    .map((name, index) => describedColumn(name, result.columnType(index).toString()));
}

function cellsOf(chunk: DuckDBDataChunk, columns: readonly Column[]): readonly (readonly SqlCell[])[] {
  return columns.map((column, index) => {
    const values = chunk.getColumnValues(index);
    return values.map((value) => cellFromDuckdb(value, column.type));
  });
}

function describedColumn(name: string, text: string): Column {
  const found = typeFromDuckdb(text);
  if ('type' in found) return { name, type: found.type };
  throw new MillraceError('DATA_TYPE', {
    path: `sql.${name}`,
    expected: 'a type of the type table',
    received: found.refused,
    hint: `Cast the column to ${found.cast}.`,
    details: { column: name },
  });
}
