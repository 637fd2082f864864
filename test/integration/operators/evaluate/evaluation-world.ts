import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDiskArtifactStore } from '../../../../connectors/artifact-store/disk-artifact-store.js';
import { openSqlEngine } from '../../../../connectors/duckdb/sql-engine.js';
import { openSqliteMetadataStore } from '../../../../connectors/metadata-store/sqlite-metadata-store.js';
import { openInferenceEngine } from '../../../../connectors/onnxruntime/inference-engine.js';
import { openEventLog } from '../../../../connectors/tensorboard/event-log.js';
import type { Artifact, ArtifactStore } from '../../../../pipelines/contracts/artifacts.js';
import type { OperatorContext, Progress, StageInput } from '../../../../pipelines/contracts/operator.js';
import type { Registry } from '../../../../pipelines/contracts/registry.js';
import type { ModelSignature } from '../../../../pipelines/contracts/signature.js';
import type { SqlEngine } from '../../../../pipelines/contracts/sql.js';
import type { SplitSpec } from '../../../../pipelines/plan/relation.js';
import { tinyOnnx } from '../../serving/tiny-onnx.js';

/** Real stores, DuckDB and onnxruntime in a directory that is removed at the end. */
export interface EvaluationWorld extends AsyncDisposable {
  readonly directory: string;
  readonly artifacts: ArtifactStore;
  readonly registry: Registry;
  readonly sql: SqlEngine;
  readonly logged: string[];
  readonly reported: Progress[];
  context(run: string, stage: string, signal?: AbortSignal): OperatorContext;
  /** Writes a SELECT as a dataset in its own order. */
  dataset(select: string, key?: readonly string[]): Promise<Artifact>;
  bundle(model: Uint8Array, signature: ModelSignature): Promise<Artifact>;
  value(value: { readonly model: string; readonly bundle: string }): Promise<Artifact>;
  /** Identities of rows, as `register` writes them. */
  seen(select: string): Promise<Artifact>;
}

