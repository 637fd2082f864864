import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors } from '../../native/ts/safetensors.js';
import { resolveFit } from '../../operators/fit/fit-operator.js';
import type { FeedMeta, ResolvedTraining, StatisticsDocument } from '../../pipelines/contracts/training.js';
import { definePipeline, fit, parquet, split } from '../../pipelines/index.js';
import type { FitGraph } from '../../pipelines/network/graph.js';
import { dense, network, output, passthrough } from '../../pipelines/nn.js';
import { compilePlan } from '../../pipelines/plan/compile.js';
import { t } from '../../pipelines/types.js';
import { seededNumbers } from './serving-model.js';

/** Columns whose names are made in a loop have no types to check. */
const fitOf = fit as unknown as (data: unknown, options: unknown) => ReturnType<typeof fit>;
const width = 64;
const names = Array.from({ length: width }, (_, index) => `x${index}`);

export const mlpSeed = 7;
export const mlpLearningRate = 1e-3;

/** Of all sizes: a binary label has none to fill in. */
export const mlpStatistics: StatisticsDocument = {
  formatVersion: 1,
  slots: {},
  sizes: {},
  rows: { train: 0, validation: 0, test: 0 },
  classes: ['false', 'true'],
};

/** 64-256-128-1 with relu and a binary label, Adam: traced from a pipeline as `millrace run` does. */
export function mlpFit(
  batchSize: number,
  epochs: number,
): { readonly fit: FitGraph; readonly training: ResolvedTraining } {
  const columns = { ...Object.fromEntries(names.map((name) => [name, t.float32])), id: t.int64, y: t.bool };
  const pipeline = definePipeline({
    name: 'mlp',
    build: () => {
      const rows = parquet('rows.parquet').as(columns as never, { key: 'id' as never });
      const data = split(rows, { fractions: { train: 0.8, validation: 0.1, test: 0.1 }, seed: mlpSeed });
      const model = fitOf(data, {
        label: 'y',
        inputs: Object.fromEntries(names.map((name) => [name, passthrough()])),
        network: network(dense(256, 'relu'), dense(128, 'relu'), output()),
        training: {
          optimizer: { kind: 'adam', learningRate: mlpLearningRate },
          batchSize,
          maxEpochs: epochs,
          seed: mlpSeed,
        },
      });
      return { model };
    },
  });
  const plan = compilePlan(pipeline as never, {}, () => null);
  const options = plan.stages.find((stage) => stage.operator === 'fit')?.options as unknown as {
    fit: FitGraph;
    training: ResolvedTraining;
  };
  return { fit: resolveFit(options.fit, mlpStatistics), training: options.training };
}

/** Writes seeded rows whose label follows from half of the columns, with noise. */
export function writeMlpFeed(
  directory: string,
  rows: { readonly train: number; readonly validation: number },
): FeedMeta {
  mkdirSync(directory, { recursive: true });
  const part = (name: 'train' | 'validation', count: number, seed: number): FeedMeta['splits']['train'] => {
    const values = Float32Array.from(seededNumbers(count * (width + 1), seed));
    const float = values.subarray(0, count * width);
    const label = Float32Array.from({ length: count }, (_, row) => {
      let score = values[count * width + row] ?? 0;
      for (let column = 0; column < width; column += 2) {
        const value = float[row * width + column] ?? 0;
        score += column % 4 === 0 ? value : value * (float[row * width + column + 1] ?? 0);
      }
      return score > 0 ? 1 : 0;
    });
    const path = `${name}-00000.safetensors`;
    writeSafetensors(join(directory, path), {
      float: { dtype: 'float32', shape: [count, width], data: float },
      label: { dtype: 'float32', shape: [count], data: label },
    });
    return { rows: count, shards: [{ path, rows: count }] };
  };
  return {
    floats: names,
    indices: [],
    hasWeight: false,
    targets: 1,
    splits: { train: part('train', rows.train, 1), validation: part('validation', rows.validation, 2) },
  };
}
