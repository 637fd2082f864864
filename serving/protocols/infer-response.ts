import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { TensorValue } from '../../pipelines/contracts/infer.js';
import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import { writeBinary } from './binary-tensors.js';
import type { InferRequest } from './infer-request.js';
import { datatypes } from './tensor-datatypes.js';

export interface InferResponse {
  /** JSON, then the tensors that were asked for as bytes. */
  readonly body: string | Buffer;
  /** Length of the JSON where bytes follow it, else null. */
  readonly headerLength: number | null;
}

/** JSON numbers are finite; integers beyond 2^53 travel as strings. */
function jsonData(name: string, tensor: TensorValue): unknown[] {
  switch (tensor.dtype) {
    case 'string':
      return [...tensor.data];
    case 'bool':
      return Array.from(tensor.data, (value) => value !== 0);
    case 'int64':
      return Array.from(tensor.data, (value) => (Number.isSafeInteger(Number(value)) ? Number(value) : String(value)));
    default: {
      const values = Array.from(tensor.data);
      if (values.every(Number.isFinite)) return values;
      throw new MillraceError('REQUEST_INVALID', {
        path: `outputs.${name}`,
        expected: 'inputs whose outputs are finite',
        received: 'values so large that the model overflows',
        hint: 'Ask for the output as bytes (binary_data) to see them.',
      });
    }
  }
}

/**
 * Writes the answer to an `infer` request.
 *
 * @throws REQUEST_INVALID - an output that is not finite and was asked for in JSON.
 * @throws ARTIFACT_CORRUPT - the model did not give an output that its signature names.
 */
export function writeInferResponse(
  served: { readonly name: string; readonly version: number; readonly signature: ModelSignature },
  request: InferRequest,
  tensors: Readonly<Record<string, TensorValue>>,
): InferResponse {
  const wanted = request.outputs ?? served.signature.outputs.map(({ name }) => ({ name, isBinary: request.isBinary }));
  const blobs: Buffer[] = [];
  const outputs = wanted.map(({ name, isBinary }) => {
    const tensor = tensors[name];
    if (tensor === undefined) {
      throw new MillraceError('ARTIFACT_CORRUPT', {
        path: `outputs.${name}`,
        expected: 'an output of the model',
        received: 'none',
      });
    }
    const { dtype, shape } = tensor;
    const datatype = datatypes[dtype];
    if (!isBinary) return { name, datatype, shape, data: jsonData(name, tensor) };
    const blob = writeBinary(tensor);
    blobs.push(blob);
    return { name, datatype, shape, parameters: { binary_data_size: blob.length } };
  });
  const json = JSON.stringify({
    model_name: served.name,
    model_version: String(served.version),
    ...(request.id === null ? {} : { id: request.id }),
    outputs,
  });
  if (blobs.length === 0) return { body: json, headerLength: null };
  const header = Buffer.from(json, 'utf8');
  return { body: Buffer.concat([header, ...blobs]), headerLength: header.length };
}
