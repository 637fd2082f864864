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
import { batchNorm, dense, dropout, network, output, standardize } from 'millrace/nn';
import { t } from 'millrace/types';
import { z } from 'zod';

/** Which of 26 letters is it? 16 numbers measured on each image (UCI Letter Recognition): the first 16,000 rows train, the last 4,000 test. */
export default definePipeline({
  name: 'letter-recognition',
  params: z.object({
    /** The directory with letter-recognition.data. */
    data: z.string().default('../shared/data/letter'),
    maxEpochs: z.int().min(1).default(60),
    seed: z.int().min(0).default(1),
  }),
  build: ({ params }) => {
    const raw = csv(`${params.data}/letter-recognition.data`, { lineNumber: 'line' });
    const letters = sql`
      SELECT line - 1 AS row, CASE WHEN line <= 16001 THEN 'train' ELSE 'test' END AS part, Letter AS letter,
             "1" AS f1, "2" AS f2, "3" AS f3, "4" AS f4, "5" AS f5, "6" AS f6, "7" AS f7, "8" AS f8,
             "9" AS f9, "10" AS f10, "11" AS f11, "12" AS f12, "13" AS f13, "14" AS f14, "15" AS f15, "16" AS f16
      FROM ${raw}`.as(
      {
        row: t.int64,
        part: t.string,
        letter: t.string,
        f1: t.int32,
        f2: t.int32,
        f3: t.int32,
        f4: t.int32,
        f5: t.int32,
        f6: t.int32,
        f7: t.int32,
        f8: t.int32,
        f9: t.int32,
        f10: t.int32,
        f11: t.int32,
        f12: t.int32,
        f13: t.int32,
        f14: t.int32,
        f15: t.int32,
        f16: t.int32,
      },
      { key: 'row' },
    );
    const data = split(letters, { column: 'part', validation: { fraction: 0.1, seed: 7 } });
    const model = fit(data, {
      label: 'letter',
      inputs: {
        f1: standardize(),
        f2: standardize(),
        f3: standardize(),
        f4: standardize(),
        f5: standardize(),
        f6: standardize(),
        f7: standardize(),
        f8: standardize(),
        f9: standardize(),
        f10: standardize(),
        f11: standardize(),
        f12: standardize(),
        f13: standardize(),
        f14: standardize(),
        f15: standardize(),
        f16: standardize(),
      },
      network: network(
        dense(256, 'relu'),
        batchNorm(),
        dropout(0.1),
        dense(256, 'relu'),
        batchNorm(),
        dropout(0.1),
        output(),
      ),
      training: {
        optimizer: { kind: 'adamW', learningRate: 3e-3, weightDecay: 0.01 },
        schedule: { kind: 'oneCycle' },
        batchSize: 256,
        maxEpochs: params.maxEpochs,
        seed: params.seed,
      },
    });
    const onnx = exportOnnx(model);
    const report = evaluate(onnx, data, { bootstrap: 200 });
    const version = register(onnx, { model: 'letter-recognition', report });
    const passed = gate(version, [
      atLeast('accuracy', 0.95),
      noWorseThan('champion', 'accuracy', { margin: 0.005 }),
      parity({ atMost: 1e-5 }),
    ]);
    const live = promote(passed, { alias: 'champion' });
    return {
      letters,
      data,
      model,
      onnx,
      report,
      version,
      passed,
      live,
      endpoint: deploy(live, { endpoint: 'letter-recognition' }),
    };
  },
});
