import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  type AnyDataset,
  csv,
  custom,
  date,
  definePipeline,
  deploy,
  evaluate,
  exportOnnx,
  parquet,
  predict,
  split,
  sql,
  timestamp,
} from '../../../../pipelines/index.js';
import { compilePlan, type FindExport } from '../../../../pipelines/plan/compile.js';
import { digestOf } from '../../../../pipelines/plan/digest.js';
import type { Plan } from '../../../../pipelines/plan/schema.js';
import { t } from '../../../../pipelines/types.js';
import { churnModel, columns, fractions, parts, people, promoted } from '../churn.js';
import { thrown } from '../thrown.js';

const exported: FindExport = (run) =>
  run.name.startsWith('hidden') ? null : { module: './stages.ts', name: run.name };
// A build may return anything: what it returned is checked.
const compile = (build: () => unknown): Plan =>
  compilePlan(definePipeline({ name: 'x', build: build as () => Record<string, AnyDataset> }), {}, exported);
const ids = (build: () => unknown): readonly string[] =>
  compile(build).stages.map((stage) => `${stage.id}${stage.fused ? ' (fused)' : ''}`);
const stageOf = (plan: Plan, id: string) => plan.stages.find((stage) => stage.id === id)!;
const relationOf = (plan: Plan, id: string): unknown =>
  (stageOf(plan, id).options as Record<string, unknown>)['relation'];

describe('stage ids', () => {
  test('returned keys are ids, others take <first consumer>/<input>, depth first in returned order', () => {
    expect(
      ids(() => {
        const { model, live } = promoted();
        return { model, live, endpoint: deploy(live, { endpoint: 'churn' }) };
      }),
    ).toEqual([
      'model/data/rows',
      'model/data (fused)',
      'model/statistics',
      'model/feed',
      'model',
      'live/gate/version/onnx',
      'live/gate/version/report',
      'live/gate/version',
      'live/gate',
      'live',
      'endpoint',
    ]);
  });

  test('a stage that is returned keeps its key wherever it is read', () => {
    expect(
      ids(() => {
        const rows = people();
        return { out: sql`SELECT * FROM ${rows} WHERE age > 1`, rows };
      }),
    ).toEqual(['rows', 'out']);
  });

  test('inputs of several datasets are numbered, one that is read twice is one input', () => {
    const plan = compile(() => {
      const [a, b] = [people(), csv('b.csv')];
      return { joined: sql`SELECT * FROM ${a} a JOIN ${b} b USING (id) JOIN ${a} c USING (id)` };
    });
    expect(plan.stages.map((stage) => stage.id)).toEqual(['joined/from_0', 'joined/from_1', 'joined']);
    expect((relationOf(plan, 'joined') as { text: string }).text).toBe(
      'SELECT * FROM {{0}} a JOIN {{1}} b USING (id) JOIN {{0}} c USING (id)',
    );
  });

  test('inputs of a custom stage name theirs', () => {
    function clean(): never[] {
      return [];
    }
    expect(ids(() => ({ cleaned: custom(clean, { inputs: { raw: people() }, columns }) }))).toEqual([
      'cleaned/raw',
      'cleaned',
    ]);
  });
});

describe('what is written', () => {
  test('SQL over SQL over a file is one stage', () => {
    expect(
      ids(() => {
        const adults = sql`SELECT * FROM ${people()} WHERE age > 17`;
        return { plans: sql`SELECT plan FROM ${adults}` };
      }),
    ).toEqual(['plans/from/from (fused)', 'plans/from (fused)', 'plans']);
  });

  test('what a split, a custom stage or a prediction reads, what is returned, and what two stages read is written', () => {
    function clean(): never[] {
      return [];
    }
    const written = ids(() => {
      const { onnx, report } = promotedReport();
      const twice = sql`SELECT 1 AS a`;
      return {
        cleaned: custom(clean, { inputs: { raw: people() }, columns }),
        scored: predict(onnx, people()),
        one: sql`SELECT * FROM ${twice}`,
        two: sql`SELECT a + 1 AS b FROM ${twice}`,
        report,
      };
    });
    expect(written.filter((id) => id.endsWith('(fused)'))).toEqual(['scored/model/model/data (fused)']);
  });

  test('Arrow files are written, since DuckDB has no reader for them', async () => {
    const { arrow } = await import('../../../../pipelines/index.js');
    expect(ids(() => ({ out: sql`SELECT * FROM ${arrow('x.arrow')}` }))).toEqual(['out/from', 'out']);
  });

  test('a cast of undeclared files holds inside another statement too', () => {
    const plan = compile(() => {
      const rows = csv('x.csv').as({ age: t.int32 });
      return { out: sql`SELECT age FROM ${rows}`.as({ age: t.int32 }) };
    });
    expect(relationOf(plan, 'out')).toMatchObject({
      kind: 'sql',
      columns: null,
      relations: [
        { kind: 'sql', text: 'SELECT * FROM {{0}}', columns: [{ name: 'age' }], relations: [{ kind: 'source' }] },
      ],
    });
  });

  test('files that declare their columns are read with them and cast once', () => {
    const plan = compile(() => ({ out: sql`SELECT age FROM ${parquet('x.parquet', { columns: { age: t.int32 } })}` }));
    expect(relationOf(plan, 'out')).toMatchObject({
      relations: [{ kind: 'source', source: { format: 'parquet', columns: [{ name: 'age' }] } }],
    });
  });

  test('a written dataset is an input, named once', () => {
    const plan = compile(() => {
      const rows = people();
      return { rows, out: sql`SELECT * FROM ${sql`SELECT * FROM ${rows}`} a JOIN ${rows} b USING (id)` };
    });
    expect(stageOf(plan, 'out').inputs).toEqual({ in0: { stage: 'rows', output: 'dataset' } });
  });
});

