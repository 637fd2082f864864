// biome-ignore-all lint/suspicious/noTemplateCurlyInString: so the paths of values in SQL look
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  arrow,
  atLeast,
  csv,
  custom,
  date,
  definePipeline,
  deploy,
  evaluate,
  exportOnnx,
  fit,
  gate,
  json,
  parquet,
  perSlice,
  predict,
  promote,
  register,
  split,
  sql,
  sqlText,
  timestamp,
} from '../../../../pipelines/index.js';
import { dense, network, standardize } from '../../../../pipelines/nn.js';
import { t } from '../../../../pipelines/types.js';
import { churnModel, columns, fractions, inputs, net, parts, people, promoted } from '../churn.js';
import { thrown } from '../thrown.js';

/** What a program without types may pass. */
const untyped = <F extends (...values: never[]) => unknown>(builder: F) =>
  builder as unknown as (...values: unknown[]) => unknown;
const texts = (body: () => unknown, code = 'CONFIG_INVALID'): readonly string[] =>
  thrown(body).map(([is, text]) => {
    expect(is).toBe(code);
    return text;
  });
const all = 'id, plan, age, score, at, part, churned';

describe('sources', () => {
  test.each([
    ['', "csv.path: expected a path or glob; received ''."],
    ['a\0b', "csv.path: expected a path or glob; received 'a\\x00b'."],
    [undefined, 'csv.path: expected a path or glob; received nothing.'],
  ])('refuses the path %j', (path, text) => {
    expect(texts(() => untyped(csv)(path))).toEqual([text]);
  });

  test('csv says every problem of its options at once, with the nearest key', () => {
    expect(texts(() => untyped(csv)('x.csv', { haeder: true, delimiter: '::', nulls: 'NA', colums: {} }))).toEqual([
      "csv.nulls: expected an array; received 'NA'.",
      "csv.delimiter: expected exactly 1 character; received '::'.",
      "csv.haeder: expected one of the keys header, names, nulls, trim, lineNumber, delimiter, columns, key; received 'haeder'. Did you mean 'header'?",
      "csv.colums: expected one of the keys header, names, nulls, trim, lineNumber, delimiter, columns, key; received 'colums'. Did you mean 'columns'?",
    ]);
  });

  test('csv refuses options that contradict each other', () => {
    const options = {
      header: true,
      names: ['a', 'A'],
      lineNumber: 'a',
      delimiter: '"',
      columns: { a: t.string, aa: t.string },
    };
    expect(texts(() => csv('x.csv', options))).toEqual([
      "csv.delimiter: expected a character other than a quote or a line break; received '\"'.",
      'csv.names: expected a header or names; received both. Remove one of the two.',
      "csv.names.1: expected each name once, whatever its case; received 'A' again.",
      "csv.lineNumber: expected a name that is not among the names; received 'a'.",
      "csv.columns.aa: expected one of the names a, A; received 'aa'. Did you mean 'a'?",
    ]);
  });

  test('a key needs declared columns', () => {
    expect(texts(() => csv('x.csv', { key: 'id' as never }))).toEqual([
      'csv.key: expected a key of declared columns; received a key without columns. Give columns, or declare both with .as({ … }, { key }).',
    ]);
  });

  test.each([
    ['parquet', parquet],
    ['json', json],
    ['arrow', arrow],
  ] as const)('%s knows columns and key alone', (name, builder) => {
    expect(texts(() => untyped(builder)('x', { header: true }))).toEqual([
      `${name}.header: expected one of the keys columns, key; received 'header'. Remove it.`,
    ]);
  });
});

