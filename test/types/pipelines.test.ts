import { beforeAll, expect, test } from 'vitest';
import { compileSnippets, type SnippetResults } from './compile-snippets.js';
import { designExample } from './design-example.js';

const imports = `
import { z } from 'zod';
import {
  atLeast, csv, custom, date, definePipeline, deploy, evaluate, exportOnnx, fit, gate, noWorseThan, parquet, perSlice, predict,
  promote, register, split, sql,
} from 'millrace';
import { t } from 'millrace/types';
import { dense, embed, network, output, standardize } from 'millrace/nn';`;

/** What the snippets start from. */
const world = `${imports}
export const net = network(dense(8, 'relu'), output());
export const raw = csv('x.csv');
export const rows = raw.as(
  { id: t.int64, plan: t.string, age: t.int32.nullable, score: t.float64, spent: t.float32, at: t.timestamp, churned: t.bool },
  { key: 'id' },
);
export const fractions = { train: 0.8, validation: 0.1, test: 0.1 };
export const data = split(rows, { by: 'id', fractions, seed: 7 });
export const model = fit(data, { label: 'churned', inputs: { age: standardize(), plan: embed({ dimension: 4 }) }, network: net });
export const onnx = exportOnnx(model);
export const report = evaluate(onnx, data, { metrics: ['auc', 'logLoss'], slices: ['plan'] });
export const version = register(onnx, { model: 'churn', report });
export const passed = gate(version, [atLeast('auc', 0.8)]);
export const live = promote(passed, { alias: 'champion' });
`;