const promotedReport = () => {
  const data = parts();
  const onnx = exportOnnx(churnModel(data));
  return { onnx, report: evaluate(onnx, data) };
};

describe('the plan', () => {
  test('is frozen, and equal for equal pipelines and params', () => {
    const pipeline = definePipeline({
      name: 'x',
      params: z.object({ asOf: z.iso.date(), big: z.bigint().default(9007199254740993n) }),
      build: ({ params }) => ({
        rows: sql`SELECT ${date(params.asOf)} AS d, ${timestamp('2026-01-01T00:00:00Z')} AS t, ${params.big} AS b, ${[1, null]} AS l`,
      }),
    });
    const plans = [1, 2].map(() => compilePlan(pipeline, { asOf: '2026-01-01' }, exported));
    expect(digestOf(plans[0])).toBe(digestOf(plans[1]));
    expect(Object.isFrozen(plans[0]!.stages[0]!.options)).toBe(true);
    expect(plans[0]!.params).toEqual({ asOf: '2026-01-01', big: '9007199254740993' });
    expect((relationOf(plans[0]!, 'rows') as { values: unknown }).values).toEqual([
      { kind: 'date', iso: '2026-01-01' },
      { kind: 'timestamp', iso: '2026-01-01T00:00:00Z' },
      { kind: 'bigint', text: '9007199254740993' },
      { kind: 'list', items: [1, null] },
    ]);
  });

  test('ids are in no options, so that a renamed stage has the same ones', () => {
    const of = (name: string): unknown =>
      stageOf(
        compile(() => ({ [name]: sql`SELECT 1 AS a` })),
        name,
      ).options;
    expect(of('a')).toEqual(of('another'));
  });

  test('fit becomes statistics, feed and fit; a new learning rate leaves the first two alone', () => {
    const plan = compile(() => ({ model: churnModel() }));
    expect(plan.stages.map((stage) => stage.operator)).toEqual(['ingest', 'split', 'statistics', 'feed', 'fit']);
    expect(stageOf(plan, 'model').inputs).toEqual({
      feed: { stage: 'model/feed', output: 'feed' },
      statistics: { stage: 'model/statistics', output: 'statistics' },
    });
  });

  test('a prediction with a promotion comes after it', () => {
    const plan = compile(() => {
      const { live } = promoted();
      return { scored: predict(live, people(), { keep: ['id'] }), live };
    });
    expect(stageOf(plan, 'scored')).toMatchObject({
      after: ['live'],
      inputs: { onnx: { stage: 'live/gate/version/onnx', output: 'onnx' } },
    });
    expect(plan.stages.at(-1)!.id).toBe('scored');
  });

  test('stages that act or read say so', () => {
    const plan = compile(() => ({ live: promoted().live }));
    expect(Object.fromEntries(plan.stages.map((stage) => [stage.operator, stage.class]))).toMatchObject({
      fit: 'pure',
      register: 'acts',
      gate: 'reads',
      promote: 'acts',
    });
  });

  test('a custom stage names its export', () => {
    function clean(): never[] {
      return [];
    }
    const plan = compile(() => ({ cleaned: custom(clean, { inputs: {}, columns, key: 'id', options: { a: [1] } }) }));
    expect(stageOf(plan, 'cleaned').options).toMatchObject({
      export: { module: './stages.ts', name: 'clean' },
      key: ['id'],
      options: { a: [1] },
    });
  });
});

