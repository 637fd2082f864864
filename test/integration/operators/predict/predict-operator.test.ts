import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openInferenceEngine } from '../../../../connectors/onnxruntime/inference-engine.js';
import { signatureOf } from '../../../../operators/export/signature.js';
import { writeOnnx } from '../../../../operators/export/write-onnx.js';
import { predictOperator } from '../../../../operators/predict/predict-operator.js';
import { scoreBatchRows, scoreDataset } from '../../../../operators/predict/score-dataset.js';
import { readDataset } from '../../../../operators/split/read-dataset.js';
import type { Artifact, DatasetMeta } from '../../../../pipelines/contracts/artifacts.js';
import type { KeyContext } from '../../../../pipelines/contracts/operator.js';
import type { StatisticsDocument } from '../../../../pipelines/contracts/training.js';
import { traceFit } from '../../../../pipelines/network/trace-fit.js';
import { network, output, passthrough } from '../../../../pipelines/nn.js';
import type { Column } from '../../../../pipelines/types/column-type.js';
import { type Chain, openChain } from '../export/chain.js';
import { column, errorOf } from '../sql/sql-stage.js';

let chain: Chain;
let onnx: Artifact;
const inputs = [column('id', 'int64'), column('x', 'float64'), column('tags', 'string', true)];
const answer = [column('probability', 'float32'), column('class', 'string')];

/** probability = sigmoid(x); the class is 'true' from 0.5 on. */
async function makeModel(): Promise<Artifact> {
  const fit = traceFit({
    columns: [column('x', 'float64'), column('y', 'bool')],
    label: 'y',
    task: 'binary',
    inputs: { x: passthrough() },
    network: network(output()),
    loss: null,
    weight: null,
  });
  const statistics: StatisticsDocument = {
    formatVersion: 1,
    slots: {},
    sizes: {},
    rows: { train: 1, validation: 1, test: 1 },
    classes: ['false', 'true'],
  };
  const weights = new Map([
    ['output/weight', { shape: [1, 1], data: Float32Array.of(1) }],
    ['output/bias', { shape: [1], data: Float32Array.of(0) }],
  ]);
  const writer = await chain.bench.artifacts.create('onnx');
  const path = join(writer.directory, 'model.onnx');
  await writeFile(path, writeOnnx(fit, statistics, weights));
  await using session = await openInferenceEngine().load(path);
  const signature = { ...signatureOf(fit, statistics, [column('x', 'float64')], session.outputs), threshold: 0.5 };
  await writeFile(join(writer.directory, 'signature.json'), JSON.stringify(signature));
  return writer.commit({ task: 'binary' });
}

beforeAll(async () => {
  chain = await openChain();
  onnx = await makeModel();
});
afterAll(() => chain[Symbol.asyncDispose]());

const make = (rows: number, columns: readonly Column[] = inputs): Promise<Artifact> =>
  chain.dataset(
    `SELECT (${rows} - i)::BIGINT AS id, (i % 7 - 3)::DOUBLE AS x, CASE WHEN i % 2 = 0 THEN 'even' END AS tags FROM range(${rows}) t(i)`,
    columns,
    ['id'],
  );

