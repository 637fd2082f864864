import { expect, test } from 'vitest';
import { z } from 'zod';
import { paramsFromText, parseParams } from '../../../../pipelines/define/params.js';
import { thrown } from '../thrown.js';

const schema = z.object({
  asOf: z.iso.date(),
  epochs: z.int().min(1).default(8),
  rate: z.number().optional(),
  dry: z.boolean().prefault(false),
  id: z.bigint().nullable().default(null),
  mode: z.enum(['fast', 'full']).default('fast'),
  level: z.union([z.number(), z.literal('auto')]).default('auto'),
  fold: z.literal([1, 2]).default(1),
  names: z.array(z.string()).default([]),
  range: z.object({ from: z.int(), to: z.int() }).optional(),
  word: z.string().optional(),
  trimmed: z
    .string()
    .transform((text) => text.trim())
    .optional(),
  flag: z.stringbool().optional(),
  caught: z.number().catch(3),
  fixed: z.number().readonly().optional(),
});

const read = (texts: Record<string, string>): Record<string, unknown> =>
  parseParams(schema, paramsFromText(schema, { asOf: '2026-01-01', ...texts }));

test.each([
  ['epochs', '12', 12],
  ['rate', '1e-3', 0.001],
  ['rate', '-0.5', -0.5],
  ['dry', 'true', true],
  ['dry', 'false', false],
  ['id', '9007199254740993', 9007199254740993n],
  ['id', 'null', null],
  ['mode', 'full', 'full'],
  ['level', '3', 3],
  ['level', 'auto', 'auto'],
  ['fold', '2', 2],
  ['names', '["a","b"]', ['a', 'b']],
  ['range', '{"from":1,"to":2}', { from: 1, to: 2 }],
  ['word', '12', '12'],
  ['word', 'true', 'true'],
  ['word', '', ''],
  ['word', 'null', 'null'],
  ['trimmed', ' a ', 'a'],
  ['flag', 'no', false],
  ['caught', '7', 7],
  ['fixed', '7', 7],
])('%s=%s', (name, text, value) => {
  expect(read({ [name]: text })[name]).toEqual(value);
});

test.each([
  ['epochs', '0', 'params.epochs: expected at least 1; received 0.'],
  ['epochs', 'many', "params.epochs: expected a finite number; received 'many'."],
  ['epochs', '', "params.epochs: expected a finite number; received ''."],
  ['epochs', '1.5', 'params.epochs: expected an integer; received 1.5.'],
  ['rate', 'NaN', "params.rate: expected a finite number; received 'NaN'."],
  ['rate', 'Infinity', "params.rate: expected a finite number; received 'Infinity'."],
  ['dry', 'yes', "params.dry: expected true or false; received 'yes'."],
  ['id', '1.5', "params.id: expected a bigint; received '1.5'."],
  ['mode', 'slow', "params.mode: expected 'fast' or 'full'; received 'slow'."],
  ['level', 'high', "params.level: expected a finite number or 'auto'; received 'high'."],
  ['names', '[1', "params.names: expected an array; received '[1'."],
  ['names', '[1]', 'params.names.0: expected a string; received 1.'],
  ['range', '{"from":1}', 'params.range.to: expected a finite number; received nothing.'],
  ['asOf', '2026-02-30', "params.asOf: expected a date as YYYY-MM-DD; received '2026-02-30'."],
  ['asOf', '2026-1-1', "params.asOf: expected a date as YYYY-MM-DD; received '2026-1-1'."],
])('refuses %s=%s', (name, text, message) => {
  expect(thrown(() => read({ [name]: text }))).toEqual([['PARAMS_INVALID', message]]);
});

test('unknown and missing params are reported together, the nearest name with them', () => {
  const [missing, unknown] = thrown(() => parseParams(schema, paramsFromText(schema, { asof: '2026-01-01' })));
  expect(missing).toEqual(['PARAMS_INVALID', 'params.asOf: expected a string; received nothing.']);
  expect(unknown?.[0]).toBe('PARAMS_INVALID');
  expect(unknown?.[1]).toMatch(
    /^params\.asof: expected one of the keys asOf, .*; received 'asof'\. Did you mean 'asOf'\?$/,
  );
});

test('names of the prototype are unknown params', () => {
  expect(thrown(() => parseParams(z.object({}), paramsFromText(z.object({}), { constructor: 'x' })))).toEqual([
    ['PARAMS_INVALID', "params.constructor: expected no keys; received 'constructor'. Remove it."],
  ]);
});

test("the schema's own checks hold", () => {
  const dates = z
    .object({ from: z.int(), to: z.int() })
    .refine(({ from, to }) => from < to, { error: 'from before to', path: ['to'] });
  expect(thrown(() => parseParams(dates, { from: 2, to: 1 }))).toEqual([
    ['PARAMS_INVALID', 'params.to: expected from before to; received 1.'],
  ]);
});

test('an asynchronous check is refused', () => {
  const late = z.object({ a: z.string().refine(() => Promise.resolve(true)) });
  expect(thrown(() => parseParams(late, { a: 'x' }))).toEqual([
    ['PARAMS_INVALID', 'definePipeline.params: expected checks that answer at once; received an asynchronous one.'],
  ]);
});

test('no params are no params', () => {
  expect(parseParams(z.object({}), {})).toEqual({});
});
