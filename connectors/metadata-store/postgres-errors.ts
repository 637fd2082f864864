import { type ErrorCode, type ErrorFields, isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';
import type { PostgresAddress } from './postgres-address.js';

/** SQLSTATE, Node's code of a socket error, or '' where the driver says it by its message alone. */
function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return error instanceof Error && typeof code === 'string' ? code : '';
}

const lostMessage =
  /^Connection terminated|not queryable$|^Query read timeout|^timeout exceeded when trying to connect/;

/** The session is gone, or there was none: the server stopped, crashed, is starting, or cannot be reached. */
export function isConnectionLost(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== '') return /^(08|57P0[1-5]|25P0[34]|E[A-Z]+$)/.test(code);
  return error instanceof Error && lostMessage.test(error.message);
}

/** It may do without the session soon: also a server with no place for one more session. */
export function isWorthWaiting(error: unknown): boolean {
  return isConnectionLost(error) || codeOf(error) === '53300';
}

/** The transaction lost a race and is to be run again. */
export function isRaceLost(error: unknown): boolean {
  return codeOf(error) === '40001' || codeOf(error) === '40P01';
}

/** Whether the whole transaction is lost, not only the operation that met the error. */
export function isFatal(error: unknown): boolean {
  return isConnectionLost(error) || isRaceLost(error) || /^(53|55P03|58|XX|25006)/.test(codeOf(error));
}

export function isMissingSchema(error: unknown): boolean {
  return codeOf(error) === '42P01' || codeOf(error) === '3F000';
}

type Fields = Omit<ErrorFields, 'path' | 'cause'>;

function describe(error: unknown, address: PostgresAddress, busyTimeoutMs: number): [ErrorCode, Fields] | null {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  if (code === '55P03') {
    return [
      'STORE_LOCKED',
      {
        expected: `its locks within ${busyTimeoutMs} ms`,
        received: 'another session that holds one',
        hint: 'Wait for the other process or end it.',
        retryable: true,
      },
    ];
  }
  if (code === '53300') {
    return [
      'STORE_LOCKED',
      {
        expected: 'room for one more session on the server',
        received: 'none',
        hint: 'End other processes, or raise max_connections of the server.',
        retryable: true,
      },
    ];
  }
  if (code === '53100') {
    return [
      'DISK_FULL',
      {
        expected: "room on the server's disk",
        received: 'none',
        hint: 'Free space there and run again; what was committed is whole.',
        retryable: true,
      },
    ];
  }
  if (code === '28P01' || code === '28000') {
    return [
      'STORE_UNREADABLE',
      {
        expected: 'a user and a password that the server takes',
        received: `its refusal of user '${address.user}'`,
        hint: "Check both in the URL (or PGPASSWORD), and the server's pg_hba.conf.",
      },
    ];
  }
  if (/client password must be a (non-empty )?string/.test(message)) {
    return [
      'STORE_UNREADABLE',
      {
        expected: `a password for user '${address.user}'`,
        received: 'none',
        hint: 'Give it in the URL, or in PGPASSWORD.',
      },
    ];
  }
  if (code === '3D000') {
    return [
      'STORE_UNREADABLE',
      {
        expected: 'a database of this name on the server',
        received: 'none',
        hint: `Create it (CREATE DATABASE "${address.database}"), or name another.`,
      },
    ];
  }
  if (code === '42501') {
    return [
      'STORE_UNREADABLE',
      {
        expected: `a user with rights on the schema 'millrace'`,
        received: message,
        hint: `Let the database's owner open the store once and run: GRANT USAGE ON SCHEMA millrace TO "${address.user}"; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA millrace TO "${address.user}".`,
      },
    ];
  }
  if (code === '25006') {
    return [
      'STORE_UNREADABLE',
      { expected: 'a server that takes writes', received: 'a read-only one', hint: 'Name the primary in the URL.' },
    ];
  }
  if (code === '57P03') {
    return [
      'STORE_UNREADABLE',
      {
        expected: 'a server that takes sessions',
        received: message,
        hint: 'Wait until it has started, and run again.',
        retryable: true,
      },
    ];
  }
  if (/^E[A-Z]+$/.test(code) || /timeout/.test(message)) {
    return [
      'STORE_UNREADABLE',
      {
        expected: `a PostgreSQL server on ${address.host}`,
        received: code === '' ? 'no answer in time' : code,
        hint: 'Start it, or check host and port; what was committed is whole.',
        retryable: true,
      },
    ];
  }
  if (isConnectionLost(error)) {
    return [
      'STORE_UNREADABLE',
      {
        expected: 'a session that lasts',
        received: 'its end by the server',
        hint: 'Run again: the next call connects anew, and what was committed is whole.',
        retryable: true,
      },
    ];
  }
  if (/does not support SSL/.test(message)) {
    return [
      'STORE_UNREADABLE',
      {
        expected: 'a server with TLS',
        received: 'one without',
        hint: 'Switch TLS on there, or remove sslmode from the URL.',
      },
    ];
  }
  return null;
}

/** PostgreSQL's errors in our words; others stay. */
export function describePostgresError(error: unknown, address: PostgresAddress, busyTimeoutMs: number): unknown {
  if (isMillraceError(error)) return error;
  const described = describe(error, address, busyTimeoutMs);
  if (described === null) return error;
  const [code, fields] = described;
  return new MillraceError(code, { path: address.shown, ...fields, cause: error });
}
