import type { z } from 'zod';
import { nearestName } from '../contracts/errors.js';
import { describeValue, oneOf } from './describe-value.js';
import { definitionOf, discriminatorValues, memberOf, schemasAt } from './schema-walk.js';

/** One thing that is wrong with a value, in our words; `path` leads to it. */
export interface Problem {
  readonly path: readonly string[];
  readonly expected: string;
  readonly received: string;
  readonly hint: string | null;
}

type Issue = z.core.$ZodIssue;
type IssueOf<C extends Issue['code']> = Extract<Issue, { code: C }>;

/** Words one issue of zod: several unknown keys are several problems, a union gives those of the form that is meant. */
export function wordIssue(issue: Issue, schema: z.ZodType, value: unknown): readonly Problem[] {
  const path = issue.path.map(String);
  const at = issue.path.reduce(memberOf, value);
  const problem = (expected: string, hint: string | null = null): Problem[] => [
    { path, expected, received: describeValue(at), hint },
  ];
  switch (issue.code) {
    case 'unrecognized_keys':
      return unknownKeys(issue, schema, value);
    case 'invalid_union':
      return wordUnion(issue, schema, value);
    case 'invalid_type':
      return problem(typeName(issue.expected));
    case 'invalid_value':
      return problem(oneOf(issue.values.map(literal)));
    case 'too_small':
      return problem(bound(issue.origin, 'least', issue.minimum, issue.inclusive !== false, issue.exact === true));
    case 'too_big':
      return problem(bound(issue.origin, 'most', issue.maximum, issue.inclusive !== false, issue.exact === true));
    case 'not_multiple_of':
      return problem(`a multiple of ${issue.divisor}`);
    case 'invalid_format':
      return problem(formatName(issue));
    case 'invalid_key': {
      const [first] = issue.issues.flatMap((one) => wordIssue({ ...one, path: [] }, schema, path.at(-1)));
      return [
        {
          path,
          expected: `a key that is ${first?.expected ?? 'known'}`,
          received: describeValue(path.at(-1)),
          hint: null,
        },
      ];
    }
    default:
      return problem(issue.message === 'Invalid input' ? 'a value that passes its check' : sentence(issue.message));
  }
}

function unknownKeys(issue: IssueOf<'unrecognized_keys'>, schema: z.ZodType, value: unknown): readonly Problem[] {
  const known = [
    ...new Set(schemasAt(schema, value, issue.path).flatMap((form) => Object.keys(definitionOf(form).shape ?? {}))),
  ];
  return issue.keys.map((key) => {
    const nearest = nearestName(key, known);
    return {
      path: [...issue.path.map(String), key],
      expected: known.length > 0 ? `one of the keys ${known.join(', ')}` : 'no keys',
      received: describeValue(key),
      hint: nearest === null ? 'Remove it.' : `Did you mean '${nearest}'?`,
    };
  });
}

function wordUnion(issue: IssueOf<'invalid_union'>, schema: z.ZodType, value: unknown): readonly Problem[] {
  const path = issue.path.map(String);
  const received = describeValue(issue.path.reduce(memberOf, value));
  const discriminator = 'discriminator' in issue ? issue.discriminator : undefined;
  if (typeof discriminator === 'string') {
    const forms = unionOptions(schema, value, issue.path.slice(0, -1));
    const kinds = forms.flatMap((form) => discriminatorValues(form, discriminator)).map(literal);
    const given = issue.path.reduce(memberOf, value);
    const nearest = typeof given === 'string' ? nearestName(`'${given}'`, kinds) : null;
    return [{ path, expected: oneOf(kinds), received, hint: nearest === null ? null : `Did you mean ${nearest}?` }];
  }
  const forms = issue.errors.map((issues) =>
    issues.flatMap((one) => wordIssue({ ...one, path: [...issue.path, ...one.path] } as Issue, schema, value)),
  );
  // A form whose one problem is the value itself is another form than the one that was meant.
  const isOther = (problems: readonly Problem[]): boolean => problems.every((one) => one.path.length === path.length);
  const meant = forms.filter((problems) => !isOther(problems)).sort((a, b) => a.length - b.length)[0];
  if (meant !== undefined) return meant;
  const expected = [...new Set(forms.flatMap((problems) => problems.map((one) => one.expected)))];
  return [
    { path, expected: expected.length === 0 ? 'one of the documented forms' : oneOf(expected), received, hint: null },
  ];
}

/** The options of the union that `path` leads to. */
function unionOptions(schema: z.ZodType, value: unknown, path: readonly PropertyKey[]): readonly z.ZodType[] {
  return schemasAt(schema, value, path);
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}

const typeNames: Readonly<Record<string, string>> = {
  int: 'an integer',
  number: 'a finite number',
  boolean: 'true or false',
  string: 'a string',
  bigint: 'a bigint',
  date: 'a Date',
  object: 'an object',
  record: 'an object',
  array: 'an array',
  tuple: 'an array',
  null: 'null',
  undefined: 'nothing',
  never: 'nothing',
  nonoptional: 'a value',
};

function typeName(expected: string): string {
  return typeNames[expected] ?? `${/^[aeiou]/.test(expected) ? 'an' : 'a'} ${expected}`;
}

function bound(
  origin: string,
  end: 'least' | 'most',
  limit: number | bigint,
  isInclusive: boolean,
  isExact: boolean,
): string {
  if (origin === 'date') {
    const day = new Date(Number(limit)).toISOString();
    return end === 'least' ? `a Date from ${day} on` : `a Date until ${day}`;
  }
  const relation = isExact ? 'exactly' : isInclusive ? `at ${end}` : end === 'least' ? 'more than' : 'less than';
  const units: Readonly<Record<string, string>> = { string: 'character', array: 'entry', set: 'entry', tuple: 'entry' };
  const unit = units[origin];
  if (unit === undefined) return `${relation} ${limit}`;
  return `${relation} ${limit} ${Number(limit) === 1 ? unit : unit === 'entry' ? 'entries' : `${unit}s`}`;
}

const formatNames: Readonly<Record<string, string>> = {
  date: 'a date as YYYY-MM-DD',
  datetime: 'a time as ISO 8601, such as 2026-01-01T00:00:00Z',
  time: 'a time of day as HH:MM:SS',
  duration: 'a duration as ISO 8601, such as P30D',
  url: 'a URL',
  email: 'an email address',
  uuid: 'a UUID',
};

function formatName(issue: IssueOf<'invalid_format'>): string {
  switch (issue.format) {
    case 'regex':
      return `a text that matches ${issue.pattern ?? 'the documented pattern'}`;
    case 'starts_with':
      return `a text that begins with '${(issue as { prefix?: string }).prefix}'`;
    case 'ends_with':
      return `a text that ends with '${(issue as { suffix?: string }).suffix}'`;
    case 'includes':
      return `a text that contains '${(issue as { includes?: string }).includes}'`;
    default:
      return formatNames[issue.format] ?? `a text in the format ${issue.format}`;
  }
}

/** A message of a user's own check, worded so that it follows "expected". */
function sentence(message: string): string {
  return message.replace(/\.$/, '');
}
