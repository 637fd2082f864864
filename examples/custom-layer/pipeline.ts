import { atLeast, definePipeline, evaluate, exportOnnx, fit, gate, parity, register, split, sql } from 'millrace';
import { dense, layerNorm, network, output, residual, standardize } from 'millrace/nn';
import { t } from 'millrace/types';
import { z } from 'zod';
import { gatedLinear } from './gated-linear.js';

/** Two spirals around one center, told apart by a network with a layer of its own. */
export default definePipeline({
  name: 'custom-layer',
  params: z.object({
    rows: z.int().min(100).default(4_000),
    maxEpochs: z.int().min(1).default(40),
    seed: z.int().min(0).default(1),
  }),
  build: ({ params }) => {
    const points = sql`
      WITH drawn AS (
        SELECT i::BIGINT AS id, i % 2 = 0 AS inner_arm,
               0.5 + 9 * (hash(i, 'angle') / 18446744073709551615.0) AS angle,
               hash(i, 'noise') / 18446744073709551615.0 - 0.5 AS noise
        FROM range(CAST(${params.rows} AS BIGINT)) AS numbers(i))
      SELECT id,
             (angle + noise) * cos(angle + CASE WHEN inner_arm THEN pi() ELSE 0 END) AS x,
             (angle + noise) * sin(angle + CASE WHEN inner_arm THEN pi() ELSE 0 END) AS y,
             inner_arm
      FROM drawn`.as({ id: t.int64, x: t.float64, y: t.float64, inner_arm: t.bool }, { key: 'id' });
    const data = split(points, { by: 'id', fractions: { train: 0.7, validation: 0.15, test: 0.15 }, seed: 7 });
    const model = fit(data, {
      label: 'inner_arm',
      inputs: { x: standardize(), y: standardize() },
      network: network(
        dense(32, 'tanh'),
        residual(layerNorm(), gatedLinear(32)),
        residual(layerNorm(), gatedLinear(32)),
        output(),
      ),
      training: {
        optimizer: { kind: 'adam', learningRate: 5e-3 },
        batchSize: 128,
        maxEpochs: params.maxEpochs,
        seed: params.seed,
      },
    });
    const onnx = exportOnnx(model);
    const report = evaluate(onnx, data);
    const version = register(onnx, { model: 'custom-layer', report });
    return {
      points,
      data,
      model,
      onnx,
      report,
      version,
      passed: gate(version, [atLeast('auc', 0.95), parity({ atMost: 1e-5 })]),
    };
  },
});
