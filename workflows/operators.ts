import { customOperator } from '../operators/custom/custom-operator.js';
import { deployOperator } from '../operators/deploy/deploy-operator.js';
import { evaluateOperator } from '../operators/evaluate/evaluate-operator.js';
import { exportOnnxOperator } from '../operators/export/export-operator.js';
import { feedOperator } from '../operators/feed/feed-operator.js';
import { fitOperator } from '../operators/fit/fit-operator.js';
import { gateOperator } from '../operators/gate/gate-operator.js';
import { predictOperator } from '../operators/predict/predict-operator.js';
import { promoteOperator } from '../operators/promote/promote-operator.js';
import { registerOperator } from '../operators/register/register-operator.js';
import { sqlOperator } from '../operators/sql/sql-operator.js';
import { statisticsOperator } from '../operators/statistics/statistics-operator.js';
import type { Operator } from '../pipelines/contracts/operator.js';

/** Every operator by the name that plans use. */
export const operators: Readonly<Record<string, Operator>> = {
  ingest: { ...sqlOperator, name: 'ingest' },
  sql: sqlOperator,
  custom: customOperator,
  statistics: statisticsOperator,
  feed: feedOperator,
  fit: fitOperator,
  exportOnnx: exportOnnxOperator,
  evaluate: evaluateOperator,
  predict: predictOperator,
  register: registerOperator,
  gate: gateOperator,
  promote: promoteOperator,
  deploy: deployOperator,
};