/** A mistake, its code, and the last line of every error: what a person reads first. */
const mistakes: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'a label that is no column',
    `fit(data, { label: 'churnd', inputs: { age: standardize() }, network: net });`,
    [
      `Type '"churnd"' is not assignable to type '"age" | "at" | "churned" | "id" | "plan" | "score" | "spent" | readonly ("age" | "at" | "churned" | "id" | "plan" | "score" | "spent")[]'. Did you mean '"churned"'?`,
    ],
  ],
  [
    'a label that is no column, alone of all that follows it',
    `const wrong = exportOnnx(fit(data, { label: 'churnd', inputs: { age: standardize() }, network: net }));
const judged = register(wrong, { model: 'churn', report: evaluate(wrong, data, { metrics: ['auc', 'brier'] }) });
gate(judged, [atLeast('auc', 0.8), noWorseThan('champion', 'brier')]);
gate(register(wrong, { model: 'churn', report: evaluate(wrong, data) }), [atLeast('auc', 0.8)]);`,
    [
      `Type '"churnd"' is not assignable to type '"age" | "at" | "churned" | "id" | "plan" | "score" | "spent" | readonly ("age" | "at" | "churned" | "id" | "plan" | "score" | "spent")[]'. Did you mean '"churned"'?`,
    ],
  ],
  [
    'a label of a kind that has no task',
    `fit(data, { label: 'at', inputs: { age: standardize() }, network: net });`,
    [
      `Type '"at"' is not assignable to type '("at" | readonly "at"[]) & Mend<"'at' is timestamp: a label is bool, an int, a float or a string">'.`,
    ],
  ],
  [
    'the label among the inputs',
    `fit(data, { label: 'churned', inputs: { churned: embed({ dimension: 2 }) }, network: net });`,
    [`Property 'mend' is missing in type 'Input<CategoryKind>' but required in type 'Mend<"'churned' is the label">'.`],
  ],
  [
    'an input that is no column',
    `fit(data, { label: 'churned', inputs: { agee: standardize() }, network: net });`,
    [
      `Object literal may only specify known properties, but 'agee' does not exist in type '{ readonly age: Input<"int32">; readonly at: Input<"timestamp">; readonly churned: Mend<"'churned' is the label">; readonly id: Input<"int64">; readonly plan: Input<...>; readonly score: Input<...>; readonly spent: Input<...>; }'. Did you mean to write 'age'?`,
    ],
  ],
  [
    'standardize on a string',
    `fit(data, { label: 'churned', inputs: { plan: standardize() }, network: net });`,
    [`Type '"string"' is not assignable to type 'NumberKind'.`],
  ],
  [
    'an int label without a task',
    `fit(data, { label: 'age', inputs: { score: standardize() }, network: net });`,
    [
      `Property 'task' is missing in type '{ label: "age"; inputs: { score: Standardize; }; network: Network; }' but required in type '{ readonly task: "binary" | "multiclass" | "regression"; }'.`,
    ],
  ],
  [
    'a task that the label does not allow',
    `fit(data, { label: 'churned', task: 'regression', inputs: { score: standardize() }, network: net });`,
    [`Type '"regression"' is not assignable to type '"binary"'.`],
  ],
  [
    'several labels, one of them a string',
    `fit(data, { label: ['score', 'plan'], inputs: { age: standardize() }, network: net });`,
    [
      `Property 'mend' is missing in type '("plan" | "score")[]' but required in type 'Mend<"'plan' is not an int or a float: several labels are a regression">'.`,
    ],
  ],
  [
    'several labels, one of them no column',
    `fit(data, { label: ['score', 'spnt'], inputs: { age: standardize() }, network: net });`,
    [
      `Type '"spnt"' is not assignable to type '"age" | "at" | "churned" | "id" | "plan" | "score" | "spent"'. Did you mean '"spent"'?`,
    ],
  ],
  [
    'a weight that is no column',
    `fit(data, { label: 'churned', weight: 'scor', inputs: { age: standardize() }, network: net });`,
    [
      `Type '"scor"' is not assignable to type '"age" | "at" | "churned" | "id" | "plan" | "score" | "spent"'. Did you mean '"score"'?`,
    ],
  ],
  [
    'an unknown key of training',
    `fit(data, { label: 'churned', inputs: { age: standardize() }, network: net, training: { batchsize: 3 } });`,
    [
      `Object literal may only specify known properties, but 'batchsize' does not exist in type 'TrainingOptions'. Did you mean to write 'batchSize'?`,
    ],
  ],
  [
    'an unknown key of fit',
    `fit(data, { label: 'churned', inputs: { age: standardize() }, network: net, trainning: {} });`,
    [
      `Object literal may only specify known properties, but 'trainning' does not exist in type '{ readonly label: "churned" | readonly "churned"[]; } & FitOptions<{ id: Type<"int64", never>; plan: Type<"string", never>; age: Type<"int32", null>; score: Type<"float64", never>; spent: Type<...>; at: Type<...>; churned: Type<...>; }, "churned", "age"> & { ...; }'. Did you mean to write 'training'?`,
    ],
  ],
  [
    'a split by what is no column',
    `split(rows, { by: 'idd', fractions: { train: 0.8, validation: 0.1, test: 0.1 }, seed: 7 });`,
    [
      `Type '"idd"' is not assignable to type '"age" | "at" | "churned" | "id" | "plan" | "score" | "spent" | readonly ("age" | "at" | "churned" | "id" | "plan" | "score" | "spent")[] | undefined'.`,
    ],
  ],
  [
    'a split by columns, one of them none',
    `split(rows, { by: ['id', 'pan'], fractions: { train: 0.8, validation: 0.1, test: 0.1 }, seed: 7 });`,
    [
      `Type '"pan"' is not assignable to type '"age" | "at" | "churned" | "id" | "plan" | "score" | "spent"'. Did you mean '"plan"'?`,
    ],
  ],
  [
    'a stratum that is no column',
    `split(rows, { stratify: 'churnd', fractions: { train: 0.8, validation: 0.1, test: 0.1 }, seed: 7 });`,
    [
      `Type '"churnd"' is not assignable to type '"age" | "at" | "churned" | "id" | "plan" | "score" | "spent" | undefined'. Did you mean '"churned"'?`,
    ],
  ],
  [
    'a time that is no column',
    `split(rows, { time: 'att', cuts: ['2026-01-01', '2026-02-01'] });`,
    [`Type '"att"' is not assignable to type '"age" | "at" | "churned" | "id" | "plan" | "score" | "spent"'.`],
  ],
  [
    'a split column that is none',
    `split(rows, { column: 'prt' });`,
    [`Type '"prt"' is not assignable to type '"age" | "at" | "churned" | "id" | "plan" | "score" | "spent"'.`],
  ],
  [
    'a split of an undeclared dataset',
    'split(raw, { fractions: { train: 0.8, validation: 0.1, test: 0.1 }, seed: 7 });',
    [`Property '[declaredColumns]' is missing in type 'UndeclaredDataset' but required in type 'Rows<unknown>'.`],
  ],
  [
    'a split of two kinds',
    `split(rows, { time: 'at', fractions: { train: 0.8, validation: 0.1, test: 0.1 }, seed: 7 });`,
    [`Type '{ train: number; validation: number; test: number; }' is not assignable to type 'undefined'.`],
  ],
  [
    'a split without validation',
    'split(rows, { fractions: { train: 0.8, test: 0.1 }, seed: 7 });',
    [
      `Property 'validation' is missing in type '{ train: number; test: number; }' but required in type '{ readonly train: number; readonly validation: number; readonly test: number; }'.`,
    ],
  ],
  [
    'fit on a dataset that is not split',
    `fit(rows, { label: 'churned', inputs: { age: standardize() }, network: net });`,
    [`Type '"dataset"' is not assignable to type '"split"'.`],
  ],
  [
    'a metric of another task',
    `evaluate(onnx, data, { metrics: ['rmse'] });`,
    [
      `Type '"rmse"' is not assignable to type '"accuracy" | "auc" | "averagePrecision" | "brier" | "calibrationError" | "f1" | "logLoss" | "precision" | "recall"'.`,
    ],
  ],
  [
    'a slice that is no column',
    `evaluate(onnx, data, { slices: ['pln'] });`,
    [
      `Type '"pln"' is not assignable to type '"age" | "at" | "churned" | "id" | "plan" | "score" | "spent"'. Did you mean '"plan"'?`,
    ],
  ],
  [
    'evaluate of a model that is not exported',
    'evaluate(model, data);',
    [`Type '"model"' is not assignable to type '"onnx"'.`],
  ],
  [
    `evaluate on data without the model's columns`,
    `evaluate(onnx, split(csv('y.csv').as({ age: t.int32, plan: t.string }), { fractions: { train: 0.8, validation: 0.1, test: 0.1 }, seed: 7 }));`,
    [
      `Property 'churned' is missing in type '{ age: Type<"int32", never>; plan: Type<"string", never>; }' but required in type 'Pick<{ id: Type<"int64", never>; plan: Type<"string", never>; age: Type<"int32", null>; score: Type<"float64", never>; spent: Type<"float32", never>; at: Type<...>; churned: Type<...>; }, "age" | ... 1 more ... | "plan">'.`,
    ],
  ],
  [
    'a bar for a metric that was not evaluated',
    `gate(version, [atLeast('brier', 0.1)]);`,
    [`Type '"brier"' is not assignable to type '"auc" | "logLoss"'.`],
  ],
  [
    'a comparison by a metric that was not evaluated',
    `gate(version, [noWorseThan('champion', 'f1')]);`,
    [`Type '"f1"' is not assignable to type '"auc" | "logLoss"'.`],
  ],
  [
    'a bar per slice for a metric that was not evaluated',
    `gate(version, [perSlice('plan', atLeast('f1', 0.1))]);`,
    [`Type '"f1"' is not assignable to type '"auc" | "logLoss"'.`],
  ],
  [
    'a gate on a report',
    `gate(report, [atLeast('auc', 0.1)]);`,
    [`Type '"report"' is not assignable to type '"version"'.`],
  ],
  [
    'a promotion without a gate',
    `promote(version, { alias: 'champion' });`,
    [
      `Property 'mend' is missing in type 'Version<"auc" | "logLoss", Onnx<"binary", Pick<{ id: Type<"int64", never>; plan: Type<"string", never>; age: Type<"int32", null>; score: Type<"float64", never>; spent: Type<...>; at: Type<...>; churned: Type<...>; }, "age" | ... 1 more ... | "plan">, "churned">>' but required in type 'Mend<"promote takes what gate() returns">'.`,
    ],
  ],
  [
    'a promotion of several, one without a gate',
    `promote([passed, version], { alias: 'champion' });`,
    [
      `Property 'mend' is missing in type '(Gated<Onnx<"binary", Pick<{ id: Type<"int64", never>; plan: Type<"string", never>; age: Type<"int32", null>; score: Type<"float64", never>; spent: Type<"float32", never>; at: Type<...>; churned: Type<...>; }, "age" | ... 1 more ... | "plan">, "churned">> | Version<...>)[]' but required in type 'Mend<"promote takes what gate() returns">'.`,
    ],
  ],
  [
    'a report of a model with another task',
    `register(exportOnnx(fit(data, { label: 'score', inputs: { age: standardize() }, network: net })), { model: 'm', report });`,
    [`Type '"binary"' is not assignable to type '"regression"'.`],
  ],
  [
    'a key that is no column',
    `raw.as({ id: t.int64 }, { key: 'idd' });`,
    [`Type '"idd"' is not assignable to type '"id" | readonly "id"[] | undefined'.`],
  ],
  [
    'a declared type that is a string',
    `raw.as({ id: 'int64' });`,
    [`Type 'string' is not assignable to type 'AnyType'.`],
  ],
  [
    'an unknown option of csv',
    `csv('x.csv', { haeder: false });`,
    [
      `Object literal may only specify known properties, but 'haeder' does not exist in type 'CsvOptions & SourceOptions<never>'. Did you mean to write 'header'?`,
    ],
  ],
  [
    'a type of csv that is a string',
    `csv('x.csv', { columns: { id: 'int64' } });`,
    [`Type 'string' is not assignable to type 'AnyType'.`],
  ],
  [
    'a key of csv that is no column',
    `csv('x.csv', { columns: { id: t.int64 }, key: 'idd' });`,
    [`Type '"idd"' is not assignable to type '"id" | readonly "id"[] | undefined'.`],
  ],
  [
    'a param that the schema lacks',
    `definePipeline({ name: 'x', params: z.object({ asOf: z.iso.date() }), build: ({ params }) => ({ rows: csv(params.asof) }) });`,
    [`Property 'asof' does not exist on type '{ asOf: string; }'. Did you mean 'asOf'?`],
  ],
  [
    'a build that returns a number',
    `definePipeline({ name: 'x', build: () => ({ rows, other: 3 }) });`,
    [`Type 'number' is not assignable to type 'Stage<string>'.`],
  ],
  [
    'a deployment without a promotion',
    `deploy(passed, { endpoint: 'x' });`,
    [
      `Property 'alias' is missing in type 'Gated<Onnx<"binary", Pick<{ id: Type<"int64", never>; plan: Type<"string", never>; age: Type<"int32", null>; score: Type<"float64", never>; spent: Type<"float32", never>; at: Type<...>; churned: Type<...>; }, "age" | ... 1 more ... | "plan">, "churned">>' but required in type 'Live<unknown>'.`,
    ],
  ],
  [
    `predict on rows without the model's inputs`,
    `predict(onnx, csv('y.csv').as({ age: t.int32 }));`,
    [
      `Property 'plan' is missing in type '{ age: Type<"int32", never>; }' but required in type 'Omit<Pick<{ id: Type<"int64", never>; plan: Type<"string", never>; age: Type<"int32", null>; score: Type<"float64", never>; spent: Type<"float32", never>; at: Type<...>; churned: Type<...>; }, "age" | ... 1 more ... | "plan">, "churned">'.`,
    ],
  ],
  [
    'a kept column that is none',
    `predict(onnx, rows, { keep: ['pln'] });`,
    [
      `Type '"pln"' is not assignable to type '"age" | "at" | "churned" | "id" | "plan" | "score" | "spent"'. Did you mean '"plan"'?`,
    ],
  ],
  [
    'predict on an undeclared dataset',
    'predict(onnx, raw);',
    [
      `Property '[declaredColumns]' is missing in type 'UndeclaredDataset' but required in type 'Rows<Omit<Pick<{ id: Type<"int64", never>; plan: Type<"string", never>; age: Type<"int32", null>; score: Type<"float64", never>; spent: Type<"float32", never>; at: Type<...>; churned: Type<...>; }, "age" | ... 1 more ... | "plan">, "churned">>'.`,
    ],
  ],
  [
    'predict with a model that is not exported',
    'predict(model, rows);',
    [`Type '"model"' is not assignable to type '"onnx"'.`],
  ],
];

