import type { Column } from '../types/column-type.js';
import type { ColumnsOf, Type } from '../types/type.js';

export declare const declaredColumns: unique symbol;
declare const labels: unique symbol;
declare const metrics: unique symbol;
declare const registered: unique symbol;
declare const exported: unique symbol;

/** A type that carries an error's sentence to where the compiler shows it. */
export interface Mend<out M extends string> {
  readonly mend: M;
}

/** What a pipeline's `build` makes and returns. */
export interface Stage<out K extends string = string> {
  readonly stage: K;
}

/** A dataset as a parameter sees it: its columns alone. */
export interface Rows<out C> extends Stage<'dataset'> {
  readonly [declaredColumns]: C;
}

/** A lazy dataset with declared columns. */
export interface Dataset<out C> extends Rows<C> {
  /** Declared names and types, in order. */
  readonly columns: readonly Column[];
}

/** A dataset whose columns only the data knows: `csv` without columns, raw SQL. `split` and `fit` refuse it; declare it with `as`. */
export interface UndeclaredDataset extends Stage<'dataset'> {
  /**
   * A checked cast: the columns, in this order, with these types; proven while the dataset is written.
   *
   * @param options.key - columns that are unique together; proven too. The rows are written in its order.
   * @throws CONFIG_INVALID - every problem of the declaration at once, while the pipeline is built.
   * @throws DATA_TYPE, DATA_NULL, DATA_OUT_OF_RANGE, DATA_KEY_NOT_UNIQUE - when the run writes it.
   */
  as<C extends ColumnsOf<C>>(columns: C, options?: AsOptions<C>): Dataset<C>;
}

export interface AsOptions<C> {
  readonly key?: (keyof C & string) | readonly (keyof C & string)[];
}

/** Any dataset, declared or not. */
export type AnyDataset = Stage<'dataset'>;

/** A dataset together with which rows train, validate and test. */
export interface Split<out C> extends Stage<'split'> {
  readonly [declaredColumns]: C;
}

export type TaskKind = 'binary' | 'multiclass' | 'regression';

/** A fitted network. `C` are the columns that it takes and predicts, `L` the names of those that it predicts. */
export interface Model<out T extends TaskKind, out C, out L extends string = string> extends Stage<'model'> {
  readonly task: T;
  readonly [declaredColumns]: C;
  readonly [labels]?: L;
}

/** An exported model: ONNX with its preprocessing inside, and a signature. */
export interface Onnx<out T extends TaskKind, out C, out L extends string = string> extends Stage<'onnx'> {
  readonly task: T;
  readonly [declaredColumns]: C;
  readonly [labels]?: L;
}

/** What `evaluate` measured; `M` are the names of its metrics. */
export interface Report<out T extends TaskKind, out M extends string> extends Stage<'report'> {
  readonly task: T;
  readonly [metrics]?: M;
}

/** A registered model version, not yet judged. `M` are the metrics of its report, `X` is what was registered. */
export interface Version<out M extends string, out X = unknown> extends Stage<'version'> {
  readonly [registered]?: readonly [M, X];
}

/** A version that passed its gates. */
export interface Gated<out X = unknown> extends Stage<'gated'> {
  readonly passed: true;
  readonly [exported]?: X;
}

/** A promotion: the alias points at the version. */
export interface Live<out X = unknown> extends Stage<'live'> {
  readonly alias: string;
  readonly [exported]?: X;
}

export interface Deployment extends Stage<'deployment'> {
  readonly endpoint: string;
}

/** The metrics of each task. */
export interface MetricTable {
  binary:
    | 'auc'
    | 'logLoss'
    | 'accuracy'
    | 'precision'
    | 'recall'
    | 'f1'
    | 'averagePrecision'
    | 'brier'
    | 'calibrationError';
  multiclass: 'auc' | 'logLoss' | 'accuracy' | 'precision' | 'recall' | 'f1';
  regression: 'rmse' | 'mae' | 'r2';
}

/** The columns that a prediction has: a class with its probability, or a number a label. */
export type PredictionColumns<T extends TaskKind, L extends string> = T extends 'regression'
  ? IsUnion<L> extends true
    ? { readonly [P in L as `prediction_${P}`]: Type<'float32'> }
    : { readonly prediction: Type<'float32'> }
  : { readonly probability: Type<'float32'>; readonly class: Type<'string'> };

/** true for a union of several names. */
export type IsUnion<T, U = T> = [T] extends [never] ? false : T extends U ? ([U] extends [T] ? false : true) : never;
