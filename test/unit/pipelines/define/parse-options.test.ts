import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { describeValue } from '../../../../pipelines/define/describe-value.js';
import { parseOptions } from '../../../../pipelines/define/parse-options.js';
import { thrown } from '../thrown.js';

const said = (schema: z.ZodType, value: unknown): readonly string[] =>
  thrown(() => parseOptions(schema, value, 'x')).map(([code, text]) => {
    expect(code).toBe('CONFIG_INVALID');
    return text;
  });

const wordings: readonly (readonly [string, z.ZodType, unknown, readonly string[]])[] = [
  ['nothing for an object', z.strictObject({ a: z.string() }), undefined, ['x: expected an object; received nothing.']],
  ['null for an object', z.strictObject({ a: z.string() }), null, ['x: expected an object; received null.']],
  ['a missing key', z.strictObject({ a: z.string() }), {}, ['x.a: expected a string; received nothing.']],
  ['NaN', z.number(), Number.NaN, ['x: expected a finite number; received NaN.']],
  ['infinity', z.number(), Number.POSITIVE_INFINITY, ['x: expected a finite number; received Infinity.']],
  ['a fraction for an integer', z.int(), 1.5, ['x: expected an integer; received 1.5.']],
  ['too small', z.int().min(1), 0, ['x: expected at least 1; received 0.']],
  ['not above', z.number().positive(), 0, ['x: expected more than 0; received 0.']],
  ['too big', z.number().max(1), 2, ['x: expected at most 1; received 2.']],
  ['not below', z.number().lt(1), 1, ['x: expected less than 1; received 1.']],
  ['no multiple', z.number().multipleOf(5), 7, ['x: expected a multiple of 5; received 7.']],
  ['an empty string', z.string().min(1), '', ["x: expected at least 1 character; received ''."]],
  ['a long string', z.string().max(2), 'abc', ["x: expected at most 2 characters; received 'abc'."]],
  ['a string of another length', z.string().length(1), ',,', ["x: expected exactly 1 character; received ',,'."]],
  ['an empty array', z.array(z.string()).min(1), [], ['x: expected at least 1 entry; received an empty array.']],
  ['an entry of another type', z.array(z.string()), ['a', 2], ['x.1: expected a string; received 2.']],
  ['a boolean', z.boolean(), 'true', ["x: expected true or false; received 'true'."]],
  ['a literal', z.literal('a'), 'b', ["x: expected 'a'; received 'b'."]],
  ['an enum', z.enum(['a', 'b', 'c']), 'd', ["x: expected 'a', 'b' or 'c'; received 'd'."]],
  ['a date', z.iso.date(), '2026-02-30', ["x: expected a date as YYYY-MM-DD; received '2026-02-30'."]],
  [
    'a time',
    z.iso.datetime(),
    'now',
    ["x: expected a time as ISO 8601, such as 2026-01-01T00:00:00Z; received 'now'."],
  ],
  ['a pattern', z.string().regex(/^a+$/), 'b', ["x: expected a text that matches /^a+$/; received 'b'."]],
  ['a URL', z.url(), 'b', ["x: expected a URL; received 'b'."]],
  ['a beginning', z.string().startsWith('s3://'), 'b', ["x: expected a text that begins with 's3://'; received 'b'."]],
  [
    'a check of its own',
    z.number().refine((n) => n % 2 === 0, 'an even number'),
    3,
    ['x: expected an even number; received 3.'],
  ],
  [
    'a check without words',
    z.number().refine(() => false),
    3,
    ['x: expected a value that passes its check; received 3.'],
  ],
  [
    'an unknown key that is near a known one',
    z.strictObject({ batchSize: z.int().optional(), seed: z.int().optional() }),
    { batchsize: 1 },
    ["x.batchsize: expected one of the keys batchSize, seed; received 'batchsize'. Did you mean 'batchSize'?"],
  ],
  [
    'an unknown key that is near none',
    z.strictObject({ seed: z.int().optional() }),
    { quux: 1 },
    ["x.quux: expected one of the keys seed; received 'quux'. Remove it."],
  ],
  ['any key where none is known', z.strictObject({}), { a: 1 }, ["x.a: expected no keys; received 'a'. Remove it."]],
  [
    'an unknown key inside defaults, arrays and records',
    z.strictObject({ a: z.array(z.record(z.string(), z.strictObject({ name: z.string().default('') }).prefault({}))) }),
    { a: [{ k: { nme: 'q' } }] },
    ["x.a.0.k.nme: expected one of the keys name; received 'nme'. Did you mean 'name'?"],
  ],
  [
    'a union of simple forms',
    z.union([z.string(), z.array(z.string())]),
    3,
    ['x: expected a string or an array; received 3.'],
  ],
  [
    'a union whose form is plain: its own problem',
    z.union([z.string(), z.array(z.string())]),
    ['a', 2],
    ['x.1: expected a string; received 2.'],
  ],
  [
    'a union of false and an object',
    z.union([z.literal(false), z.strictObject({ repeats: z.int().min(1) })]),
    true,
    ['x: expected false or an object; received true.'],
  ],
  [
    'a discriminator that is unknown',
    z.strictObject({
      o: z.discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('adam') }),
        z.strictObject({ kind: z.literal('sgd') }),
      ]),
    }),
    { o: { kind: 'adm' } },
    ["x.o.kind: expected 'adam' or 'sgd'; received 'adm'. Did you mean 'adam'?"],
  ],
  [
    'an unknown key of the form that is meant, and not of its siblings',
    z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('adam'), beta1: z.number().optional() }),
      z.strictObject({ kind: z.literal('sgd'), momentum: z.number().optional() }),
    ]),
    { kind: 'adam', momentum: 0.9 },
    ["x.momentum: expected one of the keys kind, beta1; received 'momentum'. Remove it."],
  ],
  [
    'every problem at once',
    z.strictObject({ a: z.int(), b: z.string(), c: z.boolean() }),
    { a: 0.5, b: 1 },
    [
      'x.a: expected an integer; received 0.5.',
      'x.b: expected a string; received 1.',
      'x.c: expected true or false; received nothing.',
    ],
  ],
  [
    'a key of a record',
    z.record(z.string().regex(/^[a-z]$/), z.int()),
    { A: 1 },
    ["x.A: expected a key that is a text that matches /^[a-z]$/; received 'A'."],
  ],
];

describe('words', () => {
  test.each(wordings)('%s', (_, schema, value, expected) => {
    expect(said(schema, value)).toEqual(expected);
  });
});

test('complete options come back frozen, all the way down', () => {
  const options = parseOptions(
    z.strictObject({ a: z.array(z.strictObject({ b: z.int().default(1) })) }),
    { a: [{}] },
    'x',
  );
  expect(options).toEqual({ a: [{ b: 1 }] });
  expect([options, options.a, options.a[0]].every(Object.isFrozen)).toBe(true);
});

test.each([
  [undefined, 'nothing'],
  [null, 'null'],
  [-0, '0'],
  [10n, '10'],
  [[], 'an empty array'],
  [[1, 2], 'an array of 2'],
  [{ secret: 'x' }, 'an object'],
  [new Date(0), 'a Date'],
  [Promise.resolve(), 'a promise'],
  [() => 1, 'a function'],
  [Symbol('s'), 'a symbol'],
  ['a\n\u0000\u202eb', "'a\\x0a\\x00\\u202eb'"],
  ['x'.repeat(100), `'${'x'.repeat(57)}…'`],
])('describes %s', (value, text) => {
  expect(describeValue(value)).toBe(text);
});
