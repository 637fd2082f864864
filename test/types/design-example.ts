/** What a user writes, as the design shows it. */
export const designExample = `
import { z } from 'zod';
import { definePipeline, csv, sql, date, split, fit, exportOnnx, evaluate, register, gate, promote, deploy, atLeast, noWorseThan } from 'millrace';
import { t } from 'millrace/types';
import { network, dense, dropout, output, standardize, embed } from 'millrace/nn';

export default definePipeline({
  name: 'churn',
  params: z.object({ asOf: z.iso.date(), maxEpochs: z.int().min(1).default(8) }),
  build: ({ params }) => {
    const customers = csv('data/customers.csv');
    const events = csv('data/events/*.csv');
    const asOf = date(params.asOf);
    const rows = sql\`
      SELECT c.customer_id, c.plan, c.age, count(e.id) AS events_30d, c.churned
      FROM \${customers} c LEFT JOIN \${events} e
        ON e.customer_id = c.customer_id AND e.at >= \${asOf} - INTERVAL 30 DAY AND e.at < \${asOf}
      GROUP BY ALL\`
      .as({ customer_id: t.int64, plan: t.string, age: t.int32.nullable, events_30d: t.int64, churned: t.bool }, { key: 'customer_id' });
    const data = split(rows, { by: 'customer_id', fractions: { train: 0.8, validation: 0.1, test: 0.1 }, seed: 7 });
    const model = fit(data, {
      label: 'churned',
      inputs: { age: standardize(), events_30d: standardize(), plan: embed({ dimension: 4 }) },
      network: network(dense(64, 'relu'), dropout(0.1), output()),
      training: { optimizer: { kind: 'adam', learningRate: 1e-3 }, batchSize: 1024, maxEpochs: params.maxEpochs, seed: 7 },
    });
    const onnx = exportOnnx(model);
    const report = evaluate(onnx, data, { metrics: ['auc', 'logLoss'], slices: ['plan'] });
    const version = register(onnx, { model: 'churn', report });
    const passed = gate(version, [atLeast('auc', 0.82), noWorseThan('champion', 'auc', { margin: 0.005 })]);
    const live = promote(passed, { alias: 'champion' });
    return { rows, data, model, report, version, live, endpoint: deploy(live, { endpoint: 'churn' }) };
  },
});
`;
