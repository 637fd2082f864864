import { z } from 'zod';
import { MillraceError, nearestName } from '../contracts/errors.js';
import { describeValue } from './describe-value.js';

/** Options of `csv`. */
export interface CsvOptions {
  /** Does the first line name the columns? Default true, or false where `names` are given. */
  readonly header?: boolean;
  /** Column names for files without a header. */
  readonly names?: readonly string[];
  /** Words that mean NULL, besides the empty field: `['?', 'NA']`. Default none. */
  readonly nulls?: readonly string[];
  /** Strip white space around every field. Default false. */
  readonly trim?: boolean;
  /** Adds a column of this name (int64) with the line number, from 1, the header counted. */
  readonly lineNumber?: string;
  /** One character. Default ','. */
  readonly delimiter?: string;
}

export const csvSchema = z.strictObject({
  header: z.boolean().optional(),
  names: z.array(z.string().min(1)).min(1).optional(),
  nulls: z.array(z.string()).default([]),
  trim: z.boolean().default(false),
  lineNumber: z.string().min(1).nullable().default(null),
  delimiter: z.string().length(1).default(','),
  columns: z.unknown().optional(),
  key: z.unknown().optional(),
});

/** What contradicts itself in the options, or the declared columns. */
export function csvProblems(options: z.output<typeof csvSchema>, columns: unknown): readonly MillraceError[] {
  const { names, lineNumber, delimiter } = options;
  const problems: MillraceError[] = [];
  const invalid = (path: string, expected: string, received: string, hint?: string): void => {
    problems.push(
      new MillraceError('CONFIG_INVALID', { path, expected, received, ...(hint === undefined ? {} : { hint }) }),
    );
  };
  if (['"', '\n', '\r', '\0'].includes(delimiter)) {
    invalid('csv.delimiter', 'a character other than a quote or a line break', describeValue(delimiter));
  }
  if (options.header === true && names !== undefined) {
    invalid('csv.names', 'a header or names', 'both', 'Remove one of the two.');
  }
  if (names === undefined) return problems;
  const lower = names.map((name) => name.toLowerCase());
  const twice = lower.findIndex((name, index) => lower.indexOf(name) !== index);
  if (twice >= 0) invalid(`csv.names.${twice}`, 'each name once, whatever its case', `'${names[twice]}' again`);
  if (lineNumber !== null && lower.includes(lineNumber.toLowerCase())) {
    invalid('csv.lineNumber', 'a name that is not among the names', `'${lineNumber}'`);
  }
  for (const column of Object.keys(columns ?? {})) {
    if (names.includes(column) || column === lineNumber) continue;
    const nearest = nearestName(column, names);
    invalid(
      `csv.columns.${column}`,
      `one of the names ${names.join(', ')}`,
      `'${column}'`,
      nearest === null ? undefined : `Did you mean '${nearest}'?`,
    );
  }
  return problems;
}