describe('declared columns', () => {
  const raw = (): { as: (...values: unknown[]) => unknown } => csv('x.csv') as never;
  test.each([undefined, null, [t.int64], 3])('as refuses %j for columns', (value) => {
    expect(texts(() => raw().as(value))).toHaveLength(1);
  });

  test('as says every problem at once', () => {
    expect(
      texts(() =>
        raw().as({ id: t.int64, Id: t.int64, plan: 'string', age: null, '': t.bool }, { key: ['id', 'idd', 'id'] }),
      ),
    ).toEqual([
      "as.columns.Id: expected names that differ in more than their case, as SQL does not tell them apart; received 'id' and 'Id'.",
      "as.columns.plan: expected a type such as t.int64; received 'string'. Import t from 'millrace/types'.",
      "as.columns.age: expected a type such as t.int64; received null. Import t from 'millrace/types'.",
      "as.columns.: expected a name of at least one character, without NUL; received ''.",
      "as.key: expected one of the declared columns id, Id, plan, age, ; received 'idd'. Did you mean 'id'?",
      "as.key: expected each column once; received 'id' again.",
    ]);
  });

  test('as refuses no columns, a key that is no name and unknown options', () => {
    expect(texts(() => raw().as({}))).toEqual(['as.columns: expected at least one column; received none.']);
    expect(texts(() => raw().as({ id: t.int64 }, { key: 3 }))).toEqual([
      'as.key: expected a column or an array of columns; received 3.',
    ]);
    expect(texts(() => raw().as({ id: t.int64 }, { keys: 'id' }))).toEqual([
      "as.keys: expected one of the keys key; received 'keys'. Did you mean 'key'?",
    ]);
  });
});

describe('sql', () => {
  test.each(['2026-02-30', '2026-1-1', '', undefined])('date refuses %j', (value) => {
    expect(texts(() => date(value as string))).toEqual([
      `date: expected a date as YYYY-MM-DD; received ${value === undefined ? 'nothing' : `'${value}'`}.`,
    ]);
  });

  test.each(['2026-01-01', '2026-01-01T00:00:00'])('timestamp refuses %j, which has no zone', (value) => {
    expect(texts(() => timestamp(value))).toEqual([
      `timestamp: expected a time as ISO 8601 with a zone, such as 2026-01-01T00:00:00Z; received '${value}'.`,
    ]);
  });

  test('a value between quotes or in a comment is refused, where it would be text', () => {
    const code = 'SQL_INVALID';
    expect(texts(() => sql`SELECT * FROM ${people()} WHERE plan = '${'basic'}'`, code)).toEqual([
      "sql.${1}: expected values and datasets outside of quotes and comments; received one between '. Take the quotes away: a value is bound with its type.",
    ]);
    expect(texts(() => sql`SELECT * FROM "${people()}"`, code)).toHaveLength(1);
    expect(texts(() => sql`SELECT 1 -- ${1}`, code)).toEqual([
      'sql.${0}: expected values and datasets outside of quotes and comments; received one in a comment. Take it out of the comment.',
    ]);
    expect(texts(() => sql`SELECT 1 /* it's ${1} */`, code)).toHaveLength(1);
    expect(
      texts(
        () => sql`SELECT 'it''s' AS "a""b" -- don't
      , /* "quoted' */ ${1} AS b, ${'x'} AS c`,
      ),
    ).toEqual([]);
  });

  test('sqlText wants a placeholder a dataset and a dataset a placeholder', () => {
    const code = 'SQL_INVALID';
    expect(texts(() => sqlText('SELECT * FROM {{0}} JOIN {{2}} USING (id)', [people(), people()]), code)).toEqual([
      'sqlText.text: expected placeholders of the 2 datasets; received {{2}}.',
      'sqlText.datasets.1: expected a text that reads {{1}}; received one that does not.',
    ]);
    expect(texts(() => sqlText(' '), code)).toEqual([
      'sqlText.text: expected one SELECT statement; received an empty text.',
    ]);
    expect(texts(() => untyped(sqlText)(undefined), code)).toEqual([
      'sqlText.text: expected one SELECT statement; received nothing.',
    ]);
    expect(texts(() => sqlText('SELECT 1 AS a'), code)).toEqual([]);
  });

  test('values that SQL does not have are refused where they stand', () => {
    expect(texts(() => sql`SELECT ${1}, ${Number.NaN}`)).toEqual(['sql.${1}: expected a finite number; received NaN.']);
    expect(texts(() => sql`SELECT ${[1, {} as never]}`)).toEqual([
      'sql.${0}.1: expected a dataset, null, boolean, number, bigint, string, array, date(…) or timestamp(…); received an object.',
    ]);
    expect(texts(() => sql` `, 'SQL_INVALID')).toEqual(['sql: expected one SELECT statement; received an empty text.']);
    expect(texts(() => sql`SELECT * FROM ${parts() as never}`, 'PIPELINE_INVALID')).toEqual([
      'sql.${0}: expected what csv(), parquet(), json(), arrow(), sql`…`, custom() or predict() returned; received what split() returned.',
    ]);
  });
});

