import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SlotValue, StatisticsDocument } from '../../../pipelines/contracts/training.js';
import { primitiveSql } from '../../../pipelines/encode/primitive-sql.js';
import { BATCH, type DType } from '../../../pipelines/network/graph.js';
import { type Primitive, primitiveRules } from '../../../pipelines/network/primitives.js';
import { Tracer, type Value } from '../../../pipelines/network/tracer.js';
import { type Fixture, openFixture } from '../../integration/operators/feed/feed-fixture.js';
import { rawColumn, seeded } from './raw-values.js';
import { differences, type RawColumn, readByOnnx, readBySql } from './two-readers.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await openFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

const rows = 300;
const random = seeded(5);
const raw: readonly RawColumn[] = [
  rawColumn('a', 'float64', false, rows, random),
  {
    ...rawColumn('b', 'float64', false, rows, random),
    cells: rawColumn('b', 'float64', false, rows, random).cells.map((_, row, all) => all[(row * 5 + 1) % rows]!),
  },
  rawColumn('f', 'float32', false, rows, random),
  rawColumn('n', 'float64', true, rows, random),
  rawColumn('i', 'int64', false, rows, random),
  rawColumn('j', 'int32', false, rows, random),
  rawColumn('m', 'int64', true, rows, random),
  rawColumn('p', 'bool', false, rows, random),
  rawColumn('q', 'bool', true, rows, random),
  rawColumn('s', 'string', true, rows, random),
  rawColumn('r', 'string', false, rows, random),
];
const dtypes: Readonly<Record<string, DType>> = {
  a: 'float64',
  b: 'float64',
  f: 'float32',
  n: 'float64',
  i: 'int64',
  j: 'int64',
  m: 'float64',
  p: 'bool',
  q: 'float64',
  s: 'string',
  r: 'string',
};

interface Scope {
  readonly x: (name: string) => Value;
  readonly constant: (value: number | string, dtype: DType) => Value;
  readonly list: (dtype: 'float64' | 'int64' | 'string', values: readonly (number | string)[]) => Value;
  readonly apply: Tracer['apply'];
  readonly to: (value: Value, dtype: DType) => Value;
}

/** Traces an expression, feeds its result and compares the two readers. */
async function compare(body: (scope: Scope) => Value): Promise<string[]> {
  const tracer = new Tracer();
  const slots: Record<string, SlotValue> = {};
  const used = new Set<string>();
  const apply: Tracer['apply'] = (op, inputs, attributes) => tracer.apply(op, inputs, attributes);
  const to = (value: Value, dtype: DType) => (value.dtype === dtype ? value : apply('cast', [value], { to: dtype }));
  tracer.encode(() => {
    const result = body({
      apply,
      to,
      x: (name) => {
        used.add(name);
        return tracer.input(name, dtypes[name]!, [BATCH]);
      },
      constant: (value, dtype) => tracer.constant(value, dtype),
      list: (dtype, values) => {
        const name = `slot${Object.keys(slots).length}`;
        slots[name] =
          dtype === 'float64'
            ? { dtype, shape: [values.length], values: values.map(Number) }
            : { dtype, shape: [values.length], values: values.map(String) };
        return tracer.slot({
          name,
          column: 'a',
          statistic: { kind: 'minimum' },
          dtype,
          shape: [values.length],
          size: null,
        });
      },
    });
    tracer.feed('result', result.dtype === 'int64' ? result : to(result, 'float32'));
  });
  const graph = tracer.finish({});
  const statistics: StatisticsDocument = {
    formatVersion: 1,
    slots,
    sizes: {},
    rows: { train: 0, validation: 0, test: 0 },
    classes: [],
  };
  const columns = raw.filter(({ column }) => used.has(column.name));
  await using session = await fixture.sql.open({ readable: [], writable: [] });
  const sql = await readBySql(session, graph, statistics, columns);
  const onnx = await readByOnnx(fixture.directory, graph, statistics, columns);
  expect(sql['result']).toHaveLength(rows);
  return differences(sql['result']!, onnx['result']!);
}

const zeroToZero = ({ x, constant, apply }: Scope) => {
  const zero = apply('multiply', [x('a'), constant(0, 'float64')]);
  return apply('divide', [zero, zero]);
};
const vocabulary = [
  '',
  'a',
  'b',
  'ä',
  "it's",
  '日本',
  '😀',
  ...Array.from({ length: 50 }, (_, index) => `v${index}`),
].slice(1);
const found = { missing: 0, unknown: 1, first: 2 };

