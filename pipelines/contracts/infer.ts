/** A tensor in memory, row-major. bool is 0 and 1 in a Uint8Array. */
export type TensorValue =
  | { readonly dtype: 'float32'; readonly shape: readonly number[]; readonly data: Float32Array }
  | { readonly dtype: 'float64'; readonly shape: readonly number[]; readonly data: Float64Array }
  | { readonly dtype: 'int64'; readonly shape: readonly number[]; readonly data: BigInt64Array }
  | { readonly dtype: 'bool'; readonly shape: readonly number[]; readonly data: Uint8Array }
  | { readonly dtype: 'string'; readonly shape: readonly number[]; readonly data: readonly string[] };

export interface TensorSpec {
  readonly name: string;
  readonly dtype: TensorValue['dtype'];
  /** null is a free size (the batch). */
  readonly shape: readonly (number | null)[];
}

export interface InferenceSession extends AsyncDisposable {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  run(feeds: Readonly<Record<string, TensorValue>>): Promise<Readonly<Record<string, TensorValue>>>;
}

export interface InferenceEngine {
  /** "onnxruntime 1.30.0", part of keys. */
  readonly version: string;
  /** Loads a model file as untrusted input. Threads default to 1. @throws GRAPH_NOT_EXPORTABLE, ARTIFACT_CORRUPT */
  load(modelPath: string, options?: { readonly threads?: number }): Promise<InferenceSession>;
}
