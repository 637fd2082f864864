import type { SqlEngine } from '../../pipelines/contracts/sql.js';
import { expandSource } from '../files/expand-source.js';
import type { DuckdbOptions } from './duckdb-options.js';
import { duckdbEngineVersion } from './engine-version.js';

/** The SQL engine, loaded at its first use: a run in which nothing changed needs no DuckDB. */
export function openLazySqlEngine(options: DuckdbOptions): SqlEngine {
  let opened: Promise<SqlEngine> | null = null;
  const engine = (): Promise<SqlEngine> => {
    opened ??= import('./sql-engine.js').then(({ openSqlEngine }) => openSqlEngine(options));
    return opened;
  };
  return {
    version: duckdbEngineVersion(),
    open: async (session) => (await engine()).open(session),
    files: (source, root, path) => expandSource(root, source.path, path),
    inspect: async (sql, path) => (await engine()).inspect(sql, path),
  };
}
