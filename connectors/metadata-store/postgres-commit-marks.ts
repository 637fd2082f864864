import { randomUUID } from 'node:crypto';
import type { PostgresSession, PostgresSessions } from './postgres-sessions.js';

/** Marks of stores that ended without closing are kept so long, for their own transactions that may still run. */
const keptFor = "interval '1 day'";

/**
 * Tells whether a transaction whose commit got no answer was done: every writing transaction leaves its number in the
 * store's row of `commit_marks`. PostgreSQL's own number of a transaction would not do: after a crash, the number of
 * one that left no trace in the log is given out again.
 */
export class CommitMarks {
  readonly #store = randomUUID();
  #last = 0;

  /** The next transaction's number, and the statement that leaves it. */
  next(): { readonly number: number; readonly statement: string } {
    const number = ++this.#last;
    return {
      number,
      statement: `INSERT INTO millrace.commit_marks AS kept (store, mark, at) VALUES ('${this.#store}', ${number}, now())
        ON CONFLICT (store) DO UPDATE SET mark = excluded.mark, at = excluded.at`,
    };
  }

  /** Writes the row as it is: so it waits for a transaction that the server still has in hand. */
  async isLeft(session: PostgresSession, number: number): Promise<boolean> {
    const [found] = await session.rows<{ mark: number }>(
      `INSERT INTO millrace.commit_marks AS kept (store, mark, at) VALUES ($1, 0, now())
        ON CONFLICT (store) DO UPDATE SET mark = kept.mark RETURNING mark`,
      [this.#store],
    );
    return found?.mark === number;
  }

  /** At the end, with those of stores that were killed; a server that is away keeps the row. */
  async remove(sessions: PostgresSessions): Promise<void> {
    if (this.#last === 0) return;
    try {
      const session = await sessions.take(0);
      try {
        await session.execute(
          `DELETE FROM millrace.commit_marks WHERE store = '${this.#store}' OR at < now() - ${keptFor}`,
        );
      } finally {
        session.release();
      }
    } catch {
      // Another store's closing removes it in time.
    }
  }
}

/** Beside `schema_version`: SQLite needs no such table. */
export const commitMarksTable =
  'CREATE TABLE IF NOT EXISTS millrace.commit_marks (store TEXT PRIMARY KEY, mark BIGINT NOT NULL, at TIMESTAMPTZ NOT NULL)';