describe('split', () => {
  test('says every unknown column and wrong fraction at once', () => {
    const options = {
      by: ['id', 'pan'],
      stratify: 'churnd',
      fractions: { train: 0.9, validation: 0, test: 0.2 },
      seed: 1,
    };
    expect(texts(() => untyped(split)(people(), options))).toEqual([
      `split.by: expected a column of the dataset (${all}); received 'pan'. Did you mean 'plan'?`,
      `split.stratify: expected a column of the dataset (${all}); received 'churnd'. Did you mean 'churned'?`,
      'split.fractions: expected fractions that sum to at most 1; received 1.1.',
      'split.fractions.validation: expected more than 0; received 0.',
    ]);
  });

  test('checks times', () => {
    expect(texts(() => untyped(split)(people(), { time: 'plan', cuts: ['2026-02-30', 'now'] }))).toEqual([
      "split.time: expected a date or timestamp column; received 'plan', which is string.",
      "split.cuts.0: expected a date as YYYY-MM-DD or a time as ISO 8601 with a zone; received '2026-02-30'.",
      "split.cuts.1: expected a date as YYYY-MM-DD or a time as ISO 8601 with a zone; received 'now'.",
    ]);
    expect(texts(() => split(people(), { time: 'at', cuts: ['2026-02-01', '2026-02-01'] }))).toEqual([
      "split.cuts: expected ascending cuts; received '2026-02-01' and '2026-02-01'.",
    ]);
    expect(texts(() => split(people(), { time: 'at', cuts: ['2026-02-01', '2026-03-01'], purgeHours: -1 }))).toEqual([
      'split.purgeHours: expected at least 0; received -1.',
    ]);
  });

  test('checks a column that says the part', () => {
    expect(texts(() => split(people(), { column: 'id', validation: { fraction: 1, seed: 1 } }))).toEqual([
      "split.column: expected a string column that says train, validation or test; received 'id', which is int64.",
      'split.validation.fraction: expected a number between 0 and 1; received 1.',
    ]);
  });

  test('refuses options of no kind and of two', () => {
    expect(texts(() => untyped(split)(people(), { seed: 3 }))).toEqual([
      'split: expected { fractions, seed }, { time, cuts } or { column }; received the keys seed.',
    ]);
    expect(texts(() => untyped(split)(people()))).toEqual([
      'split: expected { fractions, seed }, { time, cuts } or { column }; received nothing.',
    ]);
    expect(
      texts(() => untyped(split)(people(), { time: 'at', cuts: ['2026-01-01', '2026-02-01'], fractions })),
    ).toEqual(["split.fractions: expected one of the keys time, cuts, purgeHours; received 'fractions'. Remove it."]);
    expect(texts(() => split(people(), { by: [], fractions, seed: 1 }))).toEqual([
      'split.by: expected at least 1 entry; received an empty array.',
    ]);
  });

  test('refuses a dataset without declared columns', () => {
    expect(texts(() => untyped(split)(csv('x.csv'), { fractions, seed: 1 }), 'PIPELINE_INVALID')).toEqual([
      'split.rows: expected a dataset with declared columns; received an undeclared one. Declare them with .as({ … }).',
    ]);
  });
});

