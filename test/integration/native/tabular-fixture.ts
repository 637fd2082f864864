import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type WritableTensor, writeSafetensors } from '../../../native/ts/safetensors.js';
import type { TrainRequest } from '../../../native/ts/train-types.js';
import type { FeedMeta, ResolvedTraining, StatisticsDocument } from '../../../pipelines/contracts/training.js';
import { BATCH, type FitGraph, type Task } from '../../../pipelines/network/graph.js';
import { Tracer, type Value } from '../../../pipelines/network/tracer.js';

/** The layers of a small network over [batch, width]; gives [batch, out]. */
export type Body = (tracer: Tracer, x: Value) => Value;

/** A dense layer as pipelines/network/layers traces it. */
export function denseLayer(tracer: Tracer, x: Value, units: number, name: string): Value {
  return tracer.scope(name, () => {
    const width = x.shape.at(-1)!;
    const weight = tracer.parameter('weight', [units, width], { kind: 'fanInUniform', axis: 1, gain: 1 });
    const bias = tracer.parameter('bias', [units], { kind: 'fanInUniformOf', of: `${name}/weight`, axis: 1, gain: 1 });
    return tracer.apply('linear', [x, weight, bias]);
  });
}

export const smallBody: Body = (tracer, x) => {
  const hidden = tracer.apply('relu', [denseLayer(tracer, x, 16, 'hidden')]);
  return denseLayer(tracer, tracer.apply('dropout', [hidden], { rate: 0.1 }), 1, 'last');
};

/** A binary fit over `floats` numbers and, where `vocabulary` is above 0, one embedded category. */
export function binaryFit(floats: number, vocabulary: number, body: Body): FitGraph {
  const tracer = new Tracer();
  const parts: Value[] = [];
  for (let i = 0; i < floats; i++) {
    const raw = tracer.encode(() => tracer.input(`x${i}`, 'float32', [BATCH]));
    parts.push(tracer.apply('expandDims', [tracer.feed(`x${i}`, raw)], { axis: 1 }));
  }
  if (vocabulary > 0) {
    const raw = tracer.encode(() => tracer.input('plan', 'int64', [BATCH]));
    const table = tracer.parameter('plan/table', [vocabulary, 3], { kind: 'normal', standardDeviation: 1 });
    parts.push(tracer.apply('embedding', [tracer.feed('plan', raw), table]));
  }
  const last = body(tracer, tracer.apply('concat', parts, { axis: 1 }));
  const logits = tracer.apply('squeeze', [last], { axis: 1 });
  const graph = tracer.finish({ logits, probability: tracer.apply('sigmoid', [logits]) });
  const task: Task = { kind: 'binary', label: 'y' };
  return { graph, label: new Tracer().finish({}), loss: binaryLoss(), slots: [], task };
}

function binaryLoss(): FitGraph['loss'] {
  const tracer = new Tracer();
  const logits = tracer.input('logits', 'float32', [BATCH]);
  const label = tracer.input('label', 'float32', [BATCH]);
  const weight = tracer.input('weight', 'float32', [BATCH]);
  const loss = tracer.apply('sigmoidCrossEntropy', [logits, label], { smoothing: 0 });
  return tracer.finish({ loss: tracer.apply('multiply', [loss, weight]), weight });
}

/** Mulberry32: seeded values for tests. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export interface FeedOptions {
  readonly floats: number;
  readonly vocabulary: number;
  readonly weight?: boolean;
  /** Rows by shard. */
  readonly train: readonly number[];
  readonly validation: readonly number[];
}

/** Writes a learnable feed below `directory`. */
export function writeFeedFiles(directory: string, options: FeedOptions): FeedMeta {
  mkdirSync(directory, { recursive: true });
  const random = seededRandom(99);
  const shardsOf = (split: 'train' | 'validation', rows: readonly number[]): FeedMeta['splits']['train'] => ({
    rows: rows.reduce((sum, count) => sum + count, 0),
    shards: rows.map((count, index) => {
      const path = `${split}-${String(index).padStart(5, '0')}.safetensors`;
      writeSafetensors(join(directory, path), feedTensors(count, options, random));
      return { path, rows: count };
    }),
  });
  return {
    floats: Array.from({ length: options.floats }, (_, i) => `x${i}`),
    indices: options.vocabulary > 0 ? ['plan'] : [],
    hasWeight: options.weight ?? false,
    targets: 1,
    splits: { train: shardsOf('train', options.train), validation: shardsOf('validation', options.validation) },
  };
}

function feedTensors(rows: number, options: FeedOptions, random: () => number): Record<string, WritableTensor> {
  const float = Float32Array.from({ length: rows * options.floats }, () => random() * 2 - 1);
  const index = Int32Array.from({ length: rows }, () => Math.floor(random() * Math.max(1, options.vocabulary)));
  const label = Float32Array.from({ length: rows }, (_, row) => {
    let score = options.vocabulary > 0 ? (index[row]! % 3) - 1 : 0;
    for (let k = 0; k < options.floats; k++) score += float[row * options.floats + k]! * (k % 2 === 0 ? 2 : -1);
    return score + (random() - 0.5) > 0 ? 1 : 0;
  });
  const weight = Float32Array.from({ length: rows }, () => 0.5 + random());
  return {
    ...(options.floats > 0 ? { float: { dtype: 'float32', shape: [rows, options.floats], data: float } } : {}),
    ...(options.vocabulary > 0 ? { index: { dtype: 'int32', shape: [rows, 1], data: index } } : {}),
    label: { dtype: 'float32', shape: [rows], data: label },
    ...(options.weight ? { weight: { dtype: 'float32', shape: [rows], data: weight } } : {}),
  };
}

export const plainTraining: ResolvedTraining = {
  optimizer: { kind: 'adam', learningRate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
  schedule: { kind: 'constant' },
  batchSize: 64,
  maxEpochs: 4,
  earlyStopping: null,
  gradientClipNorm: null,
  seed: 7,
  gradientShards: null,
  deterministic: true,
};

export const noStatistics: StatisticsDocument = {
  formatVersion: 1,
  slots: {},
  sizes: {},
  rows: { train: 0, validation: 0, test: 0 },
  classes: ['false', 'true'],
};

/** A folder that goes when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-native-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A whole request over a feed in `folder`; `name` tells runs apart. */
export function tabularRequest(
  folder: string,
  feed: FeedMeta,
  name: string,
  changes: Partial<TrainRequest> = {},
): TrainRequest {
  return {
    fit: binaryFit(feed.floats.length, feed.indices.length > 0 ? 5 : 0, smallBody),
    statistics: noStatistics,
    feedDirectory: join(folder, 'feed'),
    feed,
    training: plainTraining,
    gradientShards: 4,
    dtype: 'float32',
    initialWeights: null,
    checkpointDirectory: join(folder, name, 'checkpoints'),
    weightsPath: join(folder, name, 'weights.safetensors'),
    threads: 2,
    device: 'cpu',
    ...changes,
  };
}