describe('predict', () => {
  it('answers every row in the dataset’s order, over several batches, with the kept columns in their order', async () => {
    const rows = scoreBatchRows * 2 + 17;
    const dataset = await make(rows);
    const { artifact, result } = await chain.predict(onnx, dataset, ['tags', 'x', 'id'], answer);
    const meta = artifact.manifest.meta as unknown as DatasetMeta;
    expect(meta.columns.map((each) => each.name)).toEqual(['tags', 'x', 'id', 'probability', 'class']);
    expect([meta.rows, meta.key, result.summary]).toEqual([rows, ['id'], { rows, bytes: expect.any(Number) }]);
    const written = await chain.bench.rows(artifact);
    expect(written.map((row) => Number(row['id']))).toEqual(Array.from({ length: rows }, (_, index) => index + 1));
    for (const { x, probability, class: name } of written) {
      expect(probability as number).toBeCloseTo(1 / (1 + Math.exp(-(x as number))), 6);
      expect(name).toBe(String((x as number) >= 0));
    }
  });

  it('gives an empty dataset for an empty one, and one row for one', async () => {
    for (const rows of [0, 1]) {
      const { artifact } = await chain.predict(onnx, await make(rows), ['id'], answer);
      expect((artifact.manifest.meta as unknown as DatasetMeta).rows).toBe(rows);
      expect(await chain.bench.rows(artifact)).toHaveLength(rows);
    }
  });

  it('writes the same bytes again, and drops the key where it is not kept', async () => {
    const dataset = await make(100);
    const [first, second] = [
      await chain.predict(onnx, dataset, ['x'], answer),
      await chain.predict(onnx, dataset, ['x'], answer),
    ];
    expect(first.artifact.digest).toBe(second.artifact.digest);
    expect((first.artifact.manifest.meta as unknown as DatasetMeta).key).toEqual([]);
  });

  it('names the inputs that a dataset lacks', async () => {
    const dataset = await chain.dataset(
      'SELECT 1::BIGINT AS id, 2.0::DOUBLE AS xx',
      [column('id', 'int64'), column('xx', 'float64')],
      ['id'],
    );
    expect(await errorOf(chain.predict(onnx, dataset, [], answer))).toEqual({
      code: 'DATA_COLUMN_MISSING',
      message:
        "dataset.x: expected a column of kind float64, which the model takes; received no such column. The nearest one is 'xx'.",
    });
  });

  it('refuses a missing value where the model was trained without', async () => {
    const columns = [column('id', 'int64'), column('x', 'float64', true)];
    const dataset = await chain.dataset(
      'SELECT i::BIGINT AS id, CASE WHEN i = 1 THEN NULL ELSE 0.5::DOUBLE END AS x FROM range(3) t(i)',
      columns,
      ['id'],
    );
    const { code, message } = await errorOf(chain.predict(onnx, dataset, [], answer));
    expect(code).toBe('REQUEST_INVALID');
    expect(message).toContain('rows[1].x: expected ');
  });

  it('refuses to keep a column that has the prediction’s name, or that is none', async () => {
    const columns = [column('x', 'float64'), column('class', 'string')];
    const dataset = await chain.dataset("SELECT 1.0::DOUBLE AS x, 'a' AS class", columns);
    expect(await errorOf(chain.predict(onnx, dataset, ['class', 'z'], answer))).toEqual({
      code: 'CONFIG_INVALID',
      message:
        "predict.keep: expected columns other than the prediction's (probability, class); received 'class'. Rename it in the SQL that makes the dataset.\npredict.keep: expected columns of the dataset (x, class); received 'z'.",
    });
  });

  it('has a key of the columns that it reads', async () => {
    const parts = async (dataset: Artifact, keep: readonly string[]) => {
      const stage = (name: string, artifact: Artifact) => ({
        stage: name,
        operator: name,
        artifacts: { [name]: artifact },
        summary: {},
      });
      const options = predictOperator.options.parse({ keep, columns: answer });
      return predictOperator.keyParts!({} as KeyContext, {
        options,
        inputs: { onnx: stage('onnx', onnx), dataset: stage('dataset', dataset) },
      });
    };
    const [plain, other] = [
      await make(50),
      await chain.dataset(
        "SELECT (50 - i)::BIGINT AS id, (i % 7 - 3)::DOUBLE AS x, 'z' AS tags FROM range(50) t(i)",
        inputs,
        ['id'],
      ),
    ];
    expect(await parts(plain, ['id'])).toEqual(await parts(other, ['id']));
    expect(await parts(plain, ['tags'])).not.toEqual(await parts(other, ['tags']));
  });

  it('ends with CANCELLED when the run is cancelled', async () => {
    const controller = new AbortController();
    controller.abort();
    const dataset = await make(10);
    const running = chain.run(predictOperator, { keep: [], columns: answer }, { onnx, dataset }, controller.signal);
    expect((await errorOf(running)).code).toBe('CANCELLED');
  });
});

describe('scoreDataset', () => {
  it('takes the rows of one part, at most so many, with further expressions beside', async () => {
    const dataset = readDataset(await make(1_000));
    await using sql = await chain.bench.sql.open({ readable: [dataset.directory], writable: [] });
    await using session = await openInferenceEngine().load(join(onnx.directory, 'model.onnx'));
    const signature = JSON.parse(await readFile(join(onnx.directory, 'signature.json'), 'utf8'));
    const split = {
      kind: 'hash' as const,
      by: ['id'],
      train: 0.5,
      validation: 0.25,
      test: 0.25,
      seed: 1,
      stratify: null,
    };
    const request = {
      dataset,
      signature,
      session,
      part: { split, name: 'validation' as const },
      limit: null,
      extras: ['CAST(id AS VARCHAR)'],
    };
    const all = await scoreDataset(sql, request);
    expect(all.rows).toBeGreaterThan(180);
    expect(all.rows).toBeLessThan(320);
    const ids = all.extras[0]!.map(Number);
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    const few = await scoreDataset(sql, { ...request, limit: 10 });
    expect([few.rows, few.extras[0]]).toEqual([10, all.extras[0]!.slice(0, 10)]);
    expect(few.outputs['probability']).toEqual(all.outputs['probability']!.slice(0, 10));
  });
});
