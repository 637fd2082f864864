import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { OperationArguments, OperationCaller, OperationName, OperationResult } from './operations.js';
import type { PostgresAddress } from './postgres-address.js';
import { type Call, type Outcome, runReads, runWrites, SavepointsNeeded, writes } from './postgres-batch.js';
import { CommitMarks } from './postgres-commit-marks.js';
import { describePostgresError, isConnectionLost, isRaceLost } from './postgres-errors.js';
import type { PostgresSession, PostgresSessions } from './postgres-sessions.js';
import { Refusal } from './statement.js';

/** Bounds the locks of one transaction: the server has room for some thousands over all sessions. */
const maxCallsPerTransaction = 100;

interface Waiting extends Call {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** What a transaction came to: its outcomes once it is committed, or null where it left no trace and may run again. */
type Ended = readonly Outcome[] | null;

/**
 * One lane to the server: calls that wait travel as one transaction, in the order of asking, and share one commit.
 * A transaction that the server lost is run again; one whose commit got no answer only if it left no trace.
 */
export class PostgresCaller implements OperationCaller {
  readonly #sessions: PostgresSessions;
  readonly #address: PostgresAddress;
  readonly #namespace: string;
  readonly #busyTimeoutMs: number;
  readonly #marks = new CommitMarks();
  #waiting: Waiting[] = [];
  #lane: Promise<void> | null = null;
  #closing: Promise<void> | null = null;

  constructor(sessions: PostgresSessions, address: PostgresAddress, namespace: string, busyTimeoutMs: number) {
    this.#sessions = sessions;
    this.#address = address;
    this.#namespace = namespace;
    this.#busyTimeoutMs = busyTimeoutMs;
  }

  async call<N extends OperationName>(name: N, ...args: OperationArguments<N>): Promise<OperationResult<N>> {
    if (this.#closing !== null) throw this.#closed();
    // A copy: the caller may go on with what it passed, and a transaction may run twice.
    const copy = structuredClone(args);
    return await new Promise<OperationResult<N>>((resolve, reject) => {
      this.#waiting.push({ name, args: copy, resolve: resolve as (value: unknown) => void, reject });
      this.#lane ??= this.#work();
    });
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#lane;
      await this.#marks.remove(this.#sessions);
      await this.#sessions.close();
    })();
    return this.#closing;
  }

  async #work(): Promise<void> {
    // Calls of the same turn of the event loop come along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const calls = this.#waiting.splice(0, maxCallsPerTransaction);
      try {
        const outcomes = await this.#run(calls);
        for (const [index, { resolve, reject }] of calls.entries()) this.#settle(outcomes[index]!, resolve, reject);
      } catch (error) {
        const described = describePostgresError(error, this.#address, this.#busyTimeoutMs);
        for (const { reject } of calls) reject(described);
      }
    }
    this.#lane = null;
  }

  #settle(outcome: Outcome, resolve: Waiting['resolve'], reject: Waiting['reject']): void {
    if ('error' in outcome) reject(describePostgresError(outcome.error, this.#address, this.#busyTimeoutMs));
    else if (outcome.value instanceof Refusal) reject(outcome.value.error);
    else resolve(outcome.value);
  }

  async #run(calls: readonly Call[]): Promise<readonly Outcome[]> {
    const until = performance.now() + this.#busyTimeoutMs;
    let hasSavepoints = false;
    for (;;) {
      const session = await this.#sessions.take(until);
      try {
        const ended = writes(calls)
          ? await this.#write(session, calls, hasSavepoints, until)
          : await runReads(session, this.#namespace, calls);
        session.release();
        if (ended !== null) return ended;
      } catch (error) {
        await undo(session, error);
        if (error instanceof SavepointsNeeded) hasSavepoints = true;
        else if (!(isConnectionLost(error) || isRaceLost(error)) || performance.now() >= until) throw error;
      }
    }
  }

  async #write(
    session: PostgresSession,
    calls: readonly Call[],
    hasSavepoints: boolean,
    until: number,
  ): Promise<Ended> {
    const mark = this.#marks.next();
    const outcomes = await runWrites(session, this.#namespace, calls, mark.statement, hasSavepoints);
    try {
      await session.execute('COMMIT');
      return outcomes;
    } catch (error) {
      if (!isConnectionLost(error)) throw error;
      session.close();
      return (await this.#isCommitted(mark.number, until)) ? outcomes : null;
    }
  }

  /** Asks new sessions for the mark of a transaction whose commit got no answer. */
  async #isCommitted(mark: number, until: number): Promise<boolean> {
    for (;;) {
      let session: PostgresSession | null = null;
      try {
        session = await this.#sessions.take(until);
        const isLeft = await this.#marks.isLeft(session, mark);
        session.release();
        return isLeft;
      } catch (error) {
        session?.release(error);
        if (session === null || !isConnectionLost(error)) throw this.#unanswered(error);
      }
    }
  }

  #unanswered(cause: unknown): MillraceError {
    return new MillraceError('STORE_UNREADABLE', {
      path: this.#address.shown,
      expected: 'an answer to a commit',
      received: 'the end of the session',
      hint: 'Look whether the last change is there before you make it again.',
      retryable: true,
      cause,
    });
  }

  #closed(): MillraceError {
    return new MillraceError('INTERNAL', {
      path: this.#address.shown,
      expected: 'an open metadata store',
      received: 'a call after it was closed',
    });
  }
}

/** Ends the transaction that an error stopped; a session that cannot do that is closed. */
async function undo(session: PostgresSession, error: unknown): Promise<void> {
  if (!isConnectionLost(error)) {
    try {
      await session.execute('ROLLBACK');
    } catch {
      session.close();
    }
  }
  session.release(error);
}