describe('fit', () => {
  const wrong = (options: unknown, code?: string): readonly string[] =>
    texts(() => untyped(fit)(parts(), options), code);

  test('says every problem at once', () => {
    const options = {
      label: 'churned',
      inputs: { agee: standardize(), churned: standardize() },
      network: net,
      weight: 'plan',
      training: { batchSize: 0, optimizer: { kind: 'adam', learningRate: 1e-3, momentum: 0.9 } },
    };
    expect(wrong(options)).toEqual([
      `fit.inputs.agee: expected a column of the dataset (${all}); received 'agee'. Did you mean 'age'?`,
      "fit.weight: expected an int or float column; received 'plan', which is string.",
      "fit.training.optimizer.momentum: expected one of the keys kind, learningRate, beta1, beta2, epsilon, weightDecay; received 'momentum'. Remove it.",
      'fit.training.batchSize: expected at least 1; received 0.',
      "fit.inputs.churned: expected features other than the label; received 'churned', which is the label. Remove it: the model would only copy it.",
    ]);
  });

  test('refuses what is no options, no label and no inputs', () => {
    expect(wrong({ network: net })).toEqual([
      'fit.label: expected a string or an array; received nothing.',
      'fit.inputs: expected an object of inputs by column; received nothing.',
    ]);
    expect(wrong({ label: 'churned', inputs: {}, network: net })).toEqual([
      'fit.inputs: expected at least one input; received none.',
    ]);
    expect(wrong({ label: 'churned', inputs, network: net, devise: 'cpu' })).toEqual([
      "fit.devise: expected one of the keys label, task, inputs, network, loss, weight, training, device; received 'devise'. Did you mean 'device'?",
    ]);
    expect(wrong({ label: 'churned', inputs, network: net, device: 'gpu' })).toEqual([
      "fit.device: expected 'auto', 'cpu' or 'cuda'; received 'gpu'.",
    ]);
  });

  test.each([
    ['at', undefined, "fit.label: expected a bool, int, float or string column; received 'at', which is timestamp."],
    [
      'id',
      undefined,
      "fit.task: expected 'binary', 'multiclass' or 'regression' for an integer label; received nothing. Say what its numbers are: classes or amounts.",
    ],
    ['churned', 'regression', "fit.task: expected 'binary'; received 'regression' for a label of kind bool."],
    [
      ['score', 'plan'],
      undefined,
      "fit.label: expected int or float columns where there are several; received 'plan', which is string.",
    ],
    [['score', 'id'], 'binary', "fit.task: expected 'regression' for several labels; received 'binary'."],
    [['score', 'score'], undefined, "fit.label: expected each column once; received 'score', 'score'."],
  ])('refuses the label %j with the task %j', (label, task, text) => {
    expect(
      wrong({ label, ...(task === undefined ? {} : { task }), inputs: { age: standardize() }, network: net }),
    ).toEqual([text]);
  });

  test('the network and the inputs are checked while they are traced', () => {
    expect(wrong({ label: 'churned', inputs: { plan: standardize() }, network: net }, 'NETWORK_INVALID')).toEqual([
      'fit.inputs.plan: expected an input that takes string; received standardize for a column of kind string. standardize takes int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64.',
    ]);
    expect(wrong({ label: 'churned', inputs, network: network(dense(3)) }, 'NETWORK_SHAPE')).toHaveLength(1);
  });

  test.each([
    ['churned', undefined, 'binary'],
    ['plan', undefined, 'multiclass'],
    ['plan', 'binary', 'binary'],
    ['score', undefined, 'regression'],
    ['id', 'multiclass', 'multiclass'],
    [['score', 'id'], undefined, 'regression'],
  ])('the label %j with the task %j is %s', (label, task, expected) => {
    const model = untyped(fit)(parts(), { label, task, inputs: { age: standardize() }, network: net });
    expect((model as { task: string }).task).toBe(expected);
  });
});

