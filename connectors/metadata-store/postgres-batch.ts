import { createHash } from 'node:crypto';
import { isMillraceError } from '../../pipelines/contracts/errors.js';
import { isWriting, lockScopes, needsSnapshot } from './lock-scopes.js';
import { type OperationName, readingOperations, writingOperations } from './operations.js';
import { isFatal } from './postgres-errors.js';
import type { PostgresSession } from './postgres-sessions.js';
import type { Operation, Request } from './statement.js';

/** One operation that was asked for. */
export interface Call {
  readonly name: OperationName;
  readonly args: readonly unknown[];
}

/** What one call came to; a {@link Refusal} is a value. */
export type Outcome = { readonly value: unknown } | { readonly error: unknown };

type AnyOperation = (namespace: string, ...args: readonly unknown[]) => Operation<unknown>;
const operations = { ...writingOperations, ...readingOperations } as unknown as Readonly<
  Record<OperationName, AnyOperation>
>;

/** A call failed after it had written, beside others: what it wrote can only be undone behind a savepoint. */
export class SavepointsNeeded extends Error {}

function lockNumber(namespace: string, scope: string): bigint {
  return createHash('sha256').update(`millrace\0${namespace}\0${scope}`).digest().readBigInt64BE(0);
}

/** The locks of all calls in one order, so that no two transactions wait for each other. */
function lockStatements(namespace: string, calls: readonly Call[]): readonly string[] {
  const isExclusive = new Map<bigint, boolean>();
  for (const { name, args } of calls) {
    const { exclusive, shared } = lockScopes(name, args);
    for (const scope of shared) {
      const key = lockNumber(namespace, scope);
      isExclusive.set(key, isExclusive.get(key) ?? false);
    }
    for (const scope of exclusive) isExclusive.set(lockNumber(namespace, scope), true);
  }
  return [...isExclusive]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, exclusive]) => `SELECT pg_advisory_xact_lock${exclusive ? '' : '_shared'}(${key})`);
}

const isRead = (request: Request): boolean => request.kind === 'now' || request.statement.text.startsWith('SELECT');

/**
 * Runs calls that write in the transaction that it begins; the caller ends it.
 *
 * @param mark - SQL that leaves the transaction's mark.
 * @param hasSavepoints - each call stands behind a savepoint of its own: two statements more for each.
 * @returns what each call came to.
 * @throws SavepointsNeeded - a call failed in a way that touches the others.
 */
export async function runWrites(
  session: PostgresSession,
  namespace: string,
  calls: readonly Call[],
  mark: string,
  hasSavepoints: boolean,
): Promise<readonly Outcome[]> {
  const begun = session
    .begin([...lockStatements(namespace, calls), mark])
    .then((now) => ({ now, at: performance.now() }));
  // The first statement travels with it; where it fails, that statement fails too and asks it for the reason.
  begun.catch(() => undefined);
  const outcomes: Outcome[] = [];
  for (const { name, args } of calls) {
    let hasWritten = false;
    const answer = async (request: Request): Promise<unknown> => {
      // The clock goes on by our own one, so that asking for it costs no round trip.
      if (request.kind === 'now') {
        const { now, at } = await begun;
        return now + Math.floor(performance.now() - at);
      }
      hasWritten ||= !isRead(request);
      return await session.answer(request);
    };
    try {
      if (hasSavepoints) await session.execute('SAVEPOINT operation');
      outcomes.push({ value: await session.drive(operations[name](namespace, ...args), answer) });
      if (hasSavepoints) await session.execute('RELEASE SAVEPOINT operation');
    } catch (error) {
      await begun;
      if (isFatal(error)) throw error;
      if (hasSavepoints) {
        await session.execute('ROLLBACK TO SAVEPOINT operation; RELEASE SAVEPOINT operation');
      } else if (hasWritten || !isMillraceError(error)) {
        throw calls.length === 1 ? error : new SavepointsNeeded();
      }
      outcomes.push({ error });
    }
  }
  await begun;
  return outcomes;
}

/** Runs calls that only read: side by side, or in one snapshot where a call needs that. */
export async function runReads(
  session: PostgresSession,
  namespace: string,
  calls: readonly Call[],
): Promise<readonly Outcome[]> {
  const isOneSnapshot = calls.some(({ name }) => needsSnapshot(name));
  const answer = (request: Request): Promise<unknown> =>
    request.kind === 'now' ? session.now() : session.answer(request);
  const begun = isOneSnapshot ? session.execute('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY') : null;
  begun?.catch(() => undefined);
  // All end before an error is thrown: a statement that comes late would meet the session's next user.
  let fatal: unknown = null;
  const outcomes = await Promise.all(
    calls.map(async ({ name, args }): Promise<Outcome> => {
      try {
        return { value: await session.drive(operations[name](namespace, ...args), answer) };
      } catch (error) {
        if (isFatal(error)) fatal ??= error;
        return { error };
      }
    }),
  );
  await begun;
  if (fatal !== null) throw fatal;
  if (isOneSnapshot) await session.execute('COMMIT');
  return outcomes;
}

export function writes(calls: readonly Call[]): boolean {
  return calls.some(({ name }) => isWriting(name));
}
