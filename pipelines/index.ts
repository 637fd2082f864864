// The public entrance `millrace`: what a pipeline file imports.
export { type ErrorCode, isMillraceError, MillraceError, MillraceErrors } from './contracts/errors.js';
export * from './define/conditions.js';
export { type Config, defineConfig, type SecretReference, secret } from './define/config.js';
export { type CustomContext, type CustomFunction, custom } from './define/custom.js';
export { deploy } from './define/deploy.js';
export { type EvaluateOptions, evaluate } from './define/evaluate.js';
export { exportOnnx } from './define/export-onnx.js';
export { type FitOptions, fit } from './define/fit.js';
export { gate } from './define/gate.js';
export { definePipeline, type Pipeline, type Stages } from './define/pipeline.js';
export { predict } from './define/predict.js';
export { promote } from './define/promote.js';
export { register } from './define/register.js';
export { arrow, type CsvOptions, csv, json, parquet } from './define/sources.js';
export { split } from './define/split.js';
export { date, sql, sqlText, timestamp } from './define/sql.js';
export type * from './define/stage-values.js';
export type { OptimizerOptions, ScheduleOptions, TrainingOptions } from './define/training-options.js';