export async function openEvaluationWorld(): Promise<EvaluationWorld> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-evaluate-'));
  const artifacts = await openDiskArtifactStore(join(directory, 'store'));
  const store = await openSqliteMetadataStore({ file: join(directory, 'metadata.db'), namespace: 'test' });
  const temporaryDirectory = join(directory, 'spill');
  await mkdir(temporaryDirectory);
  const sql = openSqlEngine({ threads: 2, memoryLimitMb: 1024, temporaryDirectory });
  const infer = openInferenceEngine();
  const logged: string[] = [];
  const reported: Progress[] = [];
  const writeSelect = async (select: string, target: string) => {
    await using session = await sql.open({ readable: [], writable: [join(target, '..')] });
    const columns = await session.describe(select);
    const { rows } = await session.writeParquet(select, target);
    return { columns, rows };
  };
  return {
    directory,
    artifacts,
    registry: store.registry,
    sql,
    logged,
    reported,
    context: (run, stage, signal = new AbortController().signal) => ({
      run,
      stage,
      attempt: 1,
      root: directory,
      code: { bundle: null, operators: {} },
      placement: { threads: 2, memoryLimitMb: 1024, device: 'cpu' },
      artifacts,
      sql,
      infer,
      registry: store.registry,
      custom: { run: () => Promise.reject(new Error('no custom stage here')) },
      events: openEventLog,
      records: join(directory, 'records', run, stage),
      scratch: directory,
      signal,
      children: [],
      sources: () => Promise.resolve([]),
      progress: (progress) => reported.push(progress),
      log: (message) => logged.push(message),
    }),
    dataset: async (select, key = []) => {
      const writer = await artifacts.create('dataset');
      const path = 'part-00000.parquet';
      const { columns, rows } = await writeSelect(select, join(writer.directory, path));
      const digest = createHash('sha256').update(select).digest('hex');
      return writer.commit({
        rows,
        columns: columns.map((column) => ({ ...column, digest, nulls: 0, minimum: null, maximum: null })),
        key,
        partitions: [{ path, rows }],
      } as never);
    },
    bundle: async (model, signature) => {
      const writer = await artifacts.create('onnx');
      await writeFile(join(writer.directory, 'model.onnx'), model);
      await writeFile(join(writer.directory, 'signature.json'), JSON.stringify(signature));
      return writer.commit({ task: signature.task });
    },
    value: async (value) => {
      const writer = await artifacts.create('value');
      await writeFile(join(writer.directory, 'value.json'), JSON.stringify(value));
      return writer.commit(value);
    },
    seen: async (select) => {
      const writer = await artifacts.create('value');
      const { rows } = await writeSelect(select, join(writer.directory, 'seen.parquet'));
      return writer.commit({ rows });
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export function input(name: string, artifact: Artifact): StageInput {
  return { stage: name, operator: name, artifacts: { [name]: artifact }, summary: null };
}

export async function readJson(artifact: Artifact, path: string): Promise<unknown> {
  return JSON.parse(await readFile(join(artifact.directory, path), 'utf8')) as unknown;
}

export const testHalf: SplitSpec = {
  kind: 'hash',
  by: ['id'],
  train: 0.25,
  validation: 0.25,
  test: 0.5,
  seed: 7,
  stratify: null,
};

/** Rows with a score x in [-3, 3), a plan, a missing value now and then, and a label that follows x. */
export function customers(
  rows: number,
  label = `hash(i, 'u') / 18446744073709551615.0 < 1 / (1 + exp(-2 * x))`,
): string {
  return `SELECT i AS id, x, ['basic', 'plus', 'pro'][1 + i % 3] AS plan, CASE WHEN i % 10 = 0 THEN NULL ELSE i % 100 END AS age, ${label} AS churned
    FROM (SELECT i, 6 * (hash(i) / 18446744073709551615.0) - 3 AS x FROM range(${rows}) t(i))`;
}

const float64 = { kind: 'float64', nullable: false } as const;

export const binarySignature: ModelSignature = {
  formatVersion: 1,
  task: 'binary',
  inputs: [
    { column: { name: 'x', type: float64 }, dtype: 'float64' },
    { column: { name: 'plan', type: { kind: 'string', nullable: false } }, dtype: 'string' },
  ],
  outputs: [{ name: 'probability', dtype: 'float32', shape: [null] }],
  labels: ['churned'],
  classes: ['false', 'true'],
  threshold: 0.4,
};

/** probability = sigmoid(slope * x + shift); the plan is read, times 0. */
export function binaryModel(slope: number, shift = 0): Uint8Array {
  return tinyOnnx({
    inputs: binarySignature.inputs.map(({ column, dtype }) => ({ name: column.name, dtype })),
    outputs: [{ name: 'probability', dtype: 'float32' }],
    constants: [
      { name: 'slope', shape: [1], values: Float32Array.of(slope) },
      { name: 'shift', shape: [1], values: Float32Array.of(shift) },
      { name: 'zero', shape: [1], values: Float32Array.of(0) },
    ],
    nodes: [
      { op: 'Cast', inputs: ['x'], output: 'x32', integers: { to: 1 } },
      { op: 'Mul', inputs: ['x32', 'slope'], output: 'scaled' },
      { op: 'Add', inputs: ['scaled', 'shift'], output: 'logit' },
      { op: 'Equal', inputs: ['plan', 'plan'], output: 'same' },
      { op: 'Cast', inputs: ['same'], output: 'one', integers: { to: 1 } },
      { op: 'Mul', inputs: ['one', 'zero'], output: 'nothing' },
      { op: 'Add', inputs: ['logit', 'nothing'], output: 'sum' },
      { op: 'Sigmoid', inputs: ['sum'], output: 'probability' },
    ],
  });
}

export const multiclassSignature: ModelSignature = {
  ...binarySignature,
  task: 'multiclass',
  inputs: [{ column: { name: 'x', type: float64 }, dtype: 'float64' }],
  outputs: [{ name: 'probabilities', dtype: 'float32', shape: [null, 3] }],
  labels: ['band'],
  classes: ['high', 'low', 'mid'],
  threshold: null,
};

/** softmax of three lines over x; the shape of a one-element constant serves as the axis 1. */
export function multiclassModel(): Uint8Array {
  return tinyOnnx({
    inputs: [{ name: 'x', dtype: 'float64' }],
    outputs: [{ name: 'probabilities', dtype: 'float32', width: 3 }],
    constants: [
      { name: 'slopes', shape: [1, 3], values: Float32Array.of(2, -2, 0) },
      { name: 'shifts', shape: [3], values: Float32Array.of(0, 0, 1.5) },
    ],
    nodes: [
      { op: 'Shape', inputs: ['shifts'], output: 'three' },
      { op: 'Div', inputs: ['three', 'three'], output: 'axis' },
      { op: 'Cast', inputs: ['x'], output: 'x32', integers: { to: 1 } },
      { op: 'Unsqueeze', inputs: ['x32', 'axis'], output: 'column' },
      { op: 'MatMul', inputs: ['column', 'slopes'], output: 'lines' },
      { op: 'Add', inputs: ['lines', 'shifts'], output: 'logits' },
      { op: 'Softmax', inputs: ['logits'], output: 'probabilities', integers: { axis: 1 } },
    ],
  });
}

export const regressionSignature: ModelSignature = {
  ...multiclassSignature,
  task: 'regression',
  outputs: [{ name: 'prediction', dtype: 'float32', shape: [null, 1] }],
  labels: ['amount'],
  classes: [],
};

/** prediction = 10 x + 50, shape [batch, 1]. */
export function regressionModel(): Uint8Array {
  return tinyOnnx({
    inputs: [{ name: 'x', dtype: 'float64' }],
    outputs: [{ name: 'prediction', dtype: 'float32', width: 1 }],
    constants: [
      { name: 'slope', shape: [1, 1], values: Float32Array.of(10) },
      { name: 'shift', shape: [1], values: Float32Array.of(50) },
    ],
    nodes: [
      { op: 'Shape', inputs: ['shift'], output: 'axis' },
      { op: 'Cast', inputs: ['x'], output: 'x32', integers: { to: 1 } },
      { op: 'Unsqueeze', inputs: ['x32', 'axis'], output: 'column' },
      { op: 'MatMul', inputs: ['column', 'slope'], output: 'line' },
      { op: 'Add', inputs: ['line', 'shift'], output: 'prediction' },
    ],
  });
}