describe('problems of a build', () => {
  test.each([
    [
      undefined,
      'build: expected an object of stages; received nothing. Return the stages by name: return { rows, model, report };',
    ],
    [
      [1],
      'build: expected an object of stages; received an array of 1. Return the stages by name: return { rows, model, report };',
    ],
    [
      Promise.resolve({}),
      'build: expected an object of stages; received a promise. Take away async: build describes work and does none.',
    ],
    [{}, 'build: expected at least one stage; received an empty object.'],
  ])('returned %j', (value, text) => {
    expect(thrown(() => compile(() => value))).toEqual([['PIPELINE_INVALID', text]]);
  });

  test('ids and values are checked all at once', () => {
    expect(
      thrown(() =>
        compile(() => {
          const rows = people();
          return { 'a/b': rows, number: 3, missing: undefined, rows, again: rows };
        }),
      ),
    ).toEqual([
      ['NAME_INVALID', "build.a/b: expected a name of 1 to 64 letters, digits and _, a letter first; received 'a/b'."],
      [
        'PIPELINE_INVALID',
        'build.number: expected a stage that a constructor such as sql`…` or fit() returned; received 3.',
      ],
      [
        'PIPELINE_INVALID',
        'build.missing: expected a stage that a constructor such as sql`…` or fit() returned; received nothing.',
      ],
      [
        'PIPELINE_INVALID',
        "build.again: expected each stage once; received the stage that is returned as 'rows' already.",
      ],
    ]);
  });

  test('unused stages, leaks and functions that are not exported are reported together', () => {
    function hidden(): never[] {
      return [];
    }
    expect(
      thrown(() =>
        compile(() => {
          const rows = people();
          const onnx = exportOnnx(churnModel(split(rows, { fractions, seed: 1 })));
          csv('unused.csv');
          return {
            report: evaluate(onnx, split(rows, { fractions, seed: 2 })),
            cleaned: custom(hidden, { inputs: {}, columns }),
            other: custom(() => [], { inputs: {}, columns }),
          };
        }),
      ),
    ).toEqual([
      [
        'STAGE_UNUSED',
        'x.build: expected every stage to be returned, or read by one that is; received what csv(), parquet(), json(), arrow() returned, which nothing reads. Return it, or remove the call.',
      ],
      [
        'STAGE_LEAKS_TEST',
        'report: expected the split that the model was fitted on; received another split of the same dataset, whose test rows the model may have seen. Pass the same split() to fit and evaluate.',
      ],
      [
        'CUSTOM_NOT_EXPORTED',
        "cleaned: expected a function that a module exports; received 'hidden', which no module exports. Move it into a file of its own and export it: its code is bundled alone.",
      ],
    ]);
  });

  test('an undeclared dataset that was declared is not unused', () => {
    expect(ids(() => ({ rows: csv('x.csv').as({ a: t.int32 }) }))).toEqual(['rows']);
  });

  test('the same data written twice leaks as the same dataset does', () => {
    const leaks = (seed: number): readonly string[] =>
      thrown(() =>
        compile(() => {
          const onnx = exportOnnx(churnModel(split(people(), { fractions, seed: 1 })));
          return { report: evaluate(onnx, split(people(), { fractions, seed })) };
        }),
      ).map(([code]) => code);
    expect(leaks(2)).toEqual(['STAGE_LEAKS_TEST']);
    expect(leaks(1)).toEqual([]);
  });

  test('a report over another dataset is no leak', () => {
    const later = (): AnyDataset => csv('later.csv', { columns, key: 'id' });
    expect(
      thrown(() =>
        compile(() => {
          const onnx = exportOnnx(churnModel());
          return { report: evaluate(onnx, split(later() as ReturnType<typeof people>, { fractions, seed: 2 })) };
        }),
      ),
    ).toEqual([]);
  });

  test('a build inside a build is refused', () => {
    expect(thrown(() => compile(() => compile(() => ({ rows: people() }))))).toEqual([
      ['PIPELINE_INVALID', 'definePipeline.build: expected no build inside a build; received a nested one.'],
    ]);
  });

  test('a build that throws leaves nothing behind for the next one', () => {
    expect(() =>
      compile(() => {
        people();
        throw new RangeError('mine');
      }),
    ).toThrow(new RangeError('mine'));
    expect(ids(() => ({ rows: people() }))).toEqual(['rows']);
  });

  test.each([
    [Number.NaN, 'NaN'],
    [[new Map()], 'an object'],
    [() => 1, 'a function'],
    [new Date(Number.NaN), 'a Date'],
  ])('a param that is no JSON is refused: %s', (value, received) => {
    const pipeline = definePipeline({ name: 'x', params: z.object({ a: z.any() }), build: () => ({ rows: people() }) });
    expect(thrown(() => compilePlan(pipeline, { a: value }, exported))).toEqual([
      [
        'PARAMS_INVALID',
        `params.a${Array.isArray(value) ? '.0' : ''}: expected a value that JSON has, a bigint or a Date; received ${received}.`,
      ],
    ]);
  });
});
