import type { z } from 'zod';
import { type ErrorCode, MillraceError, nearestName, throwProblems } from '../contracts/errors.js';

/**
 * Checks what a user wrote against a schema and returns the complete, frozen options.
 *
 * @param path - what the options belong to, for example `fit` or `params`.
 * @throws every problem at once, each with its dot path; an unknown key names the nearest known one.
 */
export function parseOptions<T>(schema: z.ZodType<T>, value: unknown, path: string, code: ErrorCode = 'CONFIG_INVALID'): T {
  const result = schema.safeParse(value);
  if (result.success) return freezeDeep(result.data);
  throwProblems(result.error.issues.flatMap((issue) => problemsOf(issue, schema, value, path, code)));
  throw new Error('unreachable: a failed parse has issues');
}

type Issue = z.core.$ZodIssue;

function problemsOf(issue: Issue, schema: z.ZodType, value: unknown, root: string, code: ErrorCode): MillraceError[] {
  const at = issue.path.map(String);
  const path = [root, ...at].join('.');
  const received = describeValue(valueAt(value, issue.path));
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = knownKeys(schema, issue.path);
      return issue.keys.map((key) => {
        const nearest = nearestName(key, known);
        return new MillraceError(code, {
          path: [root, ...at, key].join('.'),
          expected: known.length > 0 ? `one of the keys ${known.join(', ')}` : 'no such key',
          received: `'${key}'`,
          hint: nearest === null ? 'Remove it.' : `Did you mean '${nearest}'?`,
        });
      });
    }
    case 'invalid_type':
      return [new MillraceError(code, { path, expected: article(issue.expected), received })];
    case 'too_small':
      return [new MillraceError(code, { path, expected: bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum), received })];
    case 'too_big':
      return [new MillraceError(code, { path, expected: bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum), received })];
    case 'invalid_value':
      return [new MillraceError(code, { path, expected: `one of ${issue.values.map((item) => JSON.stringify(item)).join(', ')}`, received })];
    case 'invalid_format':
      return [new MillraceError(code, { path, expected: formatName(issue.format), received })];
    case 'invalid_union': {
      const nested = issue.errors.map((issues) => issues.flatMap((one) => problemsOf({ ...one, path: [...issue.path, ...one.path] } as Issue, schema, value, root, code)));
      const kinds = 'discriminator' in issue ? issue.discriminator : undefined;
      if (nested.every((problems) => problems.length === 0)) {
        return [new MillraceError(code, { path, expected: kinds === undefined ? 'one of the documented forms' : `a known ${kinds}`, received })];
      }
      return nested.filter((problems) => problems.length > 0).sort((a, b) => a.length - b.length)[0] ?? [];
    }
    default:
      return [new MillraceError(code, { path, expected: issue.message.replace(/\.$/, ''), received })];
  }
}

function article(expected: string): string {
  const names: Record<string, string> = { int: 'an integer', object: 'an object', array: 'an array', string: 'a string', number: 'a finite number', boolean: 'true or false', record: 'an object', bigint: 'a bigint', date: 'a Date' };
  return names[expected] ?? `a ${expected}`;
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  if (origin === 'string') return `${relation} ${limit} characters`;
  if (origin === 'array' || origin === 'set') return `${relation} ${limit} entries`;
  return `${relation} ${limit}`;
}

function formatName(format: string): string {
  const names: Record<string, string> = { date: 'a date as YYYY-MM-DD', datetime: 'a time as ISO 8601', regex: 'a text of the documented pattern', url: 'a URL', uuid: 'a UUID' };
  return names[format] ?? `a text in the format ${format}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, key) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined), value);
}

/** A value in a few words; long texts are cut. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 57)}…` : value}'`;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'function') return 'a function';
  if (value instanceof Date) return 'a Date';
  return typeof value === 'object' ? 'an object' : typeof value;
}

interface Definition {
  readonly shape?: Record<string, z.ZodType>;
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly element?: z.ZodType;
}

function definitionOf(schema: z.ZodType): Definition {
  return (schema as unknown as { _zod: { def: Definition } })._zod.def;
}

function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const definition = definitionOf(schema);
  if (definition.innerType !== undefined) return knownKeys(definition.innerType, path);
  if (definition.in !== undefined) return knownKeys(definition.in, path);
  if (definition.options !== undefined) return [...new Set(definition.options.flatMap((option) => knownKeys(option, path)))];
  const [key, ...rest] = path;
  if (key === undefined) return Object.keys(definition.shape ?? {});
  const next = typeof key === 'number' ? definition.element : definition.shape?.[String(key)];
  return next === undefined ? [] : knownKeys(next, rest);
}

/** Freezes plain objects and arrays all the way down. */
export function freezeDeep<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    const prototype = Object.getPrototypeOf(value);
    if (Array.isArray(value) || prototype === Object.prototype || prototype === null) {
      for (const member of Object.values(value)) freezeDeep(member);
      Object.freeze(value);
    }
  }
  return value;
}
