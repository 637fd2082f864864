import {
  atLeast,
  date,
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
import { dense, dropout, embed, log1p, network, output, piecewiseLinear, standardize } from 'millrace/nn';
import { t } from 'millrace/types';
import { z } from 'zod';

/**
 * Which subscribers will leave within a month? The raw data are made here, by seeded SQL: 200,000 customers and
 * 5 million events. Every customer has a hidden "mood" that shows in what they do (less often, longer ago, more tickets)
 * and decides, with luck, whether they leave.
 */
export default definePipeline({
  name: 'subscription-churn',
  params: z.object({
    customers: z.int().min(100).default(200_000),
    events: z.int().min(1000).default(5_000_000),
    asOf: z.iso.date().default('2026-01-01'),
    maxEpochs: z.int().min(1).default(8),
    seed: z.int().min(0).default(1),
  }),
  build: ({ params }) => {
    const asOf = date(params.asOf);
    const customers = sql`
      WITH drawn AS (
        SELECT i::BIGINT AS customer_id,
               hash(i, 'mood', ${params.seed}) / 18446744073709551615.0 AS mood,
               hash(i, 'plan', ${params.seed}) / 18446744073709551615.0 AS plan_draw,
               hash(i, 'age', ${params.seed}) / 18446744073709551615.0 AS age_draw,
               hash(i, 'land', ${params.seed}) % 8 AS land,
               hash(i, 'since', ${params.seed}) % 1500 AS days,
               hash(i, 'luck', ${params.seed}) / 18446744073709551615.0 AS luck,
               hash(i, 'autopay', ${params.seed}) % 10 < 6 AS autopay
        FROM range(${params.customers}::BIGINT) AS numbers(i))
      SELECT customer_id,
             CASE WHEN plan_draw < 0.55 THEN 'basic' WHEN plan_draw < 0.85 THEN 'plus' ELSE 'pro' END AS plan,
             CASE WHEN age_draw < 0.05 THEN NULL ELSE 18 + floor(60 * age_draw) END AS age,
             ['AT', 'CH', 'DE', 'ES', 'FR', 'IT', 'NL', 'PL'][land::BIGINT + 1] AS country,
             ${asOf} - CAST(days AS INTEGER) - 31 AS since,
             CASE WHEN plan_draw < 0.55 THEN 9.9 WHEN plan_draw < 0.85 THEN 19.9 ELSE 39.9 END AS monthly_fee,
             autopay,
             luck < 1 / (1 + exp(-(5.5 * (mood - 0.72) + (days < 120)::INTEGER * 0.9 - autopay::INTEGER * 0.7
                                   + (plan_draw >= 0.85)::INTEGER * 0.4 + (age_draw < 0.2)::INTEGER * 0.5))) AS churned
      FROM drawn`.as(
      {
        customer_id: t.int64,
        plan: t.string,
        age: t.int32.nullable,
        country: t.string,
        since: t.date,
        monthly_fee: t.float64,
        autopay: t.bool,
        churned: t.bool,
      },
      { key: 'customer_id' },
    );
    const events = sql`
      WITH drawn AS (
        SELECT i::BIGINT AS id,
               (hash(i, 'who', ${params.seed}) % ${params.customers}::UBIGINT)::BIGINT AS customer_id,
               hash(i, 'when', ${params.seed}) / 18446744073709551615.0 AS when_draw,
               hash(i, 'what', ${params.seed}) / 18446744073709551615.0 AS what_draw
        FROM range(${params.events}::BIGINT) AS numbers(i)),
      moods AS (SELECT *, hash(customer_id, 'mood', ${params.seed}) / 18446744073709551615.0 AS mood FROM drawn)
      SELECT id, customer_id,
             CAST(${asOf} AS TIMESTAMP) - to_seconds(CAST(floor(31536000 * when_draw ^ (1.6 - mood)) AS BIGINT) + 1) AS happened_at,
             CASE WHEN what_draw < 0.02 + 0.10 * mood THEN 'ticket' WHEN what_draw < 0.30 THEN 'purchase' ELSE 'login' END AS kind
      FROM moods`.as({ id: t.int64, customer_id: t.int64, happened_at: t.timestamp, kind: t.string }, { key: 'id' });
    const features = sql`
      WITH behavior AS (
        SELECT customer_id,
               count(*) FILTER (WHERE happened_at >= ${asOf} - INTERVAL 30 DAY) AS events_30d,
               count(*) FILTER (WHERE happened_at >= ${asOf} - INTERVAL 90 DAY) AS events_90d,
               count(*) FILTER (WHERE kind = 'ticket') AS tickets,
               count(*) FILTER (WHERE kind = 'purchase' AND happened_at >= ${asOf} - INTERVAL 90 DAY) AS purchases_90d,
               date_diff('day', max(happened_at), CAST(${asOf} AS TIMESTAMP)) AS days_silent
        FROM ${events} WHERE happened_at < ${asOf}
        GROUP BY customer_id)
      SELECT c.customer_id, c.plan, c.age, c.country, c.monthly_fee, c.autopay,
             date_diff('day', c.since, ${asOf}) AS tenure_days,
             coalesce(b.events_30d, 0) AS events_30d, coalesce(b.events_90d, 0) AS events_90d,
             coalesce(b.tickets, 0) AS tickets, coalesce(b.purchases_90d, 0) AS purchases_90d,
             b.days_silent, c.churned
      FROM ${customers} c LEFT JOIN behavior b USING (customer_id)`.as(
      {
        customer_id: t.int64,
        plan: t.string,
        age: t.int32.nullable,
        country: t.string,
        monthly_fee: t.float64,
        autopay: t.bool,
        tenure_days: t.int64,
        events_30d: t.int64,
        events_90d: t.int64,
        tickets: t.int64,
        purchases_90d: t.int64,
        days_silent: t.int64.nullable,
        churned: t.bool,
      },
      { key: 'customer_id' },
    );
    const data = split(features, { by: 'customer_id', fractions: { train: 0.8, validation: 0.1, test: 0.1 }, seed: 7 });
    const model = fit(data, {
      label: 'churned',
      inputs: {
        age: standardize(),
        monthly_fee: standardize(),
        tenure_days: piecewiseLinear({ bins: 12 }),
        events_30d: log1p(),
        events_90d: log1p(),
        tickets: log1p(),
        purchases_90d: log1p(),
        days_silent: log1p(),
        plan: embed({ dimension: 2 }),
        country: embed({ dimension: 3 }),
        autopay: embed({ dimension: 2 }),
      },
      network: network(dense(64, 'relu'), dropout(0.1), dense(32, 'relu'), output()),
      training: {
        optimizer: { kind: 'adam', learningRate: 2e-3 },
        schedule: { kind: 'cosine' },
        batchSize: 1024,
        maxEpochs: params.maxEpochs,
        seed: params.seed,
      },
    });
    const onnx = exportOnnx(model);
    const report = evaluate(onnx, data, { slices: ['plan'] });
    const version = register(onnx, { model: 'subscription-churn', report });
    const passed = gate(version, [
      atLeast('auc', 0.7),
      noWorseThan('champion', 'auc', { margin: 0.005 }),
      parity({ atMost: 1e-5 }),
    ]);
    const live = promote(passed, { alias: 'champion' });
    return {
      customers,
      events,
      features,
      data,
      model,
      onnx,
      report,
      version,
      passed,
      live,
      endpoint: deploy(live, { endpoint: 'subscription-churn' }),
    };
  },
});
