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
import { dense, dropout, embed, network, output, piecewiseLinear, standardize } from 'millrace/nn';
import { t } from 'millrace/types';
import { z } from 'zod';

/**
 * How many bikes will be rented in an hour (UCI Bike Sharing)? `casual` and `registered` sum to the label and stay out.
 * `split=random` draws rows; `split=time` tests on November and December 2012. `holiday` knows public holidays alone:
 * `feast` adds the days around Christmas and Thanksgiving, on which people commute no more than on a Sunday.
 */
export default definePipeline({
  name: 'bike-demand',
  params: z.object({
    /** The directory with hour.csv. */
    data: z.string().default('../shared/data/bike-sharing'),
    split: z.enum(['random', 'time']).default('random'),
    maxEpochs: z.int().min(1).default(40),
    seed: z.int().min(0).default(1),
  }),
  build: ({ params }) => {
    const raw = csv(`${params.data}/hour.csv`, { trim: true });
    const hours = sql`
      SELECT instant, CAST(dteday AS TIMESTAMP) + to_hours(hr) AS at, season, yr, mnth, hr, holiday = 1 AS holiday, weekday,
             workingday = 1 AS workingday, weathersit, hr + 24 * workingday AS hour_of_kind_of_day,
             CASE WHEN mnth = 12 AND day(CAST(dteday AS DATE)) >= 24 OR mnth = 1 AND day(CAST(dteday AS DATE)) = 1 THEN 'christmas'
                  WHEN mnth = 11 AND weekday = 4 AND day(CAST(dteday AS DATE)) BETWEEN 22 AND 28 THEN 'thanksgiving'
                  WHEN mnth = 11 AND weekday = 5 AND day(CAST(dteday AS DATE)) BETWEEN 23 AND 29 THEN 'thanksgiving'
                  WHEN holiday = 1 THEN 'holiday' ELSE 'none' END AS feast,
             temp, atemp, hum, windspeed, cnt
      FROM ${raw}`.as(
      {
        instant: t.int64,
        at: t.timestamp,
        season: t.int32,
        yr: t.int32,
        mnth: t.int32,
        hr: t.int32,
        holiday: t.bool,
        weekday: t.int32,
        workingday: t.bool,
        weathersit: t.int32,
        hour_of_kind_of_day: t.int32,
        feast: t.string,
        temp: t.float64,
        atemp: t.float64,
        hum: t.float64,
        windspeed: t.float64,
        cnt: t.float64,
      },
      { key: 'instant' },
    );
    const data =
      params.split === 'time'
        ? split(hours, { time: 'at', cuts: ['2012-10-01', '2012-11-01'] })
        : split(hours, { by: 'instant', fractions: { train: 0.7, validation: 0.1, test: 0.2 }, seed: 7 });
    const model = fit(data, {
      label: 'cnt',
      inputs: {
        yr: embed({ dimension: 2 }),
        season: embed({ dimension: 2 }),
        mnth: embed({ dimension: 4 }),
        hr: embed({ dimension: 8 }),
        hour_of_kind_of_day: embed({ dimension: 12 }),
        weekday: embed({ dimension: 4 }),
        holiday: embed({ dimension: 2 }),
        feast: embed({ dimension: 3 }),
        workingday: embed({ dimension: 2 }),
        weathersit: embed({ dimension: 3 }),
        temp: piecewiseLinear({ bins: 12 }),
        atemp: standardize(),
        hum: piecewiseLinear({ bins: 12 }),
        windspeed: standardize(),
      },
      network: network(dense(256, 'relu'), dropout(0.1), dense(128, 'relu'), dropout(0.1), output()),
      training: {
        optimizer: { kind: 'adamW', learningRate: 3e-3, weightDecay: 0.01 },
        schedule: { kind: 'oneCycle' },
        batchSize: 256,
        maxEpochs: params.maxEpochs,
        seed: params.seed,
      },
    });
    const onnx = exportOnnx(model);
    const report = evaluate(onnx, data, { slices: ['workingday'] });
    const version = register(onnx, { model: `bike-demand-${params.split}`, report });
    const passed = gate(version, [
      atLeast('r2', 0.85),
      noWorseThan('champion', 'rmse', { margin: 1 }),
      parity({ atMost: 1e-5 }),
    ]);
    const live = promote(passed, { alias: 'champion' });
    return {
      hours,
      data,
      model,
      onnx,
      report,
      version,
      passed,
      live,
      endpoint: deploy(live, { endpoint: `bike-demand-${params.split}` }),
    };
  },
});
