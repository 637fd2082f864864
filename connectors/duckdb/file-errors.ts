import { basename } from 'node:path';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { article, firstLine, kindOfText, withoutValues } from './error-wording.js';

/** What DuckDB says about a file: missing, torn, of another type; null where it speaks of something else. */
export function fromFile(message: string): MillraceError | null {
  return fromCsv(message) ?? fromJsonFile(message) ?? fromParquet(message) ?? fromMissing(message);
}

function fromCsv(message: string): MillraceError | null {
  const file = /\n\s+file = (.*)\n/.exec(message)?.[1] ?? /sniffing file "([^"]*)"/.exec(message)?.[1];
  if (file === undefined) return null;
  const line = /CSV Error on Line: (\d+)/.exec(message)?.[1];
  const path = line === undefined ? file : `${file}:${line}`;
  const conversion =
    /Error when converting column "((?:[^"]|"")*)"\. Could not convert string "([\s\S]*?)" to '([^']*)'/.exec(message);
  if (conversion) {
    const [, column = '', text = '', type = ''] = conversion;
    return new MillraceError('DATA_TYPE', {
      path,
      expected: `${article(type)} in column '${column}'`,
      received: kindOfText(text),
      hint: 'Mend the file, name the word in `nulls`, or declare the column as t.string and clean it in SQL.',
      details: { file, line: line === undefined ? null : Number(line), column },
    });
  }
  if (/unterminated quote/i.test(message)) {
    return new MillraceError('SOURCE_MALFORMED', {
      path,
      expected: 'every quoted field to be closed',
      received: 'a quote that opens on this line and never closes',
      hint: 'Close the quote, or double it where it is part of the text.',
      details: { file, line: line === undefined ? null : Number(line) },
    });
  }
  const counts = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(message);
  if (counts) {
    return new MillraceError('SOURCE_MALFORMED', {
      path,
      expected: `${counts[1]} fields`,
      received: counts[2] ?? '',
      hint: 'Mend the line, or name another delimiter.',
      details: { file, line: line === undefined ? null : Number(line) },
    });
  }
  const reason = /(Maximum line size|Invalid unicode|not utf-8 encoded|invalid byte sequence|null byte)/i.exec(
    message,
  )?.[1];
  return new MillraceError('SOURCE_MALFORMED', {
    path,
    expected: 'a CSV file in UTF-8 that keeps one shape',
    received:
      reason === undefined ? 'one whose quotes and delimiters do not agree' : `one with: ${reason.toLowerCase()}`,
    details: { file, line: line === undefined ? null : Number(line) },
  });
}

function fromJsonFile(message: string): MillraceError | null {
  const found =
    /(?:JSON (?:in|transform error in) file) "([^"]*)"(?:, (?:at byte \d+ )?in (?:line|record\/value) (\d+))?:? ?(.*)/i.exec(
      message,
    );
  if (!found) return null;
  const [, file = '', shown, reason = ''] = found;
  // Malformed lines are counted from 2, others from 1.
  const line = shown !== undefined && /Malformed/.test(message) ? String(Math.max(1, Number(shown) - 1)) : shown;
  const path = line === undefined ? file : `${file}:${line}`;
  if (/transform error/i.test(message)) {
    return new MillraceError('DATA_TYPE', {
      path,
      expected: 'values of the declared types',
      received: withoutValues(reason),
      hint: 'Mend the file, or declare the column as t.string and clean it in SQL.',
      details: { file },
    });
  }
  return new MillraceError('SOURCE_MALFORMED', {
    path,
    expected: 'one JSON object on every line',
    received: reason.trim().replace(/\.$/, '') || 'something else',
    details: { file },
  });
}

function fromParquet(message: string): MillraceError | null {
  const isParquet = /parquet|footer|magic bytes|thrift|TProtocol|snappy|zstd|decompress|page header|row group/i.test(
    message,
  );
  const file =
    /file '([^']+)'/.exec(message)?.[1] ??
    /[Ff]ile "([^"]+)"/.exec(message)?.[1] ??
    /'([^']+\.parquet)'/.exec(message)?.[1];
  const isRead = /^(Invalid Input|IO|INTERNAL|Invalid) Error|^TProtocolException|^Error/.test(message);
  if (!isParquet || !isRead || /No files found|Cannot open file/.test(message)) return null;
  return new MillraceError('SOURCE_MALFORMED', {
    path: file ?? 'parquet',
    expected: 'a whole Parquet file',
    received: `one that cannot be read: ${firstLine(message)
      .replace(/^[A-Za-z ]+ Error: /, '')
      .replace(/(?: (?:in|for) file)? '[^']*'/g, '')
      .replace(/[.:]\s*$/, '')}`,
    hint: 'Write the file again from its source.',
    details: { file: file ?? null },
  });
}

function fromMissing(message: string): MillraceError | null {
  const file =
    /No files found that match the pattern "([^"]*)"/.exec(message)?.[1] ??
    /Cannot open file "([^"]*)": No such file/.exec(message)?.[1];
  if (file !== undefined) {
    return new MillraceError('SOURCE_NOT_FOUND', {
      path: file,
      expected: 'a file',
      received: `none named '${basename(file)}'`,
    });
  }
  const refused = /^Permission Error: Cannot access (?:file|directory) "([^"]*)"/.exec(message)?.[1];
  if (refused === undefined && !message.startsWith('Permission Error')) return null;
  return new MillraceError('SQL_REFUSED', {
    path: 'sql',
    expected: 'a statement that reads the datasets it is given',
    received:
      refused === undefined ? firstLine(message).replace('Permission Error: ', '') : `the file '${basename(refused)}'`,
    hint: 'Name files by csv(), parquet(), json() or arrow().',
  });
}
