import type * as Ort from 'onnxruntime-node';
import { MillraceError, nearestName } from '../../pipelines/contracts/errors.js';
import type { InferenceSession, TensorSpec, TensorValue } from '../../pipelines/contracts/infer.js';
import { reasonOf } from './library-message.js';

type Dtype = TensorSpec['dtype'];

const dtypes: Readonly<Record<string, Dtype>> = {
  float32: 'float32',
  float64: 'float64',
  int64: 'int64',
  bool: 'bool',
  string: 'string',
};

/** A loaded model. `run` checks what comes in, so that a request can never reach the library in another form. */
export class OnnxSession implements InferenceSession {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly #session: Ort.InferenceSession;
  readonly #Tensor: typeof Ort.Tensor;
  readonly #path: string;
  readonly #specs: ReadonlyMap<string, TensorSpec>;
  #isClosed = false;

  constructor(session: Ort.InferenceSession, Tensor: typeof Ort.Tensor, path: string) {
    this.#session = session;
    this.#Tensor = Tensor;
    this.#path = path;
    this.inputs = session.inputMetadata.map((metadata) => specOf(metadata, path, 'input'));
    this.outputs = session.outputMetadata.map((metadata) => specOf(metadata, path, 'output'));
    this.#specs = new Map(this.inputs.map((spec) => [spec.name, spec]));
  }

  async run(feeds: Readonly<Record<string, TensorValue>>): Promise<Readonly<Record<string, TensorValue>>> {
    if (this.#isClosed) {
      throw new MillraceError('INTERNAL', {
        path: this.#path,
        expected: 'an open session',
        received: 'a session that was released',
      });
    }
    this.#checkNames(feeds);
    const tensors: Record<string, Ort.Tensor> = {};
    for (const spec of this.inputs) tensors[spec.name] = this.#tensorOf(spec, feeds[spec.name]!);
    let results: Ort.InferenceSession.ReturnType;
    try {
      results = await this.#session.run(tensors);
    } catch (error) {
      throw new MillraceError('REQUEST_INVALID', {
        path: 'inputs',
        expected: `values that ${this.#path} can compute with`,
        received: reasonOf(error),
        cause: error,
      });
    }
    return Object.fromEntries(this.outputs.map(({ name }) => [name, tensorValue(results[name] as Ort.Tensor)]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#session.release();
  }

  #checkNames(feeds: Readonly<Record<string, TensorValue>>): void {
    for (const spec of this.inputs) {
      if (Object.hasOwn(feeds, spec.name)) continue;
      throw new MillraceError('REQUEST_INVALID', {
        path: `inputs.${spec.name}`,
        expected: `a ${spec.dtype} tensor`,
        received: 'none',
      });
    }
    for (const name of Object.keys(feeds)) {
      if (this.#specs.has(name)) continue;
      const nearest = nearestName(name, this.#specs.keys());
      throw new MillraceError('REQUEST_INVALID', {
        path: `inputs.${name}`,
        expected: 'an input of the model',
        received: `'${name}'`,
        ...(nearest === null ? {} : { hint: `Did you mean '${nearest}'?` }),
      });
    }
  }

  #tensorOf(spec: TensorSpec, value: TensorValue): Ort.Tensor {
    const path = `inputs.${spec.name}`;
    if (value.dtype !== spec.dtype)
      throw new MillraceError('REQUEST_INVALID', { path, expected: `dtype ${spec.dtype}`, received: value.dtype });
    const fits =
      value.shape.length === spec.shape.length &&
      spec.shape.every((size, axis) => size === null || size === value.shape[axis]);
    if (!fits) {
      const wanted = spec.shape.map((size) => size ?? 'any').join(', ');
      throw new MillraceError('REQUEST_INVALID', {
        path,
        expected: `shape [${wanted}]`,
        received: `[${value.shape.join(', ')}]`,
      });
    }
    const size = value.shape.reduce((product, axis) => product * axis, 1);
    if (size !== value.data.length || value.shape.some((axis) => !Number.isSafeInteger(axis) || axis < 0)) {
      throw new MillraceError('REQUEST_INVALID', {
        path,
        expected: `${size} values for shape [${value.shape.join(', ')}]`,
        received: String(value.data.length),
      });
    }
    const { shape } = value;
    switch (value.dtype) {
      case 'string':
        return new this.#Tensor('string', value.data as string[], shape);
      case 'bool':
        return new this.#Tensor('bool', value.data, shape);
      case 'int64':
        return new this.#Tensor('int64', value.data, shape);
      case 'float64':
        return new this.#Tensor('float64', value.data, shape);
      case 'float32':
        return new this.#Tensor('float32', value.data, shape);
    }
  }
}

function specOf(metadata: Ort.InferenceSession.ValueMetadata, path: string, what: string): TensorSpec {
  const dtype = metadata.isTensor ? dtypes[metadata.type] : undefined;
  if (!metadata.isTensor || dtype === undefined) {
    throw new MillraceError('GRAPH_NOT_EXPORTABLE', {
      path,
      expected: `${what}s of dtype ${Object.keys(dtypes).join(', ')}`,
      received: `${metadata.isTensor ? metadata.type : 'no tensor'} for '${metadata.name}'`,
    });
  }
  return {
    name: metadata.name,
    dtype,
    shape: metadata.shape.map((size) => (typeof size === 'number' && size >= 0 ? size : null)),
  };
}

function tensorValue(tensor: Ort.Tensor): TensorValue {
  const { type, dims, data } = tensor;
  return { dtype: dtypes[type]!, shape: dims, data } as TensorValue;
}
