import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { SlotValue, StatisticsDocument } from '../../pipelines/contracts/training.js';
import {
  type Dim,
  formatShape,
  type GraphNode,
  type Initializer,
  type TensorGraph,
} from '../../pipelines/network/graph.js';
import type {
  LoweredBuffer,
  LoweredNode,
  LoweredParameter,
  LoweredProgram,
  LoweredTensor,
  NativeDType,
} from './addon-types.js';

/** Codes of `cast`'s attribute, as DType in native/core/program.h. */
const dtypeCodes: Readonly<Record<NativeDType, number>> = { float32: 0, float64: 1, int64: 2, bool: 3 };

/** What a feed column of the graph is while it runs. */
export interface FeedPlaces {
  readonly floats: readonly string[];
  readonly indices: readonly string[];
}

/** How the leaf `input` of a graph is filled. */
type InputLeaf = (node: GraphNode) => number;

/**
 * Turns tensor regions into one native program: encode nodes become feed columns, slots become constants, sizes
 * become numbers, and neighbouring columns that are put side by side become one block, read without a copy each.
 */
export class Lowering {
  readonly #nodes: LoweredNode[] = [];
  readonly #parameters = new Map<string, { index: number; value: LoweredParameter }>();
  readonly #buffers = new Map<string, { index: number; value: LoweredBuffer }>();
  readonly #tensors: LoweredTensor[] = [];
  readonly #slots: StatisticsDocument['slots'];
  readonly #places: FeedPlaces;
  readonly #memo = new Map<string, number>();

  constructor(slots: StatisticsDocument['slots'], places: FeedPlaces) {
    this.#slots = slots;
    this.#places = places;
  }

  /** Lowers what `index` of `graph` needs, and returns its node. `id` tells graphs apart. */
  lower(graph: TensorGraph, id: string, index: number, inputLeaf: InputLeaf): number {
    const key = `${id}:${index}`;
    const known = this.#memo.get(key);
    if (known !== undefined) return known;
    const lowered = this.#lowerNode(graph, id, index, inputLeaf);
    this.#memo.set(key, lowered);
    return lowered;
  }

  /** Registers every parameter and buffer of the graph, needed or not: a model's file holds them all. */
  registerWeights(graph: TensorGraph): void {
    for (const node of graph.nodes) {
      if (node.op === 'parameter') this.#parameter(graph, node);
      if (node.op === 'buffer') this.#buffer(node);
    }
  }

  push(
    op: string,
    name: string,
    inputs: readonly number[],
    dtype: NativeDType,
    shape: readonly number[],
    attributes: Readonly<Record<string, number>>,
  ): number {
    this.#nodes.push({ op, name, inputs, dtype, shape, attributes });
    return this.#nodes.length - 1;
  }

