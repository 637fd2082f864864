import { describe, expect, it } from 'vitest';
import { encodeToSql, hiddenRules, rawRules } from '../../../../pipelines/encode/encode-to-sql.js';
import { doubleLiteral, integerText } from '../../../../pipelines/encode/sql-literal.js';
import { BATCH } from '../../../../pipelines/network/graph.js';
import { Tracer } from '../../../../pipelines/network/tracer.js';
import type { Column } from '../../../../pipelines/types/column-type.js';

const columns: readonly Column[] = [
  { name: 'age', type: { kind: 'float64', nullable: true } },
  { name: 'visits', type: { kind: 'int64', nullable: false } },
  { name: 'plan "x"', type: { kind: 'string', nullable: true } },
];
const statistics = { slots: { 'age.mean': { dtype: 'float64', shape: [], values: [0.1] } } } as const;

function graphOf(body: (tracer: Tracer) => void) {
  const tracer = new Tracer();
  tracer.encode(() => body(tracer));
  return tracer.finish({});
}

describe('a constant in SQL', () => {
  it('is a DOUBLE with the same bits, never a DECIMAL', () => {
    expect([0.1, -0, 1e21, 5e-324, Number.NaN, Number.NEGATIVE_INFINITY].map(doubleLiteral)).toEqual([
      `CAST('0.1' AS DOUBLE)`,
      `CAST('-0.0' AS DOUBLE)`,
      `CAST('1e+21' AS DOUBLE)`,
      `CAST('5e-324' AS DOUBLE)`,
      `CAST('NaN' AS DOUBLE)`,
      `CAST('-Infinity' AS DOUBLE)`,
    ]);
  });

  it('is no integer where it does not fit 64 bits', () => {
    expect(() => integerText('1.5', 'plan/lookup')).toThrow(
      expect.objectContaining({
        code: 'NETWORK_INVALID',
        message: 'plan/lookup: expected an integer of 64 bits; received 1.5.',
      }),
    );
  });
});

describe('encodeToSql', () => {
  it('reads columns, slots and constants', () => {
    const graph = graphOf((tracer) => {
      const x = tracer.input('age', 'float64', [BATCH]);
      const mean = tracer.slot({
        name: 'age.mean',
        column: 'age',
        statistic: { kind: 'mean', transform: 'none' },
        dtype: 'float64',
        shape: [],
        size: null,
      });
      tracer.feed('age', tracer.apply('cast', [tracer.apply('subtract', [x, mean])], { to: 'float32' }));
    });
    expect(encodeToSql(graph, statistics, columns)).toEqual([
      { name: 'age', dtype: 'float32', sql: `TRY_CAST(("age" - CAST('0.1' AS DOUBLE)) AS FLOAT)`, reads: ['age'] },
    ]);
  });

  it('names the nearest column where one is missing', () => {
    const graph = graphOf((tracer) =>
      tracer.feed('agee', tracer.apply('cast', [tracer.input('agee', 'float64', [BATCH])], { to: 'float32' })),
    );
    expect(() => encodeToSql(graph, statistics, columns)).toThrow(
      expect.objectContaining({
        code: 'DATA_COLUMN_MISSING',
        message: `column agee: expected a column of the dataset; received none of this name among age, visits, plan "x". Did you mean 'age'?`,
      }),
    );
  });

  it('refuses a feed column of the tensor region', () => {
    const tracer = new Tracer();
    const x = tracer.input('age', 'float32', [BATCH]);
    tracer.feed('age', tracer.apply('relu', [x]));
    expect(() => encodeToSql(tracer.finish({}), statistics, columns)).toThrow(
      expect.objectContaining({
        code: 'NETWORK_INVALID',
        message: `relu: expected a primitive of the encode region; received 'relu' of the tensor region.`,
      }),
    );
  });
});

describe('rules of raw columns', () => {
  it('are hidden where a comparison would swallow a bad value, and not where arithmetic shows it', () => {
    const shown = graphOf((tracer) => {
      tracer.feed('age', tracer.apply('cast', [tracer.input('age', 'float64', [BATCH])], { to: 'float32' }));
      tracer.feed('visits', tracer.apply('cast', [tracer.input('visits', 'int64', [BATCH])], { to: 'float32' }));
    });
    const hidden = graphOf((tracer) => {
      const old = tracer.apply('greater', [tracer.input('age', 'float64', [BATCH]), tracer.constant(60, 'float64')]);
      tracer.feed('old', tracer.apply('cast', [old], { to: 'float32' }));
    });
    expect(rawRules(shown, columns).map(({ column, kind }) => [column, kind])).toEqual([
      ['age', 'finite'],
      ['visits', 'exact'],
    ]);
    expect(hiddenRules(shown, columns)).toEqual([]);
    expect(hiddenRules(hidden, columns)).toEqual([
      { column: 'age', kind: 'finite', sql: 'coalesce(isfinite("age"), TRUE)' },
    ]);
  });

  it('always ask for text without NUL', () => {
    const graph = graphOf((tracer) => {
      const missing = tracer.apply('isMissing', [tracer.input('plan "x"', 'string', [BATCH])]);
      tracer.feed('missing', tracer.apply('cast', [missing], { to: 'float32' }));
    });
    expect(hiddenRules(graph, columns)).toEqual([
      { column: 'plan "x"', kind: 'text', sql: `coalesce(NOT contains("plan ""x""", chr(0)), TRUE)` },
    ]);
  });
});
