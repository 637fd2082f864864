import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { PostgresAddress } from './postgres-address.js';
import { isConnectionLost, isWorthWaiting } from './postgres-errors.js';
import { checkValues, type Operation, type Request, type SqlScalar } from './statement.js';

/** A session that is idle in a transaction for so long is ended by the server, so that its locks go. */
const idleInTransactionMs = 30_000;
const int8 = 20;

/** Integers are numbers here; one that a number cannot hold is an error, not another number. */
function parseInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`an integer above 2^53 in the metadata store: ${text}`);
  return value;
}

const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === int8 && format !== 'binary' ? parseInteger : pg.types.getTypeParser(oid, format as 'text'),
} as pg.CustomTypesConfig;

const prepared = new Map<string, { readonly name: string; readonly text: string }>();

/** Each text is one prepared statement of a session, with `$1`, `$2`, … for `?`. */
function prepare(text: string): { readonly name: string; readonly text: string } {
  let statement = prepared.get(text);
  if (statement === undefined) {
    let index = 0;
    statement = { name: `m${prepared.size}`, text: text.replaceAll('?', () => `$${++index}`) };
    prepared.set(text, statement);
  }
  return statement;
}

const clock = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now';

/** One connection while it is ours. Statements are sent without waiting for earlier answers. */
export class PostgresSession {
  readonly #client: pg.PoolClient;
  #isReleased = false;

  constructor(client: pg.PoolClient) {
    this.#client = client;
  }

  /**
   * Begins a transaction with statements of our own, in one round trip.
   *
   * @returns the database's clock behind them, ms since 1970.
   */
  async begin(statements: readonly string[]): Promise<number> {
    const text = ['BEGIN', ...statements, `SELECT ${clock}`].join('; ');
    const results = (await this.#client.query(text)) as unknown as readonly pg.QueryResult<{ now: number }>[];
    return results.at(-1)!.rows[0]!.now;
  }

  async now(): Promise<number> {
    const { rows } = await this.#client.query<{ now: number }>({ name: 'now', text: `SELECT ${clock}` });
    return rows[0]!.now;
  }

  /** SQL of our own without values: the ends of transactions, savepoints, the schema. */
  async execute(text: string): Promise<pg.QueryResult> {
    return await this.#client.query(text);
  }

  async rows<R extends pg.QueryResultRow>(text: string, values: readonly SqlScalar[] = []): Promise<readonly R[]> {
    return (await this.#client.query<R>(text, [...values])).rows;
  }

  /** Drives an operation to its end. */
  async drive<T>(operation: Operation<T>, answer: (request: Request) => Promise<unknown>): Promise<T> {
    let step = operation.next();
    while (!step.done) {
      let answered: unknown;
      try {
        answered = await answer(step.value);
      } catch (error) {
        step = operation.throw(error);
        continue;
      }
      step = operation.next(answered);
    }
    return step.value;
  }

  async answer(request: Exclude<Request, { kind: 'now' }>): Promise<unknown> {
    const { text, values } = request.statement;
    checkValues(request.statement);
    const result = await this.#client.query({ ...prepare(text), values: values as SqlScalar[] });
    return request.kind === 'rows' ? result.rows : (result.rowCount ?? 0);
  }

  /** Gives it back to the pool; one that met an error which may have broken it is closed. */
  release(error: unknown = null): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#client.release(error !== null && isConnectionLost(error));
  }

  close(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#client.release(true);
  }
}

/** The store's connection to the server, made again whenever it is lost. An idle one keeps no process alive. */
export class PostgresSessions {
  readonly #pool: pg.Pool;

  constructor(address: PostgresAddress, busyTimeoutMs: number) {
    this.#pool = new pg.Pool({
      connectionString: address.connectionString,
      fallback_application_name: 'millrace',
      max: 1,
      idleTimeoutMillis: 60_000,
      allowExitOnIdle: true,
      connectionTimeoutMillis: Math.min(busyTimeoutMs, 10_000),
      lock_timeout: busyTimeoutMs,
      idle_in_transaction_session_timeout: idleInTransactionMs,
      query_timeout: busyTimeoutMs + 2 * idleInTransactionMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      pipeline: true,
      types,
    });
    // Without listeners the end of a connection would be the end of the process; the next statement tells of it.
    this.#pool.on('error', () => undefined);
    this.#pool.on('connect', (client) => client.on('error', () => undefined));
  }

  /** @param until - `performance.now()` up to which a server that is away is waited for. */
  async take(until: number): Promise<PostgresSession> {
    for (let pauseMs = 10; ; pauseMs = Math.min(2 * pauseMs, 250)) {
      try {
        return new PostgresSession(await this.#pool.connect());
      } catch (error) {
        if (!isWorthWaiting(error) || performance.now() + pauseMs >= until) throw error;
        await sleep(pauseMs);
      }
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}
