import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDiskArtifactStore } from '../../../connectors/artifact-store/disk-artifact-store.js';
import { openSqliteMetadataStore } from '../../../connectors/metadata-store/sqlite-metadata-store.js';
import { openInferenceEngine } from '../../../connectors/onnxruntime/inference-engine.js';
import type { Artifact, ArtifactStore } from '../../../pipelines/contracts/artifacts.js';
import type { InferenceEngine } from '../../../pipelines/contracts/infer.js';
import type { MetadataStore } from '../../../pipelines/contracts/metadata.js';
import type { ModelVersion, Registry } from '../../../pipelines/contracts/registry.js';
import type { ModelSignature } from '../../../pipelines/contracts/signature.js';
import { tinyOnnx } from './tiny-onnx.js';

/** A real store, a real registry and a real inference engine in a directory that is removed at the end. */
export interface World extends AsyncDisposable {
  readonly directory: string;
  readonly artifacts: ArtifactStore;
  readonly store: MetadataStore;
  readonly registry: Registry;
  readonly infer: InferenceEngine;
  /** What `startServer` reads from. */
  readonly sources: { readonly registry: Registry; readonly artifacts: ArtifactStore; readonly infer: InferenceEngine };
  /** Registers a bundle as the model's next version, with a passing gate record. */
  register(model: string, bundle: string): Promise<ModelVersion>;
  promote(model: string, version: number, alias?: string): Promise<void>;
  bind(endpoint: string, model: string, alias?: string): Promise<void>;
}

const person = { actor: 'user:test', reason: 'a test', evidence: null };

export async function openWorld(): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-serving-'));
  const artifacts = await openDiskArtifactStore(directory);
  const store = await openSqliteMetadataStore({ file: join(directory, 'metadata.db'), namespace: 'test' });
  const { registry } = store;
  const infer = openInferenceEngine();
  let acts = 0;
  return {
    directory,
    artifacts,
    store,
    registry,
    infer,
    sources: { registry, artifacts, infer },
    register: async (model, bundle) => {
      const act = { run: `run-${acts++}`, stage: 'version' };
      const { version } = await registry.register(act, { model, bundle, report: null, lineage: {} });
      await registry.recordGate(
        { ...act, stage: 'gate' },
        { ...act, model, version: version.version, passed: true, verdict: 'f'.repeat(64) },
      );
      return version;
    },
    promote: async (model, version, alias = 'champion') => {
      const current = await registry.alias(model, alias);
      await registry.moveAliases(null, [{ model, alias, expected: current?.version ?? null, version }], person);
    },
    bind: async (endpoint, model, alias = 'champion') => {
      await registry.bindEndpoint(null, { endpoint, model, alias }, person);
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Inputs of every kind; the outputs say which rows and which version they come from. */
export const churnSignature: ModelSignature = {
  formatVersion: 1,
  task: 'binary',
  inputs: [
    { column: { name: 'age', type: { kind: 'int32', nullable: true } }, dtype: 'float64' },
    { column: { name: 'events', type: { kind: 'int64', nullable: false } }, dtype: 'int64' },
    { column: { name: 'plan', type: { kind: 'string', nullable: true } }, dtype: 'string' },
    { column: { name: 'active', type: { kind: 'bool', nullable: false } }, dtype: 'bool' },
  ],
  outputs: [{ name: 'probability', dtype: 'float32', shape: [null] }],
  labels: ['churned'],
  classes: ['false', 'true'],
  threshold: 0.5,
};

/** probability = base + (events as float32) / 1024, whatever age, plan and active are (they are read, times 0). */
export function churnModel(base: number): Uint8Array {
  return tinyOnnx({
    inputs: churnSignature.inputs.map(({ column, dtype }) => ({ name: column.name, dtype })),
    outputs: [{ name: 'probability', dtype: 'float32' }],
    constants: [
      { name: 'base', shape: [1], values: Float32Array.of(base) },
      { name: 'scale', shape: [1], values: Float32Array.of(1 / 1024) },
      { name: 'zero', shape: [1], values: Float32Array.of(0) },
    ],
    nodes: [
      { op: 'Cast', inputs: ['events'], output: 'events32', integers: { to: 1 } },
      { op: 'Mul', inputs: ['events32', 'scale'], output: 'scaled' },
      { op: 'IsNaN', inputs: ['age'], output: 'missing' },
      { op: 'Or', inputs: ['missing', 'active'], output: 'flag' },
      { op: 'Equal', inputs: ['plan', 'plan'], output: 'same' },
      { op: 'And', inputs: ['flag', 'same'], output: 'both' },
      { op: 'Cast', inputs: ['both'], output: 'both32', integers: { to: 1 } },
      { op: 'Mul', inputs: ['both32', 'zero'], output: 'nothing' },
      { op: 'Add', inputs: ['scaled', 'base'], output: 'sum' },
      { op: 'Add', inputs: ['sum', 'nothing'], output: 'probability' },
    ],
  });
}

export async function writeBundle(
  artifacts: ArtifactStore,
  model: Uint8Array,
  signature: ModelSignature,
): Promise<Artifact> {
  const writer = await artifacts.create('onnx');
  await writeFile(join(writer.directory, 'model.onnx'), model);
  await writeFile(join(writer.directory, 'signature.json'), JSON.stringify(signature));
  return writer.commit({});
}

/** Registers and promotes a version whose probabilities begin at `base`. */
export async function releaseChurn(world: World, base: number, model = 'churn'): Promise<number> {
  const { digest } = await writeBundle(world.artifacts, churnModel(base), churnSignature);
  const { version } = await world.register(model, digest);
  await world.promote(model, version);
  return version;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

export async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: raw ? (body as string) : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as unknown };
}

export async function get(url: string): Promise<Reply> {
  const response = await fetch(url);
  return { status: response.status, headers: response.headers, body: (await response.json()) as unknown };
}
