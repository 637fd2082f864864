import { createRequire } from 'node:module';

/** "duckdb 1.5.5-r.5": the binding's version, which pins the engine's. Read without loading it. */
export function duckdbEngineVersion(): string {
  const { version } = createRequire(import.meta.url)('@duckdb/node-api/package.json') as { version: string };
  return `duckdb ${version}`;
}
