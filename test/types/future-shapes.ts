// Shapes that the API does not have yet, declared over today's signatures: this file compiles as long as they can be
// added without changing what exists. Nothing of it runs.
import {
  atLeast,
  csv,
  deploy,
  evaluate,
  exportOnnx,
  type FitOptions,
  fit,
  gate,
  type Model,
  type Onnx,
  predict,
  promote,
  type Rows,
  register,
  type Split,
  split,
  type TaskKind,
} from 'millrace';
import { dense, type Input, network, output, standardize } from 'millrace/nn';
import { type Type, t } from 'millrace/types';
import type { Dataset } from '../../pipelines/define/stage-values.js';

const fractions = { train: 0.8, validation: 0.1, test: 0.1 };
const net = network(dense(8, 'relu'), output());

// Images from folders: a column of references, decoded while training. `image` is an input like any other.
declare function imageFolder(
  path: string,
): Dataset<{ readonly image: Type<'bytes'>; readonly label: Type<'string'>; readonly path: Type<'string'> }>;
declare function image(options: { readonly size: readonly [number, number]; readonly flip?: boolean }): Input<'bytes'>;

export function images() {
  const data = split(imageFolder('data/pets'), { by: 'path', fractions, stratify: 'label', seed: 1 });
  const model = fit(data, { label: 'label', inputs: { image: image({ size: [64, 64] }) }, network: net });
  return { report: evaluate(exportOnnx(model), data, { metrics: ['accuracy'] }) };
}

// Forecasting: windows are a split whose columns are tensors, cut while the feed is built. Only the check of labels
// has to learn the kind `tensor`; until then the sketch's label is a number.
declare function past<C, K extends keyof C & string>(columns: readonly K[], steps: number): { readonly past: K; of: C };
declare function windows<C, W extends Readonly<Record<string, Type>>>(
  data: Split<C>,
  options: { readonly entity?: keyof C & string; readonly columns: W },
): Split<W>;
declare function flatten(): Input<'tensor'>;

export function forecast() {
  const rows = csv('data/etth1.csv').as({ date: t.timestamp, OT: t.float32, HUFL: t.float32 }, { key: 'date' });
  const data = split(rows, { time: 'date', cuts: ['2017-07-01', '2017-11-01'], purgeHours: 96 });
  const cut = windows(data, { columns: { history: t.tensor([336, 2]), next: t.float32 } });
  return { model: fit(cut, { label: 'next', inputs: { history: flatten() }, network: net }), past };
}

// A two-tower recommender is another estimator with a task of its own, not another form of `fit`.
declare function fitTowers<C, Q extends keyof C & string, I extends keyof C & string>(
  data: Split<C>,
  options: {
    readonly query: Pick<FitOptions<C, never, Q>, 'inputs' | 'network'>;
    readonly item: Pick<FitOptions<C, never, I>, 'inputs' | 'network'>;
    readonly negatives: number;
  },
): Model<TaskKind, Pick<C, Q | I>, never>;

export function recommend() {
  const rows = csv('data/ratings.csv').as({ age: t.int32, year: t.int32 });
  return fitTowers(split(rows, { fractions, seed: 1 }), {
    query: { inputs: { age: standardize() }, network: network(dense(8)) },
    item: { inputs: { year: standardize() }, network: network(dense(8)) },
    negatives: 4,
  });
}

// Tuning: spaces are values, so that every option of a number or word widens to `value | Space<value>`.
interface Space<out V> {
  readonly space: readonly V[];
}
type Searched<O> = O extends number | string | boolean
  ? O | Space<O>
  : O extends (...values: never[]) => unknown
    ? O
    : { readonly [P in keyof O]: Searched<O[P]> };
declare function choice<const V>(...values: readonly V[]): Space<V>;
declare function tune<C, L extends keyof C & string, I extends keyof C & string>(
  data: Split<C>,
  search: { readonly trials: number; readonly objective: string },
  options: { readonly label: L } & Pick<FitOptions<C, L, I>, 'inputs' | 'network'> & {
      readonly training: Searched<NonNullable<FitOptions<C, L, I>['training']>>;
    },
): Model<'binary', Pick<C, L | I>, L>;

const people = csv('data/people.csv').as(
  { id: t.int64, age: t.int32, churned: t.bool, spent: t.float32 },
  { key: 'id' },
);
const data = split(people, { fractions, seed: 1 });

export function tuned() {
  return tune(
    data,
    { trials: 20, objective: 'logLoss' },
    { label: 'churned', inputs: { age: standardize() }, network: net, training: { batchSize: choice(256, 1024) } },
  );
}

// An ensemble and a foreign model are exported models; members may read different columns.
declare function importOnnx<C, L extends keyof C & string>(
  path: string,
  options: { readonly columns: C; readonly label: L },
): Onnx<'binary', C, L>;
declare function ensemble<T extends TaskKind, A, B, L extends string>(
  members: readonly [Onnx<T, A, L>, Onnx<T, B, L>],
): Onnx<T, A & B, L>;

export function together(fresh: Rows<{ id: Type<'int64'>; age: Type<'int32'>; spent: Type<'float32'> }>) {
  const churn = exportOnnx(fit(data, { label: 'churned', inputs: { age: standardize() }, network: net }));
  const spend = exportOnnx(fit(data, { label: 'spent', inputs: { age: standardize() }, network: net }));
  const trees = importOnnx('trees.onnx', { columns: { spent: t.float32, churned: t.bool }, label: 'churned' });
  const both = ensemble([churn, trees]);
  const judged = [
    gate(register(both, { model: 'churn', report: evaluate(both, data) }), [atLeast('auc', 0.8)]),
    gate(register(spend, { model: 'spend', report: evaluate(spend, data) }), [atLeast('r2', 0.1)]),
  ] as const;
  const live = promote(judged, { alias: 'champion' });
  // Two models promoted together or not at all; batch scoring waits for it.
  const scored = predict(both, fresh, { keep: ['id'] });
  return { live, endpoint: deploy(live, { endpoint: 'churn', model: 'churn' }), scored };
}
