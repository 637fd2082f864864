import { statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { SqlEngine, SqlSession, SqlSessionOptions, StatementInfo } from '../../pipelines/contracts/sql.js';
import type { SourceSpec } from '../../pipelines/plan/relation.js';
import { createOwned } from '../artifact-store/owned-directory.js';
import { escapeGlob } from '../files/escape-glob.js';
import { expandSource } from '../files/expand-source.js';
import { cancelled, mapDuckdbError } from './duckdb-errors.js';
import { checkDuckdbOptions, type DuckdbOptions } from './duckdb-options.js';
import { DuckdbSession } from './duckdb-session.js';
import { duckdbEngineVersion } from './engine-version.js';
import { InstanceMaker } from './hardened-instance.js';
import { inspectStatement, lineAndColumn } from './inspect-statement.js';

/** Opens the SQL engine: DuckDB in this process. Sessions have nothing in common but the engine's limits. */
export function openSqlEngine(options: DuckdbOptions): SqlEngine {
  return new DuckdbEngine(checkDuckdbOptions(options));
}

class DuckdbEngine implements SqlEngine {
  readonly version = duckdbEngineVersion();
  readonly #options: DuckdbOptions;
  readonly #instances = new InstanceMaker();
  #parser: Promise<DuckDBConnection> | null = null;

  constructor(options: DuckdbOptions) {
    this.#options = options;
  }

  async open(options: SqlSessionOptions): Promise<SqlSession> {
    if (options.signal?.aborted === true) throw cancelled('sql');
    const temporaryDirectory = await createOwned(resolve(this.#options.temporaryDirectory));
    const release = (): Promise<void> => rm(temporaryDirectory, { recursive: true, force: true });
    try {
      const readable = options.readable.map((path) => resolve(path));
      const directories = readable.filter(isDirectory);
      const opened = await this.#instances.open({
        directories: [...directories, ...options.writable.map((path) => resolve(path))],
        // A name with glob characters is read as a pattern that matches it alone.
        files: readable
          .filter((path) => !directories.includes(path))
          .flatMap((path) => [...new Set([path, escapeGlob(path)])]),
        threads: options.threads ?? this.#options.threads,
        memoryLimitMb: options.memoryLimitMb ?? this.#options.memoryLimitMb,
        temporaryDirectory,
      });
      return new DuckdbSession({ ...opened, ending: () => this.#instances.prepare(), release, signal: options.signal });
    } catch (error) {
      await release();
      throw mapDuckdbError(error, { path: 'sql', isCancelled: false });
    }
  }

  async files(source: SourceSpec, root: string, path: string): Promise<readonly string[]> {
    return expandSource(root, source.path, path);
  }

  async inspect(sql: string, path: string): Promise<StatementInfo> {
    const nul = sql.indexOf('\0');
    if (nul >= 0) {
      // C texts end there: what is parsed and what runs could differ.
      throw new MillraceError('SQL_INVALID', {
        path: `${path}:${lineAndColumn(sql, Buffer.byteLength(sql.slice(0, nul)))}`,
        expected: 'one SELECT statement',
        received: 'a NUL character',
      });
    }
    this.#parser ??= openParser();
    const connection = await this.#parser;
    const statement = await connection.prepare('SELECT json_serialize_sql($1::VARCHAR)::VARCHAR');
    try {
      statement.bindVarchar(1, sql);
      const result = await statement.runAndReadAll();
      return inspectStatement(String(result.getRowsJS()[0]?.[0]), sql, path);
    } catch (error) {
      throw mapDuckdbError(error, { path, isCancelled: false });
    } finally {
      statement.destroySync();
    }
  }
}

/** One small instance parses for all: it sees no files and no data. */
async function openParser(): Promise<DuckDBConnection> {
  const limits = { directories: [], files: [], threads: 1, memoryLimitMb: 256, temporaryDirectory: null };
  return (await new InstanceMaker().open(limits)).connection;
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