const cases: Readonly<Partial<Record<Primitive, Readonly<Record<string, (scope: Scope) => Value>>>>> = {
  input: { float32: ({ x }) => x('f') },
  constant: {
    'a tenth in float32': ({ x, constant, apply }) => apply('multiply', [x('f'), constant(0.1, 'float32')]),
    'minus zero': ({ x, constant, apply }) => apply('add', [x('a'), constant(-0, 'float64')]),
  },
  slot: { 'a third': ({ x, list, apply }) => apply('bucketIndex', [x('a'), list('float64', [1 / 3, 5e-324])]) },
  add: {
    float64: ({ x, apply }) => apply('add', [x('a'), x('b')]),
    float32: ({ x, apply }) => apply('add', [x('f'), x('f')]),
    int64: ({ x, apply }) => apply('add', [x('i'), x('j')]),
    'a missing side': ({ x, apply }) => apply('add', [x('n'), x('a')]),
  },
  subtract: {
    float64: ({ x, apply }) => apply('subtract', [x('a'), x('b')]),
    int64: ({ x, apply }) => apply('subtract', [x('j'), x('i')]),
  },
  multiply: {
    float64: ({ x, apply }) => apply('multiply', [x('a'), x('b')]),
    float32: ({ x, apply }) => apply('multiply', [x('f'), x('f')]),
  },
  divide: {
    'float64, by zero too': ({ x, apply }) => apply('divide', [x('a'), x('b')]),
    float32: ({ x, apply }) => apply('divide', [x('f'), x('f')]),
  },
  minimum: {
    float64: ({ x, apply }) => apply('minimum', [x('a'), x('b')]),
    'a missing side': ({ x, apply }) => apply('minimum', [x('n'), x('a')]),
    'NaN inside': (scope) => scope.apply('minimum', [scope.x('b'), zeroToZero(scope)]),
    int64: ({ x, apply }) => apply('minimum', [x('i'), x('j')]),
  },
  maximum: {
    float64: ({ x, apply }) => apply('maximum', [x('a'), x('b')]),
    'a missing side': ({ x, apply }) => apply('maximum', [x('a'), x('n')]),
    'NaN inside': (scope) => scope.apply('maximum', [zeroToZero(scope), scope.x('b')]),
  },
  sqrt: {
    'of negative numbers too': ({ x, apply }) => apply('sqrt', [x('a')]),
    float32: ({ x, apply }) => apply('sqrt', [x('f')]),
  },
  negate: { float64: ({ x, apply }) => apply('negate', [x('a')]), int64: ({ x, apply }) => apply('negate', [x('j')]) },
  abs: { float64: ({ x, apply }) => apply('abs', [x('a')]), int64: ({ x, apply }) => apply('abs', [x('i')]) },
  equal: {
    float64: ({ x, apply }) => apply('equal', [x('a'), x('b')]),
    'minus zero': ({ x, constant, apply }) => apply('equal', [x('a'), constant(0, 'float64')]),
    missing: ({ x, apply }) => apply('equal', [x('n'), x('n')]),
    NaN: (scope) => scope.apply('equal', [zeroToZero(scope), zeroToZero(scope)]),
    strings: ({ x, apply }) => apply('equal', [x('s'), x('r')]),
    "'' as a string": ({ x, constant, apply }) => apply('equal', [x('s'), constant('', 'string')]),
    int64: ({ x, apply }) => apply('equal', [x('i'), x('j')]),
  },
  greater: {
    float64: ({ x, apply }) => apply('greater', [x('a'), x('b')]),
    missing: ({ x, apply }) => apply('greater', [x('n'), x('a')]),
    'NaN left': (scope) => scope.apply('greater', [zeroToZero(scope), scope.x('a')]),
    'NaN right': (scope) => scope.apply('greater', [scope.x('a'), zeroToZero(scope)]),
  },
  greaterOrEqual: {
    float64: ({ x, apply }) => apply('greaterOrEqual', [x('a'), x('b')]),
    missing: ({ x, apply }) => apply('greaterOrEqual', [x('a'), x('n')]),
    'NaN left': (scope) => scope.apply('greaterOrEqual', [zeroToZero(scope), scope.x('a')]),
    'NaN on both sides': (scope) => scope.apply('greaterOrEqual', [zeroToZero(scope), zeroToZero(scope)]),
  },
  not: {
    bool: ({ x, apply }) => apply('not', [x('p')]),
    'of a missing number': ({ x, apply }) => apply('not', [apply('isMissing', [x('n')])]),
  },
  where: {
    float64: ({ x, apply }) => apply('where', [x('p'), x('a'), x('b')]),
    'a missing branch': ({ x, apply }) => apply('where', [x('p'), x('n'), x('b')]),
    bool: ({ x, apply, constant }) =>
      apply('where', [x('p'), apply('greater', [x('a'), x('b')]), apply('equal', [x('a'), constant(0, 'float64')])]),
    int64: ({ x, apply }) => apply('where', [x('p'), x('i'), x('j')]),
  },
  cast: {
    'int64 to float32': ({ x, to }) => to(x('i'), 'float32'),
    'int64 to float64 to float32': ({ x, to }) => to(to(x('i'), 'float64'), 'float32'),
    'float64 to float32, beyond it too': ({ x, to }) => to(x('a'), 'float32'),
    'float64 to int64, cut': ({ x, to, apply, constant }) =>
      to(
        apply('minimum', [apply('maximum', [x('a'), constant(-1e15, 'float64')]), constant(1e15, 'float64')]),
        'int64',
      ),
    'bool to int64': ({ x, to }) => to(x('p'), 'int64'),
    'float64 to bool': ({ x, to }) => to(to(x('a'), 'bool'), 'int64'),
    'int64 to bool': ({ x, to }) => to(to(x('i'), 'bool'), 'int64'),
    'nullable bool': ({ x, to, apply, constant }) =>
      to(apply('where', [apply('isMissing', [x('q')]), constant(0.5, 'float64'), x('q')]), 'float32'),
    'nullable int64': ({ x, to }) => to(x('m'), 'float32'),
    'int64 to string': ({ x, to, apply, list }) =>
      apply('lookup', [to(x('i'), 'string'), list('string', ['-9007199254740992', '0', '7'])], found),
  },
  isMissing: {
    float64: ({ x, apply }) => apply('isMissing', [x('n')]),
    string: ({ x, apply }) => apply('isMissing', [x('s')]),
    int64: ({ x, apply }) => apply('isMissing', [x('i')]),
    'a computed NaN': (scope) => scope.apply('isMissing', [zeroToZero(scope)]),
  },
  lookup: {
    'a long list of strings': ({ x, apply, list }) => apply('lookup', [x('s'), list('string', vocabulary)], found),
    'a short list of strings': ({ x, apply, list }) => apply('lookup', [x('r'), list('string', ['a', "it's"])], found),
    'no strings': ({ x, apply, list }) => apply('lookup', [x('s'), list('string', [])], found),
    'missing and unknown alike': ({ x, apply, list }) =>
      apply('lookup', [x('s'), list('string', vocabulary)], { missing: -1, unknown: -1, first: 0 }),
    'a long list of integers': ({ x, apply, list }) =>
      apply(
        'lookup',
        [
          x('i'),
          list('int64', [
            '-9007199254740992',
            ...Array.from({ length: 40 }, (_, index) => String(index)),
            '9007199254740992',
          ]),
        ],
        found,
      ),
    'a short list of integers': ({ x, apply, list }) =>
      apply('lookup', [x('j'), list('int64', ['-2147483648', '0', '7'])], found),
    'no integers': ({ x, apply, list }) => apply('lookup', [x('j'), list('int64', [])], found),
  },
  bucketIndex: {
    'edges that are values': ({ x, apply, list }) =>
      apply('bucketIndex', [x('a'), list('float64', [-1, -5e-324, 0, 5e-324, 0.1, 1, 2.5, 1e300])]),
    'a thousand edges': ({ x, apply, list }) =>
      apply('bucketIndex', [
        x('a'),
        list(
          'float64',
          Array.from({ length: 1025 }, (_, index) => (index - 500) / 7),
        ),
      ]),
    missing: ({ x, apply, list }) => apply('bucketIndex', [x('n'), list('float64', [0, 1])]),
    'NaN inside': (scope) => scope.apply('bucketIndex', [zeroToZero(scope), scope.list('float64', [0, 1])]),
  },
};

describe.each(Object.keys(cases))('%s', (op) => {
  it.each(Object.keys(cases[op as Primitive]!))('gives equal bytes in SQL and in ONNX: %s', async (name) => {
    expect(await compare(cases[op as Primitive]![name]!)).toEqual([]);
  });
});

it('covers every primitive of the encode region, log1p apart', () => {
  const encode = (Object.keys(primitiveRules) as Primitive[]).filter(
    (op) => primitiveRules[op].regions.includes('encode') && op !== 'parameter',
  );
  expect(Object.keys(primitiveSql).sort()).toEqual([...encode].sort());
  expect(Object.keys(cases).sort()).toEqual(encode.filter((op) => op !== 'log1p').sort());
});

it('takes logarithms that are at most one ulp of float64 apart, before rounding to float32', async () => {
  const apart = await compare(({ x, apply }) => apply('log1p', [apply('abs', [x('a')])]));
  for (const text of apart) {
    const [ours, theirs] = /SQL (.*), ONNX (.*)$/.exec(text)!.slice(1).map(Number) as [number, number];
    expect(Math.abs(ours - theirs)).toBeLessThanOrEqual(Math.abs(ours) * 2 ** -23);
  }
});
