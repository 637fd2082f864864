import {
  atLeast,
  csv,
  definePipeline,
  deploy,
  evaluate,
  exportOnnx,
  fit,
  gate,
  noWorseThan,
  parity,
  promote,
  register,
  split,
  sql,
} from 'millrace';
import { bucketize, dense, dropout, network, oneHot, output, piecewiseLinear } from 'millrace/nn';
import { t } from 'millrace/types';
import { z } from 'zod';

const names = [
  'age',
  'workclass',
  'fnlwgt',
  'education',
  'education_num',
  'marital_status',
  'occupation',
  'relationship',
  'race',
  'sex',
  'capital_gain',
  'capital_loss',
  'hours_per_week',
  'native_country',
  'income',
];

/** Who earns more than 50,000 a year? The census of 1994 (UCI Adult), with its official split. */
export default definePipeline({
  name: 'census-income',
  params: z.object({
    /** The directory with adult-train.csv and adult-test.csv. */
    data: z.string().default('../shared/data/adult'),
    maxEpochs: z.int().min(1).default(12),
    seed: z.int().min(0).default(1),
  }),
  build: ({ params }) => {
    const file = { header: false, names, nulls: ['?'], trim: true, lineNumber: 'line' } as const;
    const train = csv(`${params.data}/adult-train.csv`, file);
    const test = csv(`${params.data}/adult-test.csv`, file);
    const people = sql`
      SELECT 'train' AS part, line, age, workclass, education, education_num, marital_status, occupation, relationship,
             race, sex, capital_gain, capital_loss, hours_per_week, native_country, income = '>50K' AS rich
      FROM ${train}
      UNION ALL
      SELECT 'test' AS part, line, age, workclass, education, education_num, marital_status, occupation, relationship,
             race, sex, capital_gain, capital_loss, hours_per_week, native_country, income = '>50K.' AS rich
      FROM ${test}`.as(
      {
        part: t.string,
        line: t.int64,
        age: t.int32,
        workclass: t.string.nullable,
        education: t.string,
        education_num: t.int32,
        marital_status: t.string,
        occupation: t.string.nullable,
        relationship: t.string,
        race: t.string,
        sex: t.string,
        capital_gain: t.int32,
        capital_loss: t.int32,
        hours_per_week: t.int32,
        native_country: t.string.nullable,
        rich: t.bool,
      },
      { key: ['part', 'line'] },
    );
    const data = split(people, { column: 'part', validation: { fraction: 0.15, seed: 7 } });
    const model = fit(data, {
      label: 'rich',
      inputs: {
        age: piecewiseLinear({ bins: 16 }),
        education_num: piecewiseLinear({ bins: 8 }),
        hours_per_week: piecewiseLinear({ bins: 16 }),
        // Few people have gains or losses at all, at amounts that the tax form favors.
        capital_gain: bucketize({
          edges: [
            1, 1500, 2500, 3200, 4000, 4700, 5100, 6000, 7000, 7500, 8000, 9000, 11_000, 14_000, 16_000, 30_000, 90_000,
          ],
        }),
        capital_loss: bucketize({
          edges: [1, 1200, 1500, 1600, 1700, 1800, 1860, 1900, 1950, 2000, 2200, 2300, 2400, 2500, 3000],
        }),
        workclass: oneHot(),
        marital_status: oneHot(),
        occupation: oneHot(),
        relationship: oneHot(),
        race: oneHot(),
        sex: oneHot(),
        native_country: oneHot(),
      },
      network: network(dense(128, 'relu'), dropout(0.2), dense(64, 'relu'), dropout(0.2), output()),
      training: {
        optimizer: { kind: 'adamW', learningRate: 1e-3, weightDecay: 0.01 },
        schedule: { kind: 'cosine' },
        batchSize: 256,
        maxEpochs: params.maxEpochs,
        seed: params.seed,
      },
    });
    const onnx = exportOnnx(model);
    const report = evaluate(onnx, data, { slices: ['sex', 'race'] });
    const version = register(onnx, { model: 'census-income', report });
    const passed = gate(version, [
      atLeast('auc', 0.9),
      noWorseThan('champion', 'auc', { margin: 0.005 }),
      parity({ atMost: 1e-5 }),
    ]);
    const live = promote(passed, { alias: 'champion' });
    return {
      people,
      data,
      model,
      onnx,
      report,
      version,
      passed,
      live,
      endpoint: deploy(live, { endpoint: 'census-income' }),
    };
  },
});
