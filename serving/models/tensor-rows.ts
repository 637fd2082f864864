import type { TensorSpec, TensorValue } from '../../pipelines/contracts/infer.js';
import type { Tensors } from './worker-messages.js';

function rowSize(shape: readonly number[]): number {
  let size = 1;
  for (let axis = 1; axis < shape.length; axis++) size *= shape[axis]!;
  return size;
}

/** Rows `start` to `end` (exclusive) of a tensor; numbers are a view of its data. */
export function sliceTensor(tensor: TensorValue, start: number, end: number): TensorValue {
  const size = rowSize(tensor.shape);
  const shape = [end - start, ...tensor.shape.slice(1)];
  switch (tensor.dtype) {
    case 'float32':
      return { dtype: 'float32', shape, data: tensor.data.subarray(start * size, end * size) };
    case 'float64':
      return { dtype: 'float64', shape, data: tensor.data.subarray(start * size, end * size) };
    case 'int64':
      return { dtype: 'int64', shape, data: tensor.data.subarray(start * size, end * size) };
    case 'bool':
      return { dtype: 'bool', shape, data: tensor.data.subarray(start * size, end * size) };
    case 'string':
      return { dtype: 'string', shape, data: tensor.data.slice(start * size, end * size) };
  }
}

function emptyData(dtype: TensorValue['dtype'], shape: readonly number[]): TensorValue {
  const length = shape.reduce((product, size) => product * size, 1);
  switch (dtype) {
    case 'float32':
      return { dtype, shape, data: new Float32Array(length) };
    case 'float64':
      return { dtype, shape, data: new Float64Array(length) };
    case 'int64':
      return { dtype, shape, data: new BigInt64Array(length) };
    case 'bool':
      return { dtype, shape, data: new Uint8Array(length) };
    case 'string':
      return { dtype, shape, data: new Array<string>(length).fill('') };
  }
}

/** What a model answers to no rows: its outputs with a first axis of size 0. */
export function emptyOutputs(specs: readonly TensorSpec[]): Tensors {
  return Object.fromEntries(
    specs.map((spec) => [spec.name, emptyData(spec.dtype, [0, ...spec.shape.slice(1).map((size) => size ?? 0)])]),
  );
}

/** The outputs of several runs under each other. */
export function concatenateTensors(parts: readonly Tensors[]): Tensors {
  const [first] = parts;
  if (first === undefined) return {};
  return Object.fromEntries(
    Object.entries(first).map(([name, { dtype, shape }]) => {
      const tensors = parts.map((part) => part[name]!);
      const rows = tensors.reduce((sum, tensor) => sum + tensor.shape[0]!, 0);
      const whole = emptyData(dtype, [rows, ...shape.slice(1)]);
      let offset = 0;
      for (const { data } of tensors) {
        if (whole.dtype === 'string')
          (whole.data as string[]).splice(offset, data.length, ...(data as readonly string[]));
        else (whole.data as Float64Array).set(data as Float64Array, offset);
        offset += data.length;
      }
      return [name, whole];
    }),
  );
}
