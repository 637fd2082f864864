import type { Json } from '../pipelines/contracts/json.js';
import type { MetadataStore } from '../pipelines/contracts/metadata.js';
import type { SqlEngine, StatementInfo } from '../pipelines/contracts/sql.js';
import { digestOf } from '../pipelines/plan/digest.js';
import { operatorDigest } from './operator-digests.js';

/** More statements than any plan has; a process that lives long forgets the oldest. */
const maxInMemory = 1000;

/**
 * Remembers what `inspect` found out about a statement: in the store, so that a run in which nothing changed opens no
 * DuckDB, and in memory, since a stage asks for its key and again when it runs.
 */
export function memoizedSqlEngine(engine: SqlEngine, metadata: MetadataStore): SqlEngine {
  const inMemory = new Map<string, Promise<StatementInfo>>();
  const recall = async (sql: string, path: string): Promise<StatementInfo> => {
    const key = digestOf([engine.version, operatorDigest('sql'), sql]);
    const known = await metadata.memo('statement', key);
    if (known !== null) return known as unknown as StatementInfo;
    const info = await engine.inspect(sql, path);
    await metadata.putMemo('statement', key, info as unknown as Json);
    return info;
  };
  return {
    version: engine.version,
    files: engine.files,
    open: (options) => engine.open(options),
    inspect(sql, path) {
      const known = inMemory.get(sql);
      // An error names the path of whoever asked.
      if (known !== undefined) return known.catch(() => recall(sql, path));
      const recalled = recall(sql, path);
      recalled.catch(() => inMemory.delete(sql));
      inMemory.set(sql, recalled);
      const [oldest] = inMemory.keys();
      if (inMemory.size > maxInMemory && oldest !== undefined) inMemory.delete(oldest);
      return recalled;
    },
  };
}
