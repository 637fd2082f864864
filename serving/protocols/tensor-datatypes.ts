import type { TensorSpec, TensorValue } from '../../pipelines/contracts/infer.js';

export type Datatype = 'FP32' | 'FP64' | 'INT64' | 'BOOL' | 'BYTES';

/** The protocol's name of each element type; BYTES elements are UTF-8. */
export const datatypes: Readonly<Record<TensorValue['dtype'], Datatype>> = {
  float32: 'FP32',
  float64: 'FP64',
  int64: 'INT64',
  bool: 'BOOL',
  string: 'BYTES',
};

/** A tensor in model metadata: -1 is a free size. */
export function describeTensor({ name, dtype, shape }: TensorSpec): {
  name: string;
  datatype: Datatype;
  shape: number[];
} {
  return { name, datatype: datatypes[dtype], shape: shape.map((size) => size ?? -1) };
}