const equal = `
type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;
const holds = <T extends true>(): T | undefined => undefined;`;

/** What is right, each without an error. */
const accepted: readonly (readonly [string, string])[] = [
  ['the example of the design', designExample],
  [
    'kinds of labels give tasks',
    `${equal}
const string = fit(data, { label: 'plan', inputs: { age: standardize() }, network: net });
const stringBinary = fit(data, { label: 'plan', task: 'binary', inputs: { age: standardize() }, network: net });
const float = fit(data, { label: 'score', inputs: { age: standardize() }, network: net });
const int = fit(data, { label: 'age', task: 'multiclass', inputs: { score: standardize() }, network: net });
const several = fit(data, { label: ['score', 'age'], inputs: { plan: embed({ dimension: 2 }) }, network: net });
const one = fit(data, { label: ['score'], inputs: { plan: embed({ dimension: 2 }) }, network: net });
holds<Equal<typeof model.task, 'binary'>>();
holds<Equal<typeof string.task, 'multiclass'>>();
holds<Equal<typeof stringBinary.task, 'binary'>>();
holds<Equal<typeof float.task, 'regression'>>();
holds<Equal<typeof int.task, 'multiclass'>>();
holds<Equal<typeof several.task, 'regression'>>();
holds<Equal<typeof one.task, 'regression'>>();`,
  ],
  [
    'cells have the JavaScript type of their column, with null where it may be',
    `${equal}
import type { JsOf, RowOf } from 'millrace/types';
const wide = t.int64.nullable;
holds<Equal<JsOf<typeof wide>, bigint | null>>();
holds<Equal<JsOf<typeof t.date>, string>>();
holds<Equal<RowOf<{ a: typeof t.bool; b: typeof t.float32.nullable }>, { readonly a: boolean; readonly b: number | null }>>();`,
  ],
  [
    'files with columns need no as',
    `split(csv('x.csv', { header: true, columns: { id: t.int64 }, key: 'id' }), { by: 'id', fractions, seed: 1 });
split(parquet('x.parquet', { columns: { id: t.int64 } }), { by: 'id', fractions, seed: 1 });`,
  ],
  [
    'every option of training',
    `fit(data, { label: 'churned', inputs: { age: standardize() }, network: net, training: {
  optimizer: { kind: 'sgd', learningRate: 0.1, momentum: 0.9 }, schedule: { kind: 'constant' }, batchSize: 3, maxEpochs: 2,
  earlyStopping: { patience: 1, minimumDelta: 0.1 }, gradientClipNorm: 1, seed: 1, gradientShards: 1, deterministic: false } });`,
  ],
  [
    'splits by hash, by time and by a column',
    `split(rows, { fractions, seed: 1, stratify: 'plan' });
split(rows, { time: 'at', cuts: ['2026-01-01', '2026-02-01'], purgeHours: 24 });
split(rows, { column: 'plan', validation: { fraction: 0.1, by: ['id', 'plan'], seed: 1 } });`,
  ],
  [
    'a prediction has typed columns of its own',
    `const scored = predict(onnx, rows, { keep: ['id'] });
split(scored, { by: ['id', 'probability', 'class'], fractions, seed: 1 });
const amounts = predict(exportOnnx(fit(data, { label: ['score', 'spent'], inputs: { age: standardize() }, network: net })), rows);
split(amounts, { by: ['prediction_score', 'prediction_spent'], fractions, seed: 1 });`,
  ],
  [
    'a prediction after a promotion, on rows without the label',
    `const fresh = csv('new.csv').as({ age: t.int32, plan: t.string });
split(predict(live, fresh, { keep: ['age'] }), { by: ['age', 'class'], fractions, seed: 1 });`,
  ],
  [
    'gates on metrics that were evaluated; all metrics where none are named',
    `gate(version, [noWorseThan('champion', 'logLoss'), perSlice('plan', atLeast('auc', 0.7))]);
gate(register(onnx, { model: 'm', report: evaluate(onnx, data) }), [atLeast('brier', 0.1)]);`,
  ],
  [
    'several gated versions promoted together',
    `deploy(promote([passed, passed], { alias: 'champion' }), { endpoint: 'e', model: 'churn' });`,
  ],
  [
    'params of every default',
    `definePipeline({ name: 'x', params: z.object({ n: z.int().default(8), s: z.string().optional() }), build: ({ params }) => ({ rows: sql\`SELECT \${params.n} AS n, \${params.s ?? null} AS s\` }) });
definePipeline({ name: 'x', build: () => ({ rows }) });`,
  ],
  [
    'a custom stage with declared columns',
    `split(custom(function* () {}, { inputs: { rows }, columns: { id: t.int64 }, key: 'id' }), { by: 'id', fractions, seed: 1 });`,
  ],
];

const snippetName = (index: number, kind: string): string => `snippet-${kind}-${index}`;
let results: SnippetResults;

beforeAll(() => {
  const around = (code: string): string =>
    `${imports}\nimport { data, fractions, live, model, net, onnx, passed, raw, report, rows, version } from './world.js';\n${code}\nexport {};`;
  results = compileSnippets({
    world,
    ...Object.fromEntries(mistakes.map(([, code], index) => [snippetName(index, 'wrong'), around(code)])),
    ...Object.fromEntries(
      accepted.map(([, code], index) => [snippetName(index, 'right'), code === designExample ? code : around(code)]),
    ),
  });
});

test('the world of the snippets compiles', () => {
  expect(results.errors('world')).toEqual([]);
});

test.each(accepted.map(([title], index) => [title, index] as const))('accepts %s', (_, index) => {
  expect(results.errors(snippetName(index, 'right'))).toEqual([]);
});

test.each(mistakes.map(([title, , expected], index) => [title, expected, index] as const))(
  'refuses %s',
  (_, expected, index) => {
    expect(results.errors(snippetName(index, 'wrong')).map((lines) => lines.at(-1))).toEqual(expected);
  },
);
