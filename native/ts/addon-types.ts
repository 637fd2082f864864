/** The plain data that crosses to C++: every field is there, null where absent; the same names as native/addon/convert.cpp. */

export type NativeDType = 'float32' | 'float64' | 'int64' | 'bool';

export interface LoweredNode {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly number[];
  readonly dtype: NativeDType;
  /** -1 is the axis of rows. */
  readonly shape: readonly number[];
  readonly attributes: Readonly<Record<string, number>>;
}

export interface LoweredParameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly initializer: { readonly kind: 'constant' | 'uniform' | 'normal'; readonly value: number };
}

export interface LoweredBuffer {
  readonly name: string;
  readonly shape: readonly number[];
  readonly fill: number;
}

export interface LoweredTensor {
  readonly dtype: NativeDType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array | BigInt64Array | Uint8Array;
}

/** The tensor region of a graph, ready for native/graph. */
export interface LoweredProgram {
  readonly nodes: readonly LoweredNode[];
  readonly parameters: readonly LoweredParameter[];
  readonly buffers: readonly LoweredBuffer[];
  readonly tensors: readonly LoweredTensor[];
  readonly outputs: readonly { readonly name: string; readonly node: number }[];
}

export interface NativeTensorFile {
  readonly path: string;
  readonly tensors: readonly {
    readonly name: string;
    readonly dtype: NativeDType;
    readonly shape: readonly number[];
    readonly begin: number;
    readonly end: number;
  }[];
  readonly metadata: Readonly<Record<string, string>>;
}

export interface NativeFeed {
  readonly floatColumns: number;
  readonly indexColumns: number;
  readonly hasLabel: boolean;
  readonly labelIsIndex: boolean;
  /** 0: [rows]. */
  readonly labelColumns: number;
  readonly hasWeight: boolean;
  readonly shards: readonly {
    readonly path: string;
    readonly rows: number;
    readonly floatBegin: number;
    readonly indexBegin: number;
    readonly labelBegin: number;
    readonly weightBegin: number;
  }[];
}

export interface NativeTrainRequest {
  readonly program: LoweredProgram;
  readonly dtype: 'float32' | 'float64';
  readonly optimizer: Readonly<Record<string, string | number | boolean>>;
  readonly schedule: Readonly<Record<string, string | number | boolean>>;
  readonly batchSize: number;
  readonly maxEpochs: number;
  /** -1: no early stopping. */
  readonly patience: number;
  readonly minimumDelta: number;
  /** -1: no clipping. */
  readonly clipNorm: number;
  readonly seed: number;
  readonly gradientShards: number;
  readonly threads: number;
  readonly device: 'cpu' | 'cuda';
  readonly compiled: boolean;
  readonly train: NativeFeed;
  readonly validation: NativeFeed;
  readonly weightsPath: string;
  readonly checkpointPath: string;
  readonly fingerprint: string;
  readonly checkpointSeconds: number;
  readonly initial: NativeTensorFile | null;
  readonly resume: NativeTensorFile | null;
}

export interface NativeTrainEvent {
  readonly kind: 'started' | 'restored' | 'progress' | 'epoch' | 'checkpoint' | 'checkpointUnusable';
  readonly epoch: number;
  readonly step: number;
  readonly steps: number;
  readonly trainLoss: number;
  readonly validationLoss: number;
  readonly learningRate: number;
  readonly rowsPerSecond: number;
  readonly best: boolean;
  readonly compiled: boolean;
  readonly reason: string;
  readonly weights: Readonly<Record<string, NativeHistogram>>;
  readonly gradients: Readonly<Record<string, NativeHistogram>>;
}

export interface NativeHistogram {
  readonly left: number;
  readonly limits: readonly number[];
  readonly counts: readonly number[];
}

export interface NativeTrainOutcome {
  readonly bestEpoch: number;
  readonly epochs: number;
  readonly steps: number;
  readonly validationLoss: number;
  readonly trainLoss: number;
  readonly durationMs: number;
  readonly rowsPerSecond: number;
  readonly compiled: boolean;
}

export interface NativeTensor {
  readonly dtype: NativeDType;
  readonly shape: readonly number[];
  readonly buffer: ArrayBuffer;
}

export interface NativeScoreRequest {
  readonly program: LoweredProgram;
  readonly dtype: 'float32' | 'float64';
  readonly feed: NativeFeed;
  readonly weights: NativeTensorFile;
  readonly threads: number;
  readonly device: 'cpu' | 'cuda';
}

export interface NativeRunRequest {
  readonly program: LoweredProgram;
  readonly dtype: 'float32' | 'float64';
  /** By position in the program; null keeps the initial value. */
  readonly parameters: readonly (Float32Array | Float64Array | null)[];
  readonly buffers: readonly (Float32Array | Float64Array | null)[];
  readonly training: boolean;
  readonly seed: number;
  readonly step: number;
  /** The node whose sum is differentiated, or -1. */
  readonly objective: number;
}

export interface NativeJob<T> {
  readonly promise: Promise<T>;
  cancel(): void;
}

/** What build/millrace.node exports. */
export interface Addon {
  version(): {
    readonly libtorch: string;
    readonly builtFor: string;
    readonly stamp: string;
    readonly primitives: readonly string[];
  };
  /** Loads libtorch's CUDA half; true where a card answers. Asked before anything else asks for CUDA. */
  loadCuda(): boolean;
  train(request: NativeTrainRequest, onEvent: (event: NativeTrainEvent) => void): NativeJob<NativeTrainOutcome>;
  score(request: NativeScoreRequest): NativeJob<readonly NativeTensor[]>;
  run(request: NativeRunRequest): {
    readonly outputs: readonly NativeTensor[];
    readonly gradients: readonly NativeTensor[];
    readonly buffers: readonly NativeTensor[];
  };
}
