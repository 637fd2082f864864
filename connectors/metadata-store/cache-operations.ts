import type { Json } from '../../pipelines/contracts/json.js';
import type { StageOutput } from '../../pipelines/contracts/metadata.js';
import { now, type Operation, row, run, sql } from './statement.js';

interface CacheRow {
  readonly outputs: string;
  readonly summary: string;
}

export interface CachedResult {
  readonly outputs: readonly StageOutput[];
  readonly summary: Json;
}

function toResult(found: CacheRow): CachedResult {
  return { outputs: JSON.parse(found.outputs) as readonly StageOutput[], summary: JSON.parse(found.summary) as Json };
}

function* findCached(namespace: string, key: string): Operation<CacheRow | null> {
  return yield* row<CacheRow>(sql`SELECT outputs, summary FROM cache WHERE namespace = ${namespace} AND key = ${key}`);
}

export function* getCached(namespace: string, key: string): Operation<CachedResult | null> {
  const found = yield* findCached(namespace, key);
  return found === null ? null : toResult(found);
}

/** The first outputs under a key stay; later, different ones are kept beside it as evidence. */
export function* insertCached(
  namespace: string,
  key: string,
  outputs: readonly StageOutput[],
  summary: Json,
): Operation<CachedResult & { readonly inserted: boolean; readonly differs: boolean }> {
  const at = yield* now();
  const ours: CacheRow = {
    outputs: JSON.stringify(outputs.map(({ name, digest }) => ({ name, digest }))),
    summary: JSON.stringify(summary),
  };
  const inserted = yield* run(sql`
    INSERT INTO cache (namespace, key, outputs, summary, created_at)
    VALUES (${namespace}, ${key}, ${ours.outputs}, ${ours.summary}, ${at})
    ON CONFLICT (namespace, key) DO NOTHING`);
  if (inserted > 0) return { outputs, summary, inserted: true, differs: false };
  const first = (yield* findCached(namespace, key))!;
  const differs = first.outputs !== ours.outputs;
  if (differs) {
    yield* run(sql`
      INSERT INTO cache_conflicts (namespace, key, outputs, summary, created_at)
      VALUES (${namespace}, ${key}, ${ours.outputs}, ${ours.summary}, ${at})
      ON CONFLICT (namespace, key, outputs) DO NOTHING`);
  }
  return { ...toResult(first), inserted: false, differs };
}

export function* dropCached(namespace: string, key: string): Operation<void> {
  yield* run(sql`DELETE FROM cache WHERE namespace = ${namespace} AND key = ${key}`);
}

export function* getMemo(namespace: string, scope: string, key: string): Operation<Json | null> {
  const found = yield* row<{ value: string }>(
    sql`SELECT value FROM memos WHERE namespace = ${namespace} AND scope = ${scope} AND key = ${key}`,
  );
  return found === null ? null : (JSON.parse(found.value) as Json);
}

export function* putMemo(namespace: string, scope: string, key: string, value: Json): Operation<void> {
  yield* run(sql`
    INSERT INTO memos (namespace, scope, key, value)
    VALUES (${namespace}, ${scope}, ${key}, ${JSON.stringify(value)})
    ON CONFLICT (namespace, scope, key) DO UPDATE SET value = excluded.value`);
}
