import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'libsql';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { migrations } from './schema.js';
import { describeSqliteError, isBusy } from './sqlite-errors.js';
import { checkValues, type Operation, type Request, type SqlScalar } from './statement.js';

const checkpointBytes = 4 * 1024 * 1024;

/** One connection to the database file, synchronous: it lives in the store's worker thread. */
export class SqliteConnection {
  readonly #file: string;
  readonly #busyTimeoutMs: number;
  readonly #database: Database.Database;
  readonly #prepared = new Map<string, Database.Statement>();
  #commits = 0;

  /** @throws STORE_UNREADABLE, STORE_VERSION, STORE_LOCKED, DISK_FULL */
  constructor(file: string, busyTimeoutMs: number) {
    this.#file = file;
    this.#busyTimeoutMs = busyTimeoutMs;
    let database: Database.Database | null = null;
    try {
      mkdirSync(dirname(file), { recursive: true });
      database = openDatabase(file);
      database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
      useWriteAheadLog(database, busyTimeoutMs);
      // WAL and FULL: every commit is fsynced, so that what a promise confirmed survives a power cut.
      database.exec('PRAGMA synchronous = FULL');
      // SQLite 3.7 to 3.51.2 can lose frames where a commit resets the log during another connection's passive
      // checkpoint (sqlite.org/wal.html#walresetbug). So none runs by itself; ours hold the write lock.
      database.exec('PRAGMA wal_autocheckpoint = 0');
      this.#database = database;
      this.#migrate();
      this.#checkpointIfLong();
    } catch (error) {
      database?.close();
      throw describeSqliteError(asStoreError(error, file), file, busyTimeoutMs);
    }
  }

  /** Runs `body` in a transaction; `writes` takes the write lock first, so that nothing read can go stale. */
  transaction<T>(writes: boolean, body: () => T): T {
    try {
      this.#database.exec(writes ? 'BEGIN IMMEDIATE' : 'BEGIN');
      const result = body();
      this.#database.exec('COMMIT');
      if (writes) this.#commits += 1;
      return result;
    } catch (error) {
      if (this.#database.inTransaction) this.#database.exec('ROLLBACK');
      throw describeSqliteError(error, this.#file, this.#busyTimeoutMs);
    }
  }

  /** Undoes what `body` wrote if it throws, and leaves the transaction open. */
  savepoint<T>(body: () => T): T {
    this.#database.exec('SAVEPOINT operation');
    try {
      const result = body();
      this.#database.exec('RELEASE operation');
      return result;
    } catch (error) {
      if (this.#database.inTransaction) this.#database.exec('ROLLBACK TO operation; RELEASE operation');
      throw error;
    }
  }

  /** Drives an operation to its end. */
  drive<T>(operation: Operation<T>): T {
    let step = operation.next();
    while (!step.done) {
      let answer: unknown;
      try {
        answer = this.#answer(step.value);
      } catch (error) {
        step = operation.throw(error);
        continue;
      }
      step = operation.next(answer);
    }
    return step.value;
  }

  /** Moves a long write-ahead log into the database, now and then: call it between transactions. */
  tidy(): void {
    if (this.#commits < 64) return;
    this.#commits = 0;
    this.#checkpointIfLong();
  }

  close(): void {
    this.#prepared.clear();
    this.#database.close();
  }

  #answer(request: Request): unknown {
    if (request.kind === 'now') {
      const clock = this.#prepare("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS ms").get();
      return (clock as { ms: number }).ms;
    }
    const { text, values } = request.statement;
    checkValues(request.statement);
    const statement = this.#prepare(text);
    return request.kind === 'rows'
      ? statement.all(values as SqlScalar[])
      : statement.run(values as SqlScalar[]).changes;
  }

  #prepare(text: string): Database.Statement {
    let statement = this.#prepared.get(text);
    if (statement === undefined) {
      statement = this.#database.prepare(text);
      this.#prepared.set(text, statement);
    }
    return statement;
  }

  #migrate(): void {
    if (this.#version() === migrations.length) return;
    this.transaction(true, () => {
      const version = this.#version();
      if (version > migrations.length) {
        throw new MillraceError('STORE_VERSION', {
          path: this.#file,
          expected: `a store of schema version ${migrations.length} or older`,
          received: `version ${version}`,
          hint: 'Update millrace.',
        });
      }
      if (version === 0) this.#database.exec('CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)');
      for (const [index, step] of migrations.entries()) {
        if (index < version) continue;
        for (const statement of step) this.#database.exec(statement);
        this.#database.exec(`INSERT INTO schema_version (version) VALUES (${index + 1})`);
      }
    });
  }

  #version(): number {
    const table = this.#database
      .prepare("SELECT count(*) AS present FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'")
      .get() as { present: number };
    if (table.present === 0) return 0;
    const newest = this.#database.prepare('SELECT max(version) AS version FROM schema_version').get();
    return (newest as { version: number | null }).version ?? 0;
  }

  #checkpointIfLong(): void {
    try {
      if (statSync(`${this.#file}-wal`).size < checkpointBytes) return;
      this.#database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all();
    } catch {
      // Nothing is lost: the log stays, and the next one who finds it long tries again.
    }
  }
}

const primaryCodes = new Map([
  [5, 'SQLITE_BUSY'],
  [10, 'SQLITE_IOERR'],
  [11, 'SQLITE_CORRUPT'],
  [13, 'SQLITE_FULL'],
  [14, 'SQLITE_CANTOPEN'],
]);

/** While opening, the bindings name SQLite's code by number at the end of a message of their own. */
function openDatabase(file: string): Database.Database {
  try {
    return new Database(file);
  } catch (error) {
    const code = primaryCodes.get(numberAtEnd((error as Error).message) & 0xff);
    if (code === undefined) throw error;
    throw Object.assign(new Error('it cannot be opened', { cause: error }), { code });
  }
}

function numberAtEnd(message: string): number {
  return Number(/: (\d+)\W*$/.exec(message)?.[1] ?? 0);
}

/** Several processes may create the file at once, and this switch does not wait for locks by itself. */
function useWriteAheadLog(database: Database.Database, busyTimeoutMs: number): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; ; waited += 5) {
    try {
      const [mode] = database.prepare('PRAGMA journal_mode = WAL').all() as { journal_mode: string }[];
      if (mode?.journal_mode === 'wal') return;
    } catch (error) {
      if (!isBusy(error) || waited >= busyTimeoutMs) throw error;
    }
    if (waited >= busyTimeoutMs) return;
    Atomics.wait(pause, 0, 0, 5);
  }
}

/** Errors of the file system while the store's directory is made. */
function asStoreError(error: unknown, file: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (typeof code !== 'string' || !/^E[A-Z]+$/.test(code)) return error;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new MillraceError(isFull ? 'DISK_FULL' : 'STORE_UNREADABLE', {
    path: file,
    expected: isFull ? 'room on the disk for the metadata store' : 'a directory that can be written',
    received: code,
    hint: isFull ? 'Free space and run again.' : 'Check the path and its permissions.',
    retryable: isFull,
    cause: error,
  });
}