  tensor(name: string, value: LoweredTensor): number {
    this.#tensors.push(value);
    return this.push('tensor', name, [], value.dtype, value.shape, { index: this.#tensors.length - 1 });
  }

  node(index: number): LoweredNode {
    return this.#nodes[index]!;
  }

  finish(outputs: Readonly<Record<string, number>>): LoweredProgram {
    return {
      nodes: this.#nodes,
      parameters: [...this.#parameters.values()].map(({ value }) => value),
      buffers: [...this.#buffers.values()].map(({ value }) => value),
      tensors: this.#tensors,
      outputs: Object.entries(outputs).map(([name, node]) => ({ name, node })),
    };
  }

  #lowerNode(graph: TensorGraph, id: string, index: number, inputLeaf: InputLeaf): number {
    const node = graph.nodes[index]!;
    const column = graph.feed.find((feed) => feed.node === index);
    if (column !== undefined) return this.#feedColumn(node, column.name, column.dtype);
    const recurse = (input: number): number => this.lower(graph, id, input, inputLeaf);
    switch (node.op) {
      case 'input':
        return inputLeaf(node);
      case 'parameter':
        return this.push('parameter', node.name, [], 'float32', sizes(node), { index: this.#parameter(graph, node) });
      case 'buffer':
        return this.push('buffer', node.name, [], 'float32', sizes(node), { index: this.#buffer(node) });
      case 'slot':
        return this.#slot(node);
      case 'constant':
        return this.push('constant', node.name, [], nativeDType(node), [], {
          value: node.attributes['value'] as number,
        });
      default:
    }
    if (node.region === 'encode') {
      throw new MillraceError('NETWORK_INVALID', {
        path: node.name,
        expected: 'a feed column between the encode and the tensor region',
        received: `'${node.op}' of the encode region, used in the tensor region`,
      });
    }
    if (node.op === 'concat' && node.attributes['axis'] === 1) return this.#concat(graph, node, recurse);
    return this.push(
      node.op,
      node.name,
      node.inputs.map(recurse),
      nativeDType(node),
      sizes(node),
      numericAttributes(node, index),
    );
  }

  #feedColumn(node: GraphNode, name: string, dtype: 'float32' | 'int64'): number {
    const list = dtype === 'int64' ? this.#places.indices : this.#places.floats;
    const column = list.indexOf(name);
    if (column < 0) {
      throw new MillraceError('NETWORK_INVALID', {
        path: name,
        expected: `a column of the feed's ${dtype === 'int64' ? 'indices' : 'floats'}`,
        received: 'none of this name',
      });
    }
    return this.push(dtype === 'int64' ? 'feedIndex' : 'feedFloat', node.name, [], dtype, [-1], { column });
  }

  /** Flattens nested concatenations along axis 1 and joins neighbouring feed columns to blocks. */
  #concat(graph: TensorGraph, node: GraphNode, recurse: (input: number) => number): number {
    const parts: number[] = [];
    const gather = (inputs: readonly number[]): void => {
      for (const input of inputs) {
        const part = graph.nodes[input]!;
        if (part.op === 'concat' && part.attributes['axis'] === 1 && part.region === 'tensor') gather(part.inputs);
        else parts.push(recurse(input));
      }
    };
    gather(node.inputs);
    const joined: number[] = [];
    for (const run of feedRuns(parts.map((part) => this.#feedColumnOf(part)))) {
      if (run.column === null) joined.push(parts[run.first]!);
      else {
        const { column: first, count } = run;
        const columns = this.#places.floats.length;
        joined.push(
          this.push('feedBlock', `${node.name}.block`, [], 'float32', [-1, count], { first, count, columns }),
        );
      }
    }
    if (joined.length === 1) return joined[0]!;
    return this.push('concat', node.name, joined, nativeDType(node), sizes(node), { axis: 1 });
  }

  /** The feed column behind an [rows, 1] value, or null where it is something else. */
  #feedColumnOf(part: number): number | null {
    const node = this.node(part);
    if (node.op !== 'expandDims' || node.attributes['axis'] !== 1) return null;
    const source = this.node(node.inputs[0]!);
    return source.op === 'feedFloat' ? source.attributes['column']! : null;
  }

  #slot(node: GraphNode): number {
    const name = node.attributes['name'] as string;
    const value = this.#slots[name];
    if (value === undefined || value.dtype === 'string') {
      throw new MillraceError('NETWORK_INVALID', {
        path: node.name,
        expected: 'a statistic in numbers',
        received: value === undefined ? 'none' : 'strings',
      });
    }
    return this.tensor(node.name, slotTensor(value));
  }

  #parameter(graph: TensorGraph, node: GraphNode): number {
    const name = node.attributes['name'] as string;
    const known = this.#parameters.get(name);
    if (known !== undefined) return known.index;
    const shape = sizes(node);
    const initializer = resolveInitializer(graph, node, node.attributes['initializer'] as Initializer, shape);
    const index = this.#parameters.size;
    this.#parameters.set(name, { index, value: { name, shape, initializer } });
    return index;
  }

  #buffer(node: GraphNode): number {
    const name = node.attributes['name'] as string;
    const known = this.#buffers.get(name);
    if (known !== undefined) return known.index;
    const index = this.#buffers.size;
    this.#buffers.set(name, { index, value: { name, shape: sizes(node), fill: node.attributes['fill'] as number } });
    return index;
  }
}

/** Runs of ascending columns; what is no column is a run by itself. */
function feedRuns(columns: readonly (number | null)[]): { column: number | null; first: number; count: number }[] {
  const runs: { column: number | null; first: number; count: number }[] = [];
  for (const [first, column] of columns.entries()) {
    const last = runs.at(-1);
    const follows =
      column !== null && last !== undefined && last.column !== null && last.column + last.count === column;
    if (follows) last.count += 1;
    else runs.push({ column, first, count: 1 });
  }
  return runs;
}

function slotTensor(value: Exclude<SlotValue, { dtype: 'string' }>): LoweredTensor {
  if (value.dtype === 'float64')
    return { dtype: 'float64', shape: value.shape, data: Float64Array.from(value.values as readonly number[]) };
  return { dtype: 'int64', shape: value.shape, data: BigInt64Array.from(value.values as readonly string[], BigInt) };
}

function nativeDType(node: GraphNode): NativeDType {
  if (node.dtype === 'string') {
    throw new MillraceError('NETWORK_INVALID', {
      path: node.name,
      expected: 'numbers in the tensor region',
      received: 'strings',
    });
  }
  return node.dtype;
}

/** Sizes as numbers; -1 is the axis of rows. */
function sizes(node: GraphNode): number[] {
  return node.shape.map((dim: Dim) => {
    if (typeof dim === 'number') return dim;
    const terms = Object.entries(dim.terms);
    if (dim.constant === 0 && terms.length === 1 && terms[0]![0] === 'batch' && terms[0]![1] === 1) return -1;
    throw new MillraceError('NETWORK_SHAPE', {
      path: node.name,
      expected: 'every size but batch known',
      received: formatShape(node.shape),
    });
  });
}

function numericAttributes(node: GraphNode, index: number): Record<string, number> {
  const attributes: Record<string, number> = {};
  for (const [name, value] of Object.entries(node.attributes)) {
    if (typeof value === 'number') attributes[name] = value;
    else if (typeof value === 'boolean') attributes[name] = value ? 1 : 0;
  }
  if (node.op === 'cast') attributes['to'] = dtypeCodes[node.attributes['to'] as NativeDType];
  if (node.op === 'oneHot') attributes['depth'] = sizes(node).at(-1)!;
  // What tells two dropouts of one step apart.
  if (node.op === 'dropout') attributes['random'] = index;
  return attributes;
}

function resolveInitializer(
  graph: TensorGraph,
  node: GraphNode,
  initializer: Initializer,
  shape: readonly number[],
): LoweredParameter['initializer'] {
  const uniform = (value: number): LoweredParameter['initializer'] => ({
    kind: 'uniform',
    value: Number.isFinite(value) ? value : 0,
  });
  switch (initializer.kind) {
    case 'zeros':
      return { kind: 'constant', value: 0 };
    case 'ones':
      return { kind: 'constant', value: 1 };
    case 'constant':
      return { kind: 'constant', value: initializer.value };
    case 'fanInUniform':
      return uniform(initializer.gain / Math.sqrt(shape[initializer.axis]!));
    case 'fanInUniformOf': {
      const of = graph.nodes.find((other) => other.op === 'parameter' && other.attributes['name'] === initializer.of);
      if (of === undefined) {
        throw new MillraceError('NETWORK_INVALID', {
          path: node.name,
          expected: `a parameter '${initializer.of}'`,
          received: 'none',
        });
      }
      return uniform(initializer.gain / Math.sqrt(sizes(of)[initializer.axis]!));
    }
    case 'glorotUniform':
      return uniform(initializer.gain * Math.sqrt(6 / (shape[0]! + shape[1]!)));
    case 'normal':
      return { kind: 'normal', value: initializer.standardDeviation };
  }
}