describe('evaluate, register, gate, promote, deploy', () => {
  test('evaluate says every unknown metric and slice at once', () => {
    const data = parts();
    const onnx = exportOnnx(churnModel(data));
    expect(texts(() => untyped(evaluate)(onnx, data, { metrics: ['auk', 'auc', 'auc'], slices: ['pln'] }))).toEqual([
      "evaluate.metrics: expected metrics of a binary model (auc, logLoss, accuracy, precision, recall, f1, averagePrecision, brier, calibrationError); received 'auk'. Did you mean 'auc'?",
      "evaluate.metrics: expected each name once; received 'auc' again.",
      `evaluate.slices: expected a column of the dataset (${all}); received 'pln'. Did you mean 'plan'?`,
    ]);
    expect(texts(() => untyped(evaluate)(onnx, data, { importance: true }))).toEqual([
      'evaluate.importance: expected false or an object; received true.',
    ]);
    const narrow = split(csv('y.csv', { columns: { age: t.int32, churned: t.bool } }), { fractions, seed: 1 });
    expect(texts(() => untyped(evaluate)(onnx, narrow))).toEqual([
      "evaluate.data.plan: expected a column of the dataset (age, churned); received 'plan'.",
    ]);
  });

  test('register refuses the report of another model', () => {
    const data = parts();
    const [a, b] = [exportOnnx(churnModel(data)), exportOnnx(churnModel(data))];
    expect(texts(() => register(a, { model: 'm', report: evaluate(b, data) }), 'PIPELINE_INVALID')).toEqual([
      'register.report: expected a report of the model that is registered; received a report of another one. Pass the same exportOnnx() to evaluate and register.',
    ]);
  });

  test('gate refuses metrics and slices that the report does not have', () => {
    const { version } = promoted();
    const conditions = [
      atLeast('brir', 0.1),
      perSlice('pln', atLeast('auc', 0.1)),
      perSlice('age', atLeast('f1', 0.1)),
    ];
    expect(texts(() => untyped(gate)(version, conditions))).toEqual([
      "gate.conditions.0.metric: expected a metric of the report (auc, logLoss); received 'brir'. Add it to the options of evaluate().",
      "gate.conditions.1.column: expected a slice of the report (plan); received 'pln'. Did you mean 'plan'?",
      "gate.conditions.2.column: expected a slice of the report (plan); received 'age'. Add it to the options of evaluate().",
      "gate.conditions.2.condition.metric: expected a metric of the report (auc, logLoss); received 'f1'. Add it to the options of evaluate().",
    ]);
    expect(texts(() => gate(version, []))).toEqual([
      'gate.conditions: expected at least one condition, such as atLeast(…); received an empty array.',
    ]);
    expect(texts(() => gate(version, [atLeast('auc', Number.NaN)]))).toEqual([
      'gate.conditions.0.bar: expected a finite number; received NaN.',
    ]);
    expect(texts(() => untyped(gate)(version, [atLeast('auc', 1)], { contaminated: 'ignore' }))).toEqual([
      "gate.contaminated: expected 'block' or 'allow'; received 'ignore'.",
    ]);
  });

  test('promote takes gated versions of different models', () => {
    const { version, passed } = promoted();
    expect(texts(() => untyped(promote)(version, { alias: 'champion' }), 'PIPELINE_INVALID')).toEqual([
      'promote.gated: expected what gate() returned; received what register() returned.',
    ]);
    expect(texts(() => promote([passed, passed], { alias: 'champion' }))).toEqual([
      "promote.gated.1: expected one version of each model; received a second one of 'churn'.",
    ]);
    expect(texts(() => promote([], { alias: 'champion' }))).toEqual([
      'promote.gated: expected at least one gated version; received none.',
    ]);
  });

  test('deploy names the model where several were promoted', () => {
    const first = promoted();
    const second = register(first.onnx, { model: 'other', report: first.report });
    const live = promote([first.passed, gate(second, [atLeast('auc', 0.5)])], { alias: 'champion' });
    expect(texts(() => deploy(live, { endpoint: 'e' }))).toEqual([
      "deploy.model: expected 'churn' or 'other'; received nothing.",
    ]);
    expect(texts(() => deploy(live, { endpoint: 'e', model: 'chrn' }))).toEqual([
      "deploy.model: expected 'churn' or 'other'; received 'chrn'. Did you mean 'churn'?",
    ]);
    expect(deploy(live, { endpoint: 'e', model: 'other' }).endpoint).toBe('e');
  });
});

