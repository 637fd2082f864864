import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { TensorValue } from '../../pipelines/contracts/infer.js';
import type { SlotValue } from '../../pipelines/contracts/training.js';
import type { TensorGraph } from '../../pipelines/network/graph.js';
import type { NativeRunRequest } from './addon-types.js';
import { fromNativeError, loadAddon } from './load-addon.js';
import { Lowering } from './lower-graph.js';
import { toTensorValue } from './score-in-process.js';

type NumberTensor = Exclude<TensorValue, { dtype: 'string' }>;

export interface RunGraphRequest {
  /** Every size but the batch resolved. */
  readonly graph: TensorGraph;
  /** Feed columns and `input` nodes by name. */
  readonly inputs: Readonly<Record<string, NumberTensor>>;
  /** By name; what is left out begins as the graph says, from `seed`. The dtype is `dtype`. */
  readonly parameters: Readonly<Record<string, NumberTensor>>;
  readonly buffers: Readonly<Record<string, NumberTensor>>;
  readonly slots: Readonly<Record<string, SlotValue>>;
  readonly mode: 'training' | 'evaluation';
  readonly dtype: 'float32' | 'float64';
  readonly seed: number;
  readonly step: number;
  readonly outputs: readonly string[];
  /** The output whose sum is differentiated by every parameter, or null. */
  readonly objective: string | null;
}

export interface RunGraphResult {
  readonly outputs: Readonly<Record<string, NumberTensor>>;
  /** By parameter; empty without an objective. */
  readonly gradients: Readonly<Record<string, NumberTensor>>;
  /** After the run: batch norm moved the running statistics. */
  readonly buffers: Readonly<Record<string, NumberTensor>>;
}

/** Runs a graph's tensor region once, in this process, through ATen on one thread. For tests, parity and tools. */
export function runGraph(request: RunGraphRequest): RunGraphResult {
  const graph = withInputs(request.graph);
  const lowering = new Lowering(request.slots, { floats: [], indices: [] });
  lowering.registerWeights(graph);
  const lower = (name: string): number => {
    const output = graph.outputs[name];
    if (output === undefined) throw missing(`outputs.${name}`, Object.keys(graph.outputs));
    return lowering.lower(graph, 'graph', output, (node) => {
      const input = node.attributes['name'] as string;
      const value = request.inputs[input];
      if (value === undefined) throw missing(`inputs.${input}`, Object.keys(request.inputs));
      return lowering.tensor(node.name, value);
    });
  };
  const nodes = Object.fromEntries(request.outputs.map((name) => [name, lower(name)]));
  const objective = request.objective === null ? -1 : lower(request.objective);
  const program = lowering.finish(nodes);
  const native: NativeRunRequest = {
    program,
    dtype: request.dtype,
    parameters: program.parameters.map(({ name }) => flatValues(request.parameters[name])),
    buffers: program.buffers.map(({ name }) => flatValues(request.buffers[name])),
    training: request.mode === 'training',
    seed: request.seed,
    step: request.step,
    objective,
  };
  try {
    const result = loadAddon().run(native);
    return {
      outputs: Object.fromEntries(program.outputs.map(({ name }, i) => [name, toTensorValue(result.outputs[i]!)])),
      gradients: Object.fromEntries(
        result.gradients.map((gradient, i) => [program.parameters[i]!.name, toTensorValue(gradient)]),
      ),
      buffers: Object.fromEntries(result.buffers.map((buffer, i) => [program.buffers[i]!.name, toTensorValue(buffer)])),
    };
  } catch (error) {
    throw fromNativeError(error);
  }
}

/** Feed columns as named inputs, so that no feed is needed. */
function withInputs(graph: TensorGraph): TensorGraph {
  const names = new Map(graph.feed.map((column) => [column.node, column.name]));
  const nodes = graph.nodes.map((node, index) => {
    const name = names.get(index);
    return name === undefined
      ? node
      : { ...node, op: 'input' as const, inputs: [], attributes: { name }, region: 'tensor' as const };
  });
  return { ...graph, nodes, feed: [] };
}

function flatValues(value: NumberTensor | undefined): Float32Array | Float64Array | null {
  if (value === undefined) return null;
  return value.dtype === 'float32' || value.dtype === 'float64'
    ? value.data
    : Float32Array.from(value.data as Uint8Array);
}

function missing(path: string, known: readonly string[]): MillraceError {
  return new MillraceError('NETWORK_INVALID', {
    path: `run.${path}`,
    expected: `one of ${known.join(', ')}`,
    received: 'another name',
  });
}
