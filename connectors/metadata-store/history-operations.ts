import { createHash } from 'node:crypto';
import type { Decision, HistoryEntry } from '../../pipelines/contracts/registry.js';
import { now, type Operation, row, rows, run, sql } from './statement.js';

interface HistoryRow {
  readonly sequence: number;
  readonly model: string;
  readonly kind: HistoryEntry['kind'];
  readonly version: number | null;
  readonly alias: string | null;
  readonly from_version: number | null;
  readonly endpoint: string | null;
  readonly actor: string;
  readonly reason: string;
  readonly evidence: string | null;
  readonly at: number;
  readonly digest: string;
  readonly previous_digest: string | null;
}

function toEntry(found: HistoryRow): HistoryEntry {
  return {
    sequence: found.sequence,
    model: found.model,
    kind: found.kind,
    version: found.version,
    alias: found.alias,
    fromVersion: found.from_version,
    endpoint: found.endpoint,
    decision: { actor: found.actor, reason: found.reason, evidence: found.evidence },
    at: new Date(found.at).toISOString(),
    digest: found.digest,
    previousDigest: found.previous_digest,
  };
}

/**
 * sha256 of the entry's canonical JSON without its own digest; the previous digest is inside: that is the chain.
 * The members stand in canonical order here, so that the worker need not load the canonical writer to open.
 */
export function entryDigest(entry: HistoryEntry): string {
  const { actor, evidence, reason } = entry.decision;
  const text = JSON.stringify({
    alias: entry.alias,
    at: entry.at,
    decision: { actor, evidence, reason },
    endpoint: entry.endpoint,
    fromVersion: entry.fromVersion,
    kind: entry.kind,
    model: entry.model,
    previousDigest: entry.previousDigest,
    sequence: entry.sequence,
    version: entry.version,
  });
  return createHash('sha256').update(text).digest('hex');
}

export interface Event {
  readonly model: string;
  readonly kind: HistoryEntry['kind'];
  readonly version: number | null;
  readonly alias?: string;
  readonly fromVersion?: number | null;
  readonly endpoint?: string;
  readonly decision: Decision;
}

/** Appends to the namespace's chain, in the transaction of the effect it tells of. */
export function* appendHistory(namespace: string, event: Event): Operation<void> {
  const head = yield* row<{ sequence: number; digest: string }>(
    sql`SELECT sequence, digest FROM history_heads WHERE namespace = ${namespace}`,
  );
  const { actor, reason, evidence } = event.decision;
  const at = yield* now();
  const entry: HistoryEntry = {
    sequence: (head?.sequence ?? 0) + 1,
    model: event.model,
    kind: event.kind,
    version: event.version,
    alias: event.alias ?? null,
    fromVersion: event.fromVersion ?? null,
    endpoint: event.endpoint ?? null,
    decision: { actor, reason, evidence },
    at: new Date(at).toISOString(),
    digest: '',
    previousDigest: head?.digest ?? null,
  };
  const digest = entryDigest(entry);
  yield* run(sql`
    INSERT INTO history (namespace, sequence, model, kind, version, alias, from_version, endpoint, actor, reason,
      evidence, at, digest, previous_digest)
    VALUES (${namespace}, ${entry.sequence}, ${entry.model}, ${entry.kind}, ${entry.version}, ${entry.alias},
      ${entry.fromVersion}, ${entry.endpoint}, ${actor}, ${reason}, ${evidence}, ${at}, ${digest},
      ${entry.previousDigest})`);
  yield* run(sql`
    INSERT INTO history_heads (namespace, sequence, digest) VALUES (${namespace}, ${entry.sequence}, ${digest})
    ON CONFLICT (namespace) DO UPDATE SET sequence = excluded.sequence, digest = excluded.digest`);
}

export function* listHistory(namespace: string, model: string | null): Operation<readonly HistoryEntry[]> {
  const found =
    model === null
      ? yield* rows<HistoryRow>(sql`
          SELECT sequence, model, kind, version, alias, from_version, endpoint, actor, reason, evidence, at, digest,
            previous_digest
          FROM history WHERE namespace = ${namespace} ORDER BY sequence`)
      : yield* rows<HistoryRow>(sql`
          SELECT sequence, model, kind, version, alias, from_version, endpoint, actor, reason, evidence, at, digest,
            previous_digest
          FROM history WHERE namespace = ${namespace} AND model = ${model} ORDER BY sequence`);
  return found.map(toEntry);
}

/** @returns the sequence of the first entry that was altered, added or taken away; null for a whole chain. */
export function* verifyHistory(namespace: string): Operation<number | null> {
  const entries = yield* listHistory(namespace, null);
  let previousDigest: string | null = null;
  for (const [index, entry] of entries.entries()) {
    const expected = index + 1;
    if (entry.sequence !== expected) return Math.min(expected, entry.sequence);
    if (entry.previousDigest !== previousDigest || entryDigest(entry) !== entry.digest) return entry.sequence;
    previousDigest = entry.digest;
  }
  const head = yield* row<{ sequence: number; digest: string }>(
    sql`SELECT sequence, digest FROM history_heads WHERE namespace = ${namespace}`,
  );
  if ((head?.sequence ?? 0) !== entries.length) return Math.min(head?.sequence ?? 0, entries.length) + 1;
  return (head?.digest ?? null) === previousDigest ? null : entries.length;
}
