import type { Json } from '../pipelines/contracts/json.js';
import type { MetadataStore } from '../pipelines/contracts/metadata.js';
import type { SqlEngine, StatementInfo } from '../pipelines/contracts/sql.js';
import { digestOf } from '../pipelines/plan/digest.js';
import { operatorDigest } from './operator-digests.js';

/** Remembers what `inspect` found out about a statement, so that a run in which nothing changed opens no DuckDB. */
export function memoizedSqlEngine(engine: SqlEngine, metadata: MetadataStore): SqlEngine {
  return {
    version: engine.version,
    files: engine.files,
    open: (options) => engine.open(options),
    async inspect(sql, path) {
      const key = digestOf([engine.version, operatorDigest('sql'), sql]);
      const known = await metadata.memo('statement', key);
      if (known !== null) return known as unknown as StatementInfo;
      const info = await engine.inspect(sql, path);
      await metadata.putMemo('statement', key, info as unknown as Json);
      return info;
    },
  };
}
