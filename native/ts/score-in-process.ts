import { join } from 'node:path';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { TensorValue } from '../../pipelines/contracts/infer.js';
import type { TensorGraph } from '../../pipelines/network/graph.js';
import type { NativeJob, NativeTensor } from './addon-types.js';
import { firstRows, nativeTensorFile, openFeed } from './feed-source.js';
import { scoringProgram } from './fit-program.js';
import { fromNativeError, loadAddon } from './load-addon.js';
import { openSafetensors } from './safetensors.js';
import type { ScoreRequest, ScoreResult } from './train-types.js';

/** Scores in this process: what the child does. @throws as {@link score} */
export function scoreInProcess(request: ScoreRequest): NativeJob<ScoreResult> {
  const addon = loadAddon();
  const places = feedPlaces(request.fit.graph);
  const program = scoringProgram(request.fit, request.statistics, places, request.outputs);
  const shape = { floats: places.floats.length, indices: places.indices.length, hasWeight: false, label: null };
  const shards = request.shards.map((path) => ({ path, rows: shardRows(join(request.feedDirectory, path)) }));
  const feed = openFeed(request.feedDirectory, shards, shape);
  const job = addon.score({
    program,
    dtype: request.dtype,
    feed: request.rows === null ? feed : firstRows(feed, request.rows),
    weights: nativeTensorFile(openSafetensors(request.weightsPath)),
    threads: request.threads,
    device: 'cpu',
  });
  const promise = job.promise.then(
    (tensors): ScoreResult => Object.fromEntries(request.outputs.map((name, i) => [name, toTensorValue(tensors[i]!)])),
    (error: unknown) => {
      throw fromNativeError(error);
    },
  );
  return { promise, cancel: () => job.cancel() };
}

/** The order of a feed's columns: as the graph declares them. */
export function feedPlaces(graph: TensorGraph): {
  readonly floats: readonly string[];
  readonly indices: readonly string[];
} {
  return {
    floats: graph.feed.filter((column) => column.dtype === 'float32').map((column) => column.name),
    indices: graph.feed.filter((column) => column.dtype === 'int64').map((column) => column.name),
  };
}

export function toTensorValue(tensor: NativeTensor): Exclude<TensorValue, { dtype: 'string' }> {
  const { shape, buffer } = tensor;
  switch (tensor.dtype) {
    case 'float32':
      return { dtype: 'float32', shape, data: new Float32Array(buffer) };
    case 'float64':
      return { dtype: 'float64', shape, data: new Float64Array(buffer) };
    case 'int64':
      return { dtype: 'int64', shape, data: new BigInt64Array(buffer) };
    case 'bool':
      return { dtype: 'bool', shape, data: new Uint8Array(buffer) };
  }
}

function shardRows(path: string): number {
  const tensor = openSafetensors(path).tensors.find(({ name }) => name === 'float' || name === 'index');
  if (tensor === undefined) {
    throw new MillraceError('ARTIFACT_CORRUPT', { path, expected: "a tensor 'float' or 'index'", received: 'neither' });
  }
  return tensor.shape[0] ?? 0;
}
