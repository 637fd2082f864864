// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the texts show users what to write.
import { isMillraceError, MillraceError, nearestName } from '../../pipelines/contracts/errors.js';
import { firstLine, typeNames, withoutValues } from './error-wording.js';
import { fromFile } from './file-errors.js';

/** What ran when DuckDB complained. */
export interface FailedStatement {
  /** Where errors point: a stage's option, or `sql`. */
  readonly path: string;
  readonly isCancelled: boolean;
}

/** DuckDB's complaint as an error of the one list. Values and rows that its texts quote are left behind. */
export function mapDuckdbError(error: unknown, failed: FailedStatement): MillraceError {
  if (isMillraceError(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (failed.isCancelled || message.startsWith('INTERRUPT Error')) return cancelled(failed.path);
  const at = placeInText(message);
  const path = at === null ? failed.path : `${failed.path}:${at}`;
  return (
    fromDisk(message, failed.path) ??
    fromFile(message) ??
    fromParser(message, path) ??
    fromBinder(message, path) ??
    fromValues(message, path) ??
    new MillraceError('INTERNAL', {
      path: failed.path,
      expected: 'DuckDB to run the statement',
      received: withoutValues(firstLine(message)),
      cause: error,
    })
  );
}

export function cancelled(path: string): MillraceError {
  return new MillraceError('CANCELLED', { path, expected: 'to run to its end', received: 'a cancellation' });
}

function fromDisk(message: string, path: string): MillraceError | null {
  const isFull =
    /No space left on device|max_temp_directory_size|Disk quota exceeded|File too large|failed to offload data block/i.test(
      message,
    ) || /Could not write (all|file)/i.test(message);
  if (isFull) {
    return new MillraceError('DISK_FULL', {
      path,
      expected: 'room on the disk for the result and what is spilled',
      received: 'a full disk',
      hint: 'Free some space, or point the store at a larger disk.',
      retryable: true,
    });
  }
  if (message.startsWith('Out of Memory Error')) {
    return new MillraceError('MEMORY_FULL', {
      path,
      expected: 'a statement that fits into its memory and what it may spill',
      received: 'one that needs more',
      hint: 'Aggregate in steps, or use a machine with more memory.',
    });
  }
  return null;
}

function fromParser(message: string, path: string): MillraceError | null {
  if (!message.startsWith('Parser Error')) return null;
  return new MillraceError('SQL_INVALID', {
    path,
    expected: 'one SELECT statement',
    received: firstLine(message).replace('Parser Error: ', '').replace(/[.!]$/, ''),
  });
}

function fromBinder(message: string, path: string): MillraceError | null {
  const text = firstLine(message).replace(/^(Binder|Catalog) Error: /, '');
  if (!/^(Binder|Catalog) Error/.test(message)) return null;
  const column =
    /Referenced column "((?:[^"]|"")*)"/.exec(text)?.[1] ??
    /does not have a column named "((?:[^"]|"")*)"/.exec(text)?.[1] ??
    /Referenced (?:table|column) "[^"]*" .*column "([^"]*)"/.exec(text)?.[1] ??
    /[Cc]olumn "([^"]*)" (?:in .*)?(?:not found|does not exist)/.exec(text)?.[1];
  if (column !== undefined) {
    const candidates = [...(/Candidate bindings: (.*)/.exec(message)?.[1] ?? '').matchAll(/"((?:[^"]|"")*)"/g)]
      .map((match) => match[1] ?? '')
      .map((name) => name.split('.').at(-1) ?? name);
    return unknownColumn(path, column, candidates);
  }
  const table =
    /Table with name (.*?) does not exist/.exec(text)?.[1] ?? /Referenced table "([^"]*)" not found/.exec(text)?.[1];
  if (table !== undefined) {
    return new MillraceError('SQL_INVALID', {
      path,
      expected: 'the datasets it was given, or its own WITH and FROM names',
      received: `the table '${table}'`,
      hint: 'Put a dataset into the text as ${dataset}.',
    });
  }
  const unknownFunction = /(?:Scalar|Aggregate|Table|Macro)? ?Function with name (\S+) does not exist/i.exec(text)?.[1];
  if (unknownFunction !== undefined) {
    const near = /Did you mean "([^"]*)"/.exec(message)?.[1];
    return new MillraceError('SQL_INVALID', {
      path,
      expected: 'a function that DuckDB has',
      received: `'${unknownFunction}'`,
      ...(near === undefined ? {} : { hint: `Did you mean '${near}'?` }),
    });
  }
  const arguments_ =
    /No function matches the given name and argument types '([^']*)'/.exec(text)?.[1] ??
    /candidate function for the function call "([^"]*)"/.exec(text)?.[1];
  if (arguments_ !== undefined) {
    return new MillraceError('SQL_INVALID', {
      path,
      expected: 'a function of these argument types',
      received: `'${arguments_}'`,
      hint: 'Write the cast it needs; a bound number is a DOUBLE, a bound bigint a BIGINT.',
    });
  }
  return new MillraceError('SQL_INVALID', {
    path,
    expected: 'a statement that binds',
    received: withoutValues(text).replace(/[.!]$/, ''),
  });
}

