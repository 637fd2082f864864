import {
  atLeast,
  csv,
  custom,
  definePipeline,
  deploy,
  evaluate,
  exportOnnx,
  fit,
  gate,
  promote,
  register,
  split,
  sql,
} from 'millrace';
import { dense, embed, network, output, standardize } from 'millrace/nn';
import { t } from 'millrace/types';
import { z } from 'zod';
import { pace } from './pace.js';

/** Will a visitor buy? A few hundred rows through every kind of stage, in about a second. */
export default definePipeline({
  name: 'visitors',
  params: z.object({
    data: z.string().default('data/visits.csv'),
    learningRate: z.number().positive().default(0.02),
    maxEpochs: z.int().min(1).default(4),
    bar: z.number().default(0.5),
  }),
  build: ({ params }) => {
    const visits = csv(params.data, {
      columns: {
        visit_id: t.int64,
        source: t.string,
        pages: t.int32,
        minutes: t.float64.nullable,
        is_back: t.bool,
        bought: t.bool,
      },
      key: 'visit_id',
    });
    const paces = custom(pace, {
      inputs: { visits },
      columns: { visit_id: t.int64, pace: t.float64 },
      key: 'visit_id',
    });
    const rows = sql`
      SELECT v.visit_id, v.source, v.pages, v.minutes, v.is_back, p.pace, v.bought
      FROM ${visits} v JOIN ${paces} p USING (visit_id)`.as(
      {
        visit_id: t.int64,
        source: t.string,
        pages: t.int32,
        minutes: t.float64.nullable,
        is_back: t.bool,
        pace: t.float64,
        bought: t.bool,
      },
      { key: 'visit_id' },
    );
    const data = split(rows, { by: 'visit_id', fractions: { train: 0.6, validation: 0.2, test: 0.2 }, seed: 1 });
    const model = fit(data, {
      label: 'bought',
      inputs: {
        source: embed({ dimension: 2 }),
        pages: standardize(),
        minutes: standardize(),
        is_back: embed({ dimension: 1 }),
        pace: standardize(),
      },
      network: network(dense(8, 'relu'), output()),
      training: {
        optimizer: { kind: 'adam', learningRate: params.learningRate },
        batchSize: 32,
        maxEpochs: params.maxEpochs,
        seed: 1,
      },
    });
    const onnx = exportOnnx(model);
    const report = evaluate(onnx, data, { slices: ['source'], bootstrap: 20, importance: { repeats: 1 } });
    const version = register(onnx, { model: 'visitors', report });
    const passed = gate(version, [atLeast('auc', params.bar)]);
    const live = promote(passed, { alias: 'champion' });
    const endpoint = deploy(live, { endpoint: 'visitors' });
    return { visits, paces, rows, data, model, onnx, report, version, passed, live, endpoint };
  },
});