describe('predict', () => {
  test("refuses rows without the model's inputs, and kept columns that are none, double or the prediction's", () => {
    const { onnx } = promoted();
    const rows = csv('y.csv', { columns: { age: t.int32, class: t.string } });
    expect(texts(() => untyped(predict)(onnx, rows, { keep: ['class', 'agee', 'age', 'age'] }))).toEqual([
      "predict.rows.plan: expected a column of the dataset (age, class); received 'plan'.",
      "predict.keep: expected a column of the dataset (age, class); received 'agee'. Did you mean 'age'?",
      "predict.keep: expected each column once; received 'age' again.",
      "predict.keep: expected columns other than the prediction's; received 'class'. Rename it in the SQL that makes the dataset.",
    ]);
  });

  test('has the columns of its task', () => {
    const { onnx } = promoted();
    expect(predict(onnx, people(), { keep: ['id'] }).columns.map((column) => column.name)).toEqual([
      'id',
      'probability',
      'class',
    ]);
    const amounts = exportOnnx(fit(parts(), { label: ['score', 'id'], task: 'regression', inputs, network: net }));
    expect(predict(amounts, people()).columns.map((column) => column.name)).toEqual([
      'prediction_score',
      'prediction_id',
    ]);
  });
});

describe('names', () => {
  test.each([
    '',
    '.',
    '..',
    '../up',
    'a/b',
    'a\\b',
    'a b',
    '-a',
    '.a',
    'ä',
    'a\n',
    'a..b',
    'a%2fb',
    'x'.repeat(129),
    3,
    null,
    undefined,
  ])('a pipeline, model, alias or endpoint refuses %j', (name) => {
    const { onnx, report, passed, live } = promoted();
    const expected = "expected 1 to 128 letters, digits, '.', '_' or '-', a letter or digit first, without '..'";
    for (const [path, body] of [
      ['definePipeline.name', () => untyped(definePipeline)({ name, build: () => ({}) })],
      ['register.model', () => untyped(register)(onnx, { model: name, report })],
      ['promote.alias', () => untyped(promote)(passed, { alias: name })],
      ['deploy.endpoint', () => untyped(deploy)(live, { endpoint: name })],
    ] as const) {
      const [text] = texts(body, 'NAME_INVALID');
      expect(text?.startsWith(`${path}: ${expected}; received `)).toBe(true);
    }
  });

  test('control and direction characters are made visible', () => {
    expect(texts(() => untyped(definePipeline)({ name: 'a\u202e\n', build: () => ({}) }), 'NAME_INVALID')).toEqual([
      "definePipeline.name: expected 1 to 128 letters, digits, '.', '_' or '-', a letter or digit first, without '..'; received 'a\\u202e\\x0a'.",
    ]);
  });
});

describe('definePipeline and custom', () => {
  test('definePipeline refuses what is no build, no schema and unknown keys', () => {
    expect(texts(() => untyped(definePipeline)({ name: 'x', build: 3, parms: {} }), 'PIPELINE_INVALID')).toEqual([
      'definePipeline.build: expected a function; received 3.',
      "definePipeline.parms: expected one of the keys name, params, build; received 'parms'. Did you mean 'params'?",
    ]);
    expect(
      texts(() => untyped(definePipeline)({ name: 'x', params: z.string(), build: () => ({}) }), 'PARAMS_INVALID'),
    ).toEqual(['definePipeline.params: expected z.object({ … }); received z.string(…).']);
  });

  test('custom refuses what is no function, input names that are no part of an id, and options that are no JSON', () => {
    const given = { inputs: { rows: people() }, columns };
    expect(texts(() => untyped(custom)('clean', given))).toEqual([
      "custom.run: expected an exported function; received 'clean'.",
    ]);
    expect(texts(() => untyped(custom)(() => [], { ...given, inputs: { 'a/b': people() } }), 'NAME_INVALID')).toEqual([
      "custom.inputs.a/b: expected a name of 1 to 64 letters, digits and _, a letter first; received 'a/b'.",
    ]);
    expect(texts(() => untyped(custom)(() => [], { ...given, input: {} }))).toEqual([
      "custom.input: expected one of the keys inputs, columns, key, options; received 'input'. Did you mean 'inputs'?",
    ]);
    expect(texts(() => untyped(custom)(() => [], { ...given, options: { when: new Date(0) } }))).toHaveLength(1);
  });
});
