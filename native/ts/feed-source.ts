import { join } from 'node:path';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { Task } from '../../pipelines/network/graph.js';
import type { NativeDType, NativeFeed, NativeTensorFile } from './addon-types.js';
import { openSafetensors, type SafetensorsFile, type TensorEntry } from './safetensors.js';

/** How the tensors of a feed's shards look. */
export interface FeedShape {
  readonly floats: number;
  readonly indices: number;
  readonly hasWeight: boolean;
  /** null: no label is read (scoring). */
  readonly label: { readonly isIndex: boolean /** 0: [rows]. */; readonly columns: number } | null;
}

export function labelShape(task: Task): NonNullable<FeedShape['label']> {
  if (task.kind === 'multiclass') return { isIndex: true, columns: 0 };
  return task.kind === 'binary' ? { isIndex: false, columns: 0 } : { isIndex: false, columns: task.labels.length };
}

/**
 * Opens the headers of feed shards and checks dtypes and shapes, so that C++ maps them as they are.
 * Rows of a shard come from its own tensors.
 *
 * @throws ARTIFACT_MISSING, ARTIFACT_CORRUPT
 */
export function openFeed(
  directory: string,
  shards: readonly { readonly path: string; readonly rows: number }[],
  shape: FeedShape,
): NativeFeed {
  return {
    floatColumns: shape.floats,
    indexColumns: shape.indices,
    hasLabel: shape.label !== null,
    labelIsIndex: shape.label?.isIndex ?? false,
    labelColumns: shape.label?.columns ?? 0,
    hasWeight: shape.hasWeight,
    shards: shards.map(({ path, rows }) => {
      const file = openSafetensors(join(directory, path));
      const begin = (name: string, used: boolean, dtype: TensorEntry['dtype'], columns: number): number =>
        used ? checkedTensor(file, name, dtype, columns === 0 ? [rows] : [rows, columns]).begin : -1;
      return {
        path: file.path,
        rows,
        floatBegin: begin('float', shape.floats > 0, 'float32', shape.floats),
        indexBegin: begin('index', shape.indices > 0, 'int32', shape.indices),
        labelBegin: begin(
          'label',
          shape.label !== null,
          shape.label?.isIndex ? 'int32' : 'float32',
          shape.label?.columns ?? 0,
        ),
        weightBegin: begin('weight', shape.hasWeight, 'float32', 0),
      };
    }),
  };
}

/** The first `rows` rows of a feed, which is as much of its files as is read. */
export function firstRows(feed: NativeFeed, rows: number): NativeFeed {
  let left = rows;
  const shards = feed.shards.map((shard) => {
    const taken = Math.min(left, shard.rows);
    left -= taken;
    return { ...shard, rows: taken };
  });
  return { ...feed, shards: shards.filter((shard) => shard.rows > 0) };
}

/** A weights or checkpoint file as C++ takes it: float tensors only. */
export function nativeTensorFile(file: SafetensorsFile): NativeTensorFile {
  return {
    path: file.path,
    metadata: file.metadata,
    tensors: file.tensors.map((tensor) => {
      if (tensor.dtype === 'int32' || tensor.dtype === 'uint8') {
        throw new MillraceError('ARTIFACT_CORRUPT', {
          path: file.path,
          expected: `float32 or float64 in '${tensor.name}'`,
          received: tensor.dtype,
        });
      }
      return { ...tensor, dtype: tensor.dtype satisfies NativeDType };
    }),
  };
}

function checkedTensor(
  file: SafetensorsFile,
  name: string,
  dtype: TensorEntry['dtype'],
  shape: readonly number[],
): TensorEntry {
  const tensor = file.tensors.find((entry) => entry.name === name);
  const expected = `${dtype} [${shape.join(', ')}] in '${name}'`;
  if (tensor === undefined)
    throw new MillraceError('ARTIFACT_CORRUPT', { path: file.path, expected, received: 'no such tensor' });
  const same =
    tensor.dtype === dtype &&
    tensor.shape.length === shape.length &&
    tensor.shape.every((size, axis) => size === shape[axis]);
  if (!same)
    throw new MillraceError('ARTIFACT_CORRUPT', {
      path: file.path,
      expected,
      received: `${tensor.dtype} [${tensor.shape.join(', ')}]`,
    });
  return tensor;
}
