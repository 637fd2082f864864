import { MillraceError } from '../../pipelines/contracts/errors.js';

/** What a column holds: integers and floats are numbers, documents are JSON text. */
export type SqlScalar = null | number | string;

/** A statement with its values; `?` stands for each value in order (a PostgreSQL driver writes `$1`, `$2`, …). */
export interface Statement {
  readonly text: string;
  readonly values: readonly SqlScalar[];
}

const texts = new WeakMap<TemplateStringsArray, string>();

/** SQL with bound values. One template is one text, so that drivers keep its prepared statement by text. */
export function sql(strings: TemplateStringsArray, ...values: readonly SqlScalar[]): Statement {
  let text = texts.get(strings);
  if (text === undefined) {
    text = strings.join('?').replace(/\s+/g, ' ').trim();
    texts.set(strings, text);
  }
  return { text, values };
}

/**
 * libsql cuts text at NUL and ends the process on a value of another type; PostgreSQL has no text with NUL.
 * Neither may reach a driver. @throws NAME_INVALID, INTERNAL
 */
export function checkValues(statement: Statement): void {
  for (const value of statement.values) {
    if (value === null || typeof value === 'number') continue;
    if (typeof value === 'string') {
      if (!value.includes('\0')) continue;
      throw new MillraceError('NAME_INVALID', {
        path: 'metadata',
        expected: 'text without NUL characters',
        received: 'text that holds one',
        hint: 'Choose another name.',
      });
    }
    throw new MillraceError('INTERNAL', {
      path: 'metadata',
      expected: 'a text, a number or null in every column',
      received: typeof value,
    });
  }
}

/** What an operation asks of its driver. */
export type Request =
  | { readonly kind: 'rows'; readonly statement: Statement }
  | { readonly kind: 'run'; readonly statement: Statement }
  | { readonly kind: 'now' };

/**
 * An operation on the store, as a coroutine: it yields statements and gets their results.
 * A synchronous driver (SQLite in its worker) and an asynchronous one (PostgreSQL) run the same code;
 * a driver runs each operation inside a transaction.
 */
export type Operation<T> = Generator<Request, T, unknown>;

export function* rows<R>(statement: Statement): Operation<readonly R[]> {
  return (yield { kind: 'rows', statement }) as readonly R[];
}

export function* row<R>(statement: Statement): Operation<R | null> {
  const [first] = yield* rows<R>(statement);
  return first ?? null;
}

/** @returns how many rows changed. */
export function* run(statement: Statement): Operation<number> {
  return (yield { kind: 'run', statement }) as number;
}

/** The database's clock, ms since 1970. */
export function* now(): Operation<number> {
  return (yield { kind: 'now' }) as number;
}

/** The outcome of an operation that was refused but leaves a trace: its writes are kept, its caller gets the error. */
export class Refusal {
  readonly error: Error;

  constructor(error: Error) {
    this.error = error;
  }
}
