// Which files an operator's digest covers: its own, and the connectors that the contracts it uses name.
const duckdb = ['connectors/duckdb/sql-engine.ts'];
const onnxruntime = ['connectors/onnxruntime/inference-engine.ts'];

export const operatorSources = {
  ingest: ['operators/sql/sql-operator.ts', ...duckdb],
  sql: ['operators/sql/sql-operator.ts', ...duckdb],
  custom: ['operators/custom/custom-operator.ts', 'workflows/children/custom-main.ts', ...duckdb],
  statistics: ['operators/statistics/statistics-operator.ts', ...duckdb],
  feed: ['operators/feed/feed-operator.ts', 'native/ts/feed-main.ts', ...duckdb],
  fit: ['operators/fit/fit-operator.ts', 'native/ts/rank-main.ts'],
  exportOnnx: ['operators/export/export-operator.ts', 'native/ts/rank-main.ts', ...duckdb, ...onnxruntime],
  evaluate: [
    'operators/evaluate/evaluate-operator.ts',
    'native/ts/feed-main.ts',
    'native/ts/rank-main.ts',
    ...duckdb,
    ...onnxruntime,
  ],
  predict: ['operators/predict/predict-operator.ts', ...duckdb, ...onnxruntime],
  register: ['operators/register/register-operator.ts'],
  gate: ['operators/gate/gate-operator.ts'],
  promote: ['operators/promote/promote-operator.ts'],
  deploy: ['operators/deploy/deploy-operator.ts'],
  bundle: ['workflows/bundle/bundle-pipeline.ts'],
  // What compiling a plan depends on.
  pipelines: ['pipelines/index.ts', 'pipelines/nn.ts', 'pipelines/types.ts', 'pipelines/plan/compile.ts'],
};
