import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluateOperator } from '../../../../operators/evaluate/evaluate-operator.js';
import { readReport } from '../../../../operators/evaluate/report.js';
import type { Artifact } from '../../../../pipelines/contracts/artifacts.js';
import type { KeyContext } from '../../../../pipelines/contracts/operator.js';
import { runPython } from '../../../peers/python.js';
import {
  binaryModel,
  binarySignature,
  customers,
  type EvaluationWorld,
  input,
  multiclassModel,
  multiclassSignature,
  openEvaluationWorld,
  regressionModel,
  regressionSignature,
  testHalf,
} from './evaluation-world.js';

let world: EvaluationWorld;
beforeAll(async () => {
  world = await openEvaluationWorld();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const defaults = { split: testHalf, metrics: null, slices: [] as string[], bootstrap: 200, importance: null, seed: 0 };
let stages = 0;

async function evaluate(
  onnx: Artifact,
  dataset: Artifact,
  options: Partial<Record<keyof typeof defaults, unknown>> = {},
  signal?: AbortSignal,
  threads = 2,
) {
  const given = world.context('run', `report-${stages++}`, signal);
  const context = { ...given, placement: { ...given.placement, threads } };
  const resolved = evaluateOperator.options.parse({ ...defaults, ...options });
  const result = await evaluateOperator.run(context, {
    options: resolved,
    inputs: { onnx: input('onnx', onnx), dataset: input('dataset', dataset) },
  });
  const artifact = await world.artifacts.open(result.outputs[0]!.digest);
  return { result, artifact, report: await readReport(artifact), context };
}

describe('evaluate', () => {
  it('measures a binary model on the test rows alone and keeps their predictions', async () => {
    const dataset = await world.dataset(customers(4000), ['id']);
    const onnx = await world.bundle(binaryModel(2), binarySignature);
    const { report, artifact, result, context } = await evaluate(onnx, dataset, {
      slices: ['plan', 'age'],
      importance: { repeats: 2, maxRows: 500 },
    });
    expect(report.rows).toBeGreaterThan(1850);
    expect(report.rows).toBeLessThan(2150);
    expect(Object.keys(report.metrics).sort()).toEqual([
      'accuracy',
      'auc',
      'averagePrecision',
      'brier',
      'calibrationError',
      'f1',
      'logLoss',
      'precision',
      'recall',
    ]);
    for (const { value, interval } of Object.values(report.metrics)) {
      expect(interval!.low).toBeLessThanOrEqual(value! + 0.01);
      expect(interval!.high).toBeGreaterThanOrEqual(value! - 0.01);
    }
    expect(report.slices[0]!.values.map(({ value }) => value).sort()).toEqual(['basic', 'plus', 'pro']);
    // age has 91 values: five groups, and the missing ones.
    expect(report.slices[1]!.values.map(({ value }) => value)).toHaveLength(6);
    expect(report.slices[1]!.values.at(-1)!.value).toBeNull();
    for (const slice of report.slices) expect(slice.values.reduce((sum, { rows }) => sum + rows, 0)).toBe(report.rows);
    expect(report.importance!.inputs.map(({ name }) => name)).toEqual(['x', 'plan']);
    expect(report.importance!.inputs[0]!.mean).toBeGreaterThan(0.2);
    expect(report.importance!.inputs[1]).toEqual({ name: 'plan', mean: 0, standardDeviation: 0 });
    expect(report.curves!.roc.length).toBeLessThanOrEqual(200);
    expect(report.confusion!.counts!.flat().reduce((a, b) => a + b, 0)).toBe(report.rows);
    expect(result.metrics!['auc']).toBe(report.metrics['auc']!.value);

    const page = await readFile(join(context.records, 'report.html'), 'utf8');
    expect(page).toContain('<h1>How well it predicts churned</h1>');

    const python = `
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
log = EventAccumulator(input["records"]).Reload()
text = log.Tensors("report")[0].tensor_proto.string_val[0].decode()
import duckdb, math
from sklearn.metrics import roc_auc_score, f1_score
t = duckdb.sql("SELECT p.*, c.x FROM read_parquet('" + input["predictions"] + "') p JOIN read_parquet('" + input["dataset"] + "') c ON md5(c.id::VARCHAR) = p.identity").fetchnumpy()
output = {
  "text": text,
  "rows": len(t["identity"]), "auc": roc_auc_score(t["label"], t["probability"]), "f1": f1_score(t["label"], t["class"] == "true"),
  "gap": float(max(abs(1 / (1 + math.exp(-2 * x)) - p) for x, p in zip(t["x"], t["probability"]))),
}`;
    const checked = (await runPython(python, {
      predictions: join(artifact.directory, 'predictions.parquet'),
      dataset: join(dataset.directory, 'part-00000.parquet'),
      records: context.records,
    })) as Record<string, number> & { readonly text: string };
    expect(checked.text).toContain('| metric | value | 95% interval |');
    expect(checked['rows']).toBe(report.rows);
    expect(checked['gap']).toBeLessThan(1e-6);
    expect(Math.abs(checked['auc']! - report.metrics['auc']!.value!)).toBeLessThan(1e-9);
    expect(Math.abs(checked['f1']! - report.metrics['f1']!.value!)).toBeLessThan(1e-9);
  });

  it('gives equal bytes when it runs again, at any number of threads', async () => {
    const dataset = await world.dataset(customers(9000), ['id']);
    const onnx = await world.bundle(binaryModel(2), binarySignature);
    const options = { slices: ['plan'], importance: { repeats: 2, maxRows: 100 } };
    const { artifact } = await evaluate(onnx, dataset, options);
    for (const threads of [1, 3, 8]) {
      expect((await evaluate(onnx, dataset, options, undefined, threads)).artifact.digest).toBe(artifact.digest);
    }
  });

  it('has a key of the columns that it reads alone', async () => {
    const onnx = await world.bundle(binaryModel(2), binarySignature);
    const parts = async (select: string, slices: readonly string[]) => {
      const dataset = await world.dataset(select, ['id']);
      const stage = {
        options: evaluateOperator.options.parse({ ...defaults, slices }),
        inputs: { onnx: input('onnx', onnx), dataset: input('dataset', dataset) },
      };
      return evaluateOperator.keyParts!(world.context('run', 'report') as KeyContext, stage);
    };
    const columns = (found: Readonly<Record<string, string>>) =>
      Object.keys(found).flatMap((name) => (name.startsWith('column ') ? [name.slice(7)] : []));
    expect(columns(await parts(customers(10), []))).toEqual(['id', 'x', 'plan', 'churned']);
    expect(columns(await parts(customers(10), ['age']))).toEqual(['id', 'x', 'plan', 'age', 'churned']);
  });

  it('measures a multiclass model', async () => {
    const dataset = await world.dataset(
      `SELECT *, CASE WHEN x > 0.7 THEN 'high' WHEN x < -0.7 THEN 'low' ELSE 'mid' END AS band FROM (${customers(2000)})`,
      ['id'],
    );
    const { report } = await evaluate(await world.bundle(multiclassModel(), multiclassSignature), dataset, {
      importance: { repeats: 1, maxRows: 200 },
    });
    expect(Object.keys(report.metrics).sort()).toEqual(['accuracy', 'auc', 'f1', 'logLoss', 'precision', 'recall']);
    expect(report.metrics['accuracy']!.value).toBeGreaterThan(0.9);
    expect(report.confusion!.counts).toHaveLength(3);
    expect(report.curves).toBeNull();
  });

  it('measures a regression', async () => {
    const dataset = await world.dataset(
      `SELECT *, 10 * x + 50 + (hash(id, 'e') / 18446744073709551615.0 - 0.5) AS amount FROM (${customers(1000)})`,
      ['id'],
    );
    const { report } = await evaluate(await world.bundle(regressionModel(), regressionSignature), dataset);
    expect(report.metrics['rmse']!.value).toBeCloseTo(Math.sqrt(1 / 12), 1);
    expect(report.metrics['r2']!.value).toBeGreaterThan(0.99);
    expect(report.residuals[0]!.groups).toHaveLength(20);
    expect(report.confusion).toBeNull();
  });

  it('measures a single row of a regression without R²', async () => {
    const dataset = await world.dataset(`SELECT *, 10 * x + 50 AS amount, 'test' AS part FROM (${customers(1)})`, [
      'id',
    ]);
    const split = { kind: 'column', column: 'part', validation: null };
    const { report } = await evaluate(await world.bundle(regressionModel(), regressionSignature), dataset, { split });
    expect(report.rows).toBe(1);
    expect(report.metrics['r2']).toEqual({ value: null, interval: null });
    expect(report.metrics['rmse']!.value).toBeLessThan(1e-5);
  });

  it('names the part where the split leaves no test row', async () => {
    const dataset = await world.dataset(customers(3), ['id']);
    const split = { ...testHalf, train: 1, validation: 0, test: 0 };
    await expect(
      evaluate(await world.bundle(binaryModel(1), binarySignature), dataset, { split }),
    ).rejects.toMatchObject({
      code: 'SPLIT_EMPTY',
      message: expect.stringMatching(
        /^report-\d+\.split: expected at least one row in the test split; received none of 3 rows\. Give the test split a larger fraction, later cuts or more data\.$/,
      ),
    });
  });

  it('refuses test rows of one class', async () => {
    const dataset = await world.dataset(customers(100, 'true'), ['id']);
    await expect(evaluate(await world.bundle(binaryModel(1), binarySignature), dataset)).rejects.toMatchObject({
      code: 'DATA_SINGLE_CLASS',
      message: expect.stringMatching(
        /^test\.churned: expected rows of at least two classes; received \d+ rows, all of class 'true'\. Give the test split more rows, or stratify the split by the label\.$/,
      ),
    });
  });

  it('counts rows without a label', async () => {
    const dataset = await world.dataset(customers(100, 'CASE WHEN i % 2 = 0 THEN x > 0 END'), ['id']);
    await expect(evaluate(await world.bundle(binaryModel(1), binarySignature), dataset)).rejects.toMatchObject({
      code: 'DATA_NULL',
      message: expect.stringMatching(
        /^test\.churned: expected a label in every row of the test split; received NULL in \d+ of \d+ rows\. Leave such rows out in SQL\.$/,
      ),
    });
  });

  it('counts labels that the model does not know', async () => {
    const dataset = await world.dataset(
      `SELECT *, CASE WHEN x > 0 THEN 'high' ELSE 'none' END AS band FROM (${customers(100)})`,
      ['id'],
    );
    await expect(evaluate(await world.bundle(multiclassModel(), multiclassSignature), dataset)).rejects.toMatchObject({
      code: 'DATA_OUT_OF_RANGE',
      message: expect.stringMatching(
        /^test\.band: expected one of the 3 classes that the model knows; received another value in \d+ of \d+ rows\. Stratify the split by the label, or leave such rows out in SQL\.$/,
      ),
    });
  });

  it('names a prediction that is not finite', async () => {
    const dataset = await world.dataset(customers(100), ['id']);
    await expect(evaluate(await world.bundle(binaryModel(Number.NaN), binarySignature), dataset)).rejects.toMatchObject(
      {
        code: 'DATA_NOT_FINITE',
        message: expect.stringMatching(
          /^test: output probability: expected finite numbers; received \d+ that are NaN or infinite\. Look for inputs far outside the range of training\.$/,
        ),
      },
    );
  });

  it('names the nearest metric and slice', async () => {
    const dataset = await world.dataset(customers(100), ['id']);
    const onnx = await world.bundle(binaryModel(1), binarySignature);
    await expect(evaluate(onnx, dataset, { metrics: ['acuracy'] })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message:
        "evaluate.metrics.0: expected a metric of a binary model (auc, logLoss, accuracy, precision, recall, f1, averagePrecision, brier, calibrationError); received 'acuracy'. Did you mean 'accuracy'?",
    });
    await expect(evaluate(onnx, dataset, { slices: ['plam'] })).rejects.toMatchObject({
      code: 'SQL_UNKNOWN_COLUMN',
      message: "evaluate.slices.0: expected a column of the dataset; received 'plam'. Did you mean 'plan'?",
    });
  });

  it('stops and leaves no artifact when it is cancelled', async () => {
    const dataset = await world.dataset(customers(3000), ['id']);
    const onnx = await world.bundle(binaryModel(3), binarySignature);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 100);
    await expect(evaluate(onnx, dataset, { bootstrap: 100_000 }, controller.signal)).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(await world.artifacts.sweep()).toBe(0);
  });
});