/** The error for a column that no table of the statement has. */
export function unknownColumn(path: string, column: string, candidates: readonly string[]): MillraceError {
  const near = nearestName(column, candidates);
  return new MillraceError('SQL_UNKNOWN_COLUMN', {
    path,
    expected:
      candidates.length > 0
        ? `a column of the tables it reads, such as ${candidates
            .slice(0, 8)
            .map((name) => `'${name}'`)
            .join(', ')}`
        : 'a column of the tables it reads',
    received: `'${column}'`,
    ...(near === null ? {} : { hint: `Did you mean '${near}'?` }),
    details: { column, nearest: near },
  });
}

function fromValues(message: string, path: string): MillraceError | null {
  const text = firstLine(message);
  if (text.startsWith('Conversion Error')) {
    const target =
      /(?:destination type|to '?)([A-Z_0-9]+(?:\(\d+, ?\d+\))?)'?/.exec(text)?.[1] ??
      /cast to ([A-Z_0-9]+)/.exec(text)?.[1] ??
      /invalid (date|timestamp)/.exec(text)?.[1];
    const isRange = /out of range/.test(text);
    const column = /casting from source column (.+?)\s*$/.exec(text)?.[1];
    return new MillraceError(isRange ? 'DATA_OUT_OF_RANGE' : 'DATA_TYPE', {
      path,
      expected: `values that cast to ${target === undefined ? 'the type' : (typeNames[target] ?? target.toLowerCase())}${column === undefined ? '' : ` in '${column}'`}`,
      received: isRange ? 'one out of its range' : 'one that does not',
      hint: 'Clean the values before the cast, or use TRY_CAST and handle NULL.',
    });
  }
  if (text.startsWith('Out of Range Error')) {
    const isOverflow = /overflow/i.test(text);
    return new MillraceError('DATA_OUT_OF_RANGE', {
      path,
      expected: isOverflow ? 'arithmetic that stays in its type' : 'arguments that the function is defined for',
      received: withoutValues(text.replace('Out of Range Error: ', '')).replace(/[.!]$/, ''),
      hint: isOverflow
        ? 'Cast an operand to a wider type first.'
        : 'Filter such rows, or write CASE WHEN around the call.',
    });
  }
  const raised = /^Invalid Input Error: (.*)/.exec(text)?.[1];
  if (raised !== undefined) {
    return new MillraceError('DATA_TYPE', {
      path,
      expected: 'values that the statement can work on',
      received: withoutValues(raised).replace(/[.!]$/, ''),
    });
  }
  return null;
}

/** Line and column of DuckDB's caret, as `line:column`. */
function placeInText(message: string): string | null {
  const found = /\nLINE (\d+): (.*)\n(\s*)\^/.exec(message);
  if (!found) return null;
  const [, line = '', shown = '', indent = ''] = found;
  const column = indent.length - `LINE ${line}: `.length + 1;
  // A long line is shown from its middle; the column is then unknown.
  return shown.startsWith('...') || column < 1 ? line : `${line}:${column}`;
}
