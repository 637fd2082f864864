import type { LeaseOwner } from '../../pipelines/contracts/metadata.js';
import { isOwnerDead } from './process-owner.js';
import { now, type Operation, row, rows, run, sql } from './statement.js';

interface LeaseRow {
  readonly token: string;
  readonly boot_id: string;
  readonly pid: number;
  readonly process_start: string;
  readonly expires_at: number;
}

function* findHolder(namespace: string, key: string): Operation<LeaseOwner | null> {
  const found = yield* row<LeaseRow>(sql`
    SELECT token, boot_id, pid, process_start, expires_at FROM leases
    WHERE namespace = ${namespace} AND key = ${key}`);
  if (found === null || found.expires_at <= (yield* now())) return null;
  const owner = { bootId: found.boot_id, pid: found.pid, processStart: found.process_start };
  return isOwnerDead(owner) ? null : owner;
}

/** @returns whether `token` holds the lease now. */
export function* acquireLease(
  namespace: string,
  key: string,
  token: string,
  owner: LeaseOwner,
  ttlMs: number,
): Operation<boolean> {
  if ((yield* findHolder(namespace, key)) !== null) return false;
  const expiresAt = (yield* now()) + ttlMs;
  yield* run(sql`
    INSERT INTO leases (namespace, key, token, boot_id, pid, process_start, expires_at)
    VALUES (${namespace}, ${key}, ${token}, ${owner.bootId}, ${owner.pid}, ${owner.processStart}, ${expiresAt})
    ON CONFLICT (namespace, key) DO UPDATE SET token = excluded.token, boot_id = excluded.boot_id,
      pid = excluded.pid, process_start = excluded.process_start, expires_at = excluded.expires_at`);
  return true;
}

/** Also brings back a lease that ran out while nobody else took it. @returns whether it is still ours. */
export function* renewLease(namespace: string, key: string, token: string, ttlMs: number): Operation<boolean> {
  const expiresAt = (yield* now()) + ttlMs;
  const changed = yield* run(sql`
    UPDATE leases SET expires_at = ${expiresAt}
    WHERE namespace = ${namespace} AND key = ${key} AND token = ${token}`);
  return changed > 0;
}

export function* releaseLease(namespace: string, key: string, token: string): Operation<void> {
  yield* run(sql`DELETE FROM leases WHERE namespace = ${namespace} AND key = ${key} AND token = ${token}`);
}

/** The leases whose owner is certainly gone: nobody asked for their keys since. */
export function* deadLeases(namespace: string): Operation<readonly { readonly key: string; readonly token: string }[]> {
  const found = yield* rows<LeaseRow & { readonly key: string }>(sql`
    SELECT key, token, boot_id, pid, process_start, expires_at FROM leases
    WHERE namespace = ${namespace} ORDER BY key`);
  return found
    .filter((one) => isOwnerDead({ bootId: one.boot_id, pid: one.pid, processStart: one.process_start }))
    .map(({ key, token }) => ({ key, token }));
}

export function* leaseHolder(namespace: string, key: string): Operation<LeaseOwner | null> {
  return yield* findHolder(namespace, key);
}
