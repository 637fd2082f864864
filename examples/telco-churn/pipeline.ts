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
import { dense, dropout, network, oneHot, output, piecewiseLinear } from 'millrace/nn';
import { t } from 'millrace/types';
import { z } from 'zod';

/** Which customers of a telephone company will leave (IBM Telco)? `TotalCharges` has 11 blank texts among its numbers. */
export default definePipeline({
  name: 'telco-churn',
  params: z.object({
    /** The directory with Telco-Customer-Churn.csv. */
    data: z.string().default('../shared/data/telco-churn'),
    splitSeed: z.int().min(0).default(1),
    maxEpochs: z.int().min(1).default(40),
    seed: z.int().min(0).default(1),
  }),
  build: ({ params }) => {
    const raw = csv(`${params.data}/Telco-Customer-Churn.csv`, { nulls: [' '] });
    const customers = sql`
      SELECT customerID AS customer_id, gender, SeniorCitizen = 1 AS senior, Partner AS partner, Dependents AS dependents, tenure,
             PhoneService AS phone, MultipleLines AS lines, InternetService AS internet, OnlineSecurity AS security,
             OnlineBackup AS backup, DeviceProtection AS protection, TechSupport AS support, StreamingTV AS tv,
             StreamingMovies AS movies, Contract AS contract, PaperlessBilling AS paperless, PaymentMethod AS payment,
             MonthlyCharges AS monthly, CAST(TotalCharges AS DOUBLE) AS total, Churn = 'Yes' AS churned
      FROM ${raw}`.as(
      {
        customer_id: t.string,
        gender: t.string,
        senior: t.bool,
        partner: t.string,
        dependents: t.string,
        tenure: t.int32,
        phone: t.string,
        lines: t.string,
        internet: t.string,
        security: t.string,
        backup: t.string,
        protection: t.string,
        support: t.string,
        tv: t.string,
        movies: t.string,
        contract: t.string,
        paperless: t.string,
        payment: t.string,
        monthly: t.float64,
        total: t.float64.nullable,
        churned: t.bool,
      },
      { key: 'customer_id' },
    );
    const data = split(customers, {
      by: 'customer_id',
      fractions: { train: 0.7, validation: 0.1, test: 0.2 },
      seed: params.splitSeed,
      stratify: 'churned',
    });
    const model = fit(data, {
      label: 'churned',
      inputs: {
        gender: oneHot(),
        senior: oneHot(),
        partner: oneHot(),
        dependents: oneHot(),
        phone: oneHot(),
        lines: oneHot(),
        internet: oneHot(),
        security: oneHot(),
        backup: oneHot(),
        protection: oneHot(),
        support: oneHot(),
        tv: oneHot(),
        movies: oneHot(),
        contract: oneHot(),
        paperless: oneHot(),
        payment: oneHot(),
        tenure: piecewiseLinear({ bins: 8 }),
        monthly: piecewiseLinear({ bins: 8 }),
        total: piecewiseLinear({ bins: 8 }),
      },
      network: network(dense(32, 'relu'), dropout(0.3), output()),
      training: {
        optimizer: { kind: 'adamW', learningRate: 2e-3, weightDecay: 0.05 },
        schedule: { kind: 'cosine' },
        batchSize: 128,
        maxEpochs: params.maxEpochs,
        earlyStopping: { patience: 8 },
        seed: params.seed,
      },
    });
    const onnx = exportOnnx(model);
    const report = evaluate(onnx, data, { slices: ['contract'] });
    const version = register(onnx, { model: 'telco-churn', report });
    const passed = gate(version, [
      atLeast('auc', 0.82),
      noWorseThan('champion', 'auc', { margin: 0.005 }),
      parity({ atMost: 1e-5 }),
    ]);
    const live = promote(passed, { alias: 'champion' });
    return {
      customers,
      data,
      model,
      onnx,
      report,
      version,
      passed,
      live,
      endpoint: deploy(live, { endpoint: 'telco-churn' }),
    };
  },
});
