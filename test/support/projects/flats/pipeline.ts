import { arrow, csv, definePipeline, evaluate, exportOnnx, fit, json, parquet, predict, split, sql } from 'millrace';
import {
  batchNorm,
  bucketize,
  categoricalCrossEntropy,
  concatenate,
  dense,
  dropout,
  embed,
  huber,
  layerNorm,
  leakyRelu,
  log1p,
  meanSquaredError,
  minMax,
  network,
  oneHot,
  output,
  passthrough,
  piecewiseLinear,
  relu,
  residual,
  softplus,
  standardize,
} from 'millrace/nn';
import { t } from 'millrace/types';
import { z } from 'zod';

const training = { optimizer: { kind: 'adamW', learningRate: 0.01 }, batchSize: 64, maxEpochs: 3, seed: 1 } as const;
const quick = { bootstrap: 0, importance: false } as const;

/** Every source, every kind of task, and every input, layer and loss once. */
export default definePipeline({
  name: 'flats',
  params: z.object({}),
  build: () => {
    const flats = json('data/flats.jsonl.gz', {
      columns: { flat_id: t.int64, rooms: t.int32, district: t.string.nullable },
    });
    const areas = parquet('data/areas.parquet', {
      columns: { flat_id: t.int64, area: t.float64, floor: t.int32.nullable },
    });
    const flags = arrow('data/flags.arrow', { columns: { flat_id: t.int64, balcony: t.bool, heating: t.string } });
    const prices = csv('data/prices-*.csv.gz', { columns: { flat_id: t.int64, price: t.float64, rent: t.float64 } });
    const rows = sql`
      SELECT flat_id, rooms, district, area, area * area AS area2, floor, balcony, heating, price, rent, 1 + flat_id % 3 AS weight
      FROM ${flats} JOIN ${areas} USING (flat_id) JOIN ${flags} USING (flat_id) JOIN ${prices} USING (flat_id)`.as(
      {
        flat_id: t.int64,
        rooms: t.int32,
        district: t.string.nullable,
        area: t.float64,
        area2: t.float64,
        floor: t.int32.nullable,
        balcony: t.bool,
        heating: t.string,
        price: t.float64,
        rent: t.float64,
        weight: t.int64,
      },
      { key: 'flat_id' },
    );
    const data = split(rows, { by: 'flat_id', fractions: { train: 0.7, validation: 0.15, test: 0.15 }, seed: 3 });
    const price = fit(data, {
      label: 'price',
      inputs: {
        rooms: minMax(),
        area: piecewiseLinear({ bins: 6 }),
        area2: log1p(),
        floor: standardize(),
        balcony: passthrough(),
        district: embed({ dimension: 2 }),
        heating: oneHot(),
        weight: bucketize({ edges: [1.5, 2.5] }),
      },
      network: network(
        dense(16, 'gelu'),
        batchNorm(),
        residual(layerNorm(), dense(16, 'silu'), dropout(0.1)),
        concatenate(dense(4, 'elu'), network(dense(4, leakyRelu({ slope: 0.3 })), softplus()), dense(3, 'tanh')),
        dense(8, 'sigmoid'),
        dense(8),
        relu(),
        output(),
      ),
      loss: huber(),
      training: { ...training, schedule: { kind: 'oneCycle' }, gradientClipNorm: 1 },
    });
    const both = fit(data, {
      label: ['price', 'rent'],
      inputs: { area: standardize(), rooms: standardize() },
      network: network(dense(8, 'relu'), output()),
      loss: meanSquaredError(),
      weight: 'weight',
      training: {
        ...training,
        optimizer: { kind: 'sgd', learningRate: 0.05, momentum: 0.9 },
        schedule: { kind: 'cosine' },
      },
    });
    const heating = fit(data, {
      label: 'heating',
      inputs: { area: standardize(), price: standardize(), district: oneHot() },
      network: network(dense(8, 'relu'), output()),
      loss: categoricalCrossEntropy({ labelSmoothing: 0.1 }),
      training: { ...training, schedule: { kind: 'step', everyEpochs: 2, factor: 0.5 } },
    });
    const priceOnnx = exportOnnx(price);
    const bothOnnx = exportOnnx(both);
    const heatingOnnx = exportOnnx(heating);
    return {
      rows,
      price,
      both,
      heating,
      priceOnnx,
      bothOnnx,
      heatingOnnx,
      priceReport: evaluate(priceOnnx, data, quick),
      bothReport: evaluate(bothOnnx, data, quick),
      heatingReport: evaluate(heatingOnnx, data, quick),
      pricePredictions: predict(priceOnnx, rows, { keep: ['flat_id'] }),
      bothPredictions: predict(bothOnnx, rows, { keep: ['flat_id'] }),
      heatingPredictions: predict(heatingOnnx, rows, { keep: ['flat_id', 'heating'] }),
    };
  },
});
