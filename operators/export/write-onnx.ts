import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { SlotValue, StatisticsDocument } from '../../pipelines/contracts/training.js';
import {
  type Dim,
  type FitGraph,
  formatDim,
  type GraphNode,
  resolveGraph,
  type TensorGraph,
} from '../../pipelines/network/graph.js';
import { OnnxBuilder } from './onnx-builder.js';
import type { TensorData } from './onnx-tensors.js';
import { primitiveMappings } from './primitive-mappings.js';
import type { WeightTensor } from './read-weights.js';

/** protobuf's limit for one message. */
const maxBytes = 2 ** 31 - 1;

/**
 * Writes a fitted graph as ONNX (IR 10, opset 21, ai.onnx.ml 4): both regions, raw columns as inputs of shape
 * [batch] under their own names, the task's outputs under theirs. Equal arguments give equal bytes.
 *
 * @param weights - parameters and buffers by name, float32.
 * @throws GRAPH_NOT_EXPORTABLE - a size or weight that is missing, two values of one name, a model above 2 GiB.
 */
export function writeOnnx(
  fit: FitGraph,
  statistics: StatisticsDocument,
  weights: ReadonlyMap<string, WeightTensor>,
): Uint8Array {
  return new GraphWriter(resolveGraph(fit.graph, statistics.sizes), statistics, weights).write();
}

class GraphWriter {
  readonly #graph: TensorGraph;
  readonly #statistics: StatisticsDocument;
  readonly #weights: ReadonlyMap<string, WeightTensor>;
  readonly #builder = new OnnxBuilder();
  /** By node: the name of its value, once it is written. */
  readonly #names = new Map<number, string>();

  constructor(graph: TensorGraph, statistics: StatisticsDocument, weights: ReadonlyMap<string, WeightTensor>) {
    this.#graph = graph;
    this.#statistics = statistics;
    this.#weights = weights;
  }

  write(): Uint8Array {
    const { nodes, outputs } = this.#graph;
    this.#declareNames();
    const used = reachable(this.#graph);
    nodes.forEach((node, index) => {
      if (used.has(index) && primitiveMappings[node.op].kind !== 'leaf') this.#writeNode(node, index);
    });
    for (const [name, index] of Object.entries(outputs)) {
      const value = this.#valueOf(index);
      if (value !== name) this.#builder.node('Identity', [value], name);
      const node = nodes[index]!;
      this.#builder.output(
        name,
        node.dtype,
        node.shape.map((dim) => this.#size(dim, node)),
      );
    }
    const bytes = this.#builder.finish('millrace');
    if (bytes.byteLength <= maxBytes) return bytes;
    throw new MillraceError('GRAPH_NOT_EXPORTABLE', {
      path: 'onnx',
      expected: `a model of at most ${maxBytes} bytes`,
      received: `${bytes.byteLength} bytes`,
      hint: 'Shrink the vocabularies with maxSize or minCount.',
    });
  }

  /** Inputs are the columns in the graph's order; every name that a caller sees is taken first. */
  #declareNames(): void {
    const { nodes, outputs } = this.#graph;
    nodes.forEach((node, index) => {
      if (node.op !== 'input') return;
      const name = node.attributes['name'] as string;
      if (outputs[name] !== undefined) {
        throw new MillraceError('GRAPH_NOT_EXPORTABLE', {
          path: `fit.inputs.${name}`,
          expected: `input columns other than the model's outputs (${Object.keys(outputs).join(', ')})`,
          received: `'${name}'`,
          hint: `Rename the column in SQL: SELECT "${name}" AS "${name}_input".`,
        });
      }
      this.#builder.reserve(name);
      this.#names.set(index, name);
      this.#builder.input(
        name,
        node.dtype,
        node.shape.map((dim) => this.#size(dim, node)),
      );
    });
    for (const name of Object.keys(outputs)) this.#builder.reserve(name);
  }

  #writeNode(node: GraphNode, index: number): void {
    const mapping = primitiveMappings[node.op];
    if (mapping.kind === 'notExportable') {
      throw new MillraceError('GRAPH_NOT_EXPORTABLE', {
        path: node.name,
        expected: 'primitives that ONNX has',
        received: `'${node.op}': ${mapping.reason}`,
      });
    }
    if (mapping.kind === 'leaf') return;
    const sources = node.inputs.map((input) => this.#graph.nodes[input]!);
    const output = Object.entries(this.#graph.outputs).find(([, value]) => value === index)?.[0];
    const target = output ?? this.#builder.unique(node.name);
    // A look-up holds its list as attributes: it must not become an initializer as well.
    const inputs = node.inputs.map((input, position) =>
      node.op === 'lookup' && position === 1 ? '' : this.#valueOf(input),
    );
    const builder = this.#builder;
    this.#names.set(
      index,
      mapping.write({
        builder,
        node,
        inputs,
        sources,
        target,
        between: (suffix) => builder.unique(`${target}/${suffix}`),
        slotValue: (source) => this.#slot(source),
      }),
    );
  }

  #valueOf(index: number): string {
    const known = this.#names.get(index);
    if (known !== undefined) return known;
    const name = this.#writeLeaf(this.#graph.nodes[index]!);
    this.#names.set(index, name);
    return name;
  }

  #writeLeaf(node: GraphNode): string {
    switch (node.op) {
      case 'parameter':
      case 'buffer':
        return this.#writeWeight(node);
      case 'slot': {
        const value = this.#slot(node);
        return this.#builder.initializer(node.name, value.shape, slotData(value));
      }
      case 'constant':
        return this.#builder.constant([], constantData(node));
      default:
        throw new MillraceError('GRAPH_NOT_EXPORTABLE', {
          path: node.name,
          expected: 'a value that is written before it is used',
          received: `'${node.op}'`,
        });
    }
  }

  #writeWeight(node: GraphNode): string {
    const name = node.attributes['name'] as string;
    const shape = node.shape.map((dim) => this.#size(dim, node));
    const weight = this.#weights.get(name);
    if (weight === undefined || weight.shape.join() !== shape.join()) {
      throw new MillraceError('GRAPH_NOT_EXPORTABLE', {
        path: `weights.${name}`,
        expected: `a tensor of shape [${shape.join(', ')}]`,
        received: weight === undefined ? 'none' : `[${weight.shape.join(', ')}]`,
      });
    }
    return this.#builder.initializer(node.name, weight.shape, { dtype: 'float32', values: weight.data });
  }

  #slot(node: GraphNode): SlotValue {
    const name = node.attributes['name'] as string;
    const value = this.#statistics.slots[name];
    if (value !== undefined) return value;
    throw new MillraceError('GRAPH_NOT_EXPORTABLE', {
      path: `statistics.${name}`,
      expected: 'a value for the slot',
      received: 'none',
    });
  }

  #size(dim: Dim, node: GraphNode): number | string {
    if (typeof dim === 'number') return dim;
    const text = formatDim(dim);
    if (text === 'batch') return text;
    throw new MillraceError('GRAPH_NOT_EXPORTABLE', {
      path: node.name,
      expected: 'sizes that the statistics know',
      received: text,
    });
  }
}

/** The nodes that outputs depend on. */
function reachable(graph: TensorGraph): ReadonlySet<number> {
  const used = new Set<number>(Object.values(graph.outputs));
  for (let index = graph.nodes.length - 1; index >= 0; index--) {
    if (used.has(index)) for (const input of graph.nodes[index]!.inputs) used.add(input);
  }
  return used;
}

function slotData(value: SlotValue): TensorData {
  if (value.dtype === 'float64') return { dtype: 'float64', values: value.values };
  if (value.dtype === 'string') return { dtype: 'string', values: value.values };
  return { dtype: 'int64', values: value.values.map(BigInt) };
}

function constantData({ dtype, attributes }: GraphNode): TensorData {
  const { value } = attributes;
  switch (dtype) {
    case 'string':
      return { dtype, values: [String(value)] };
    case 'bool':
      return { dtype, values: [Boolean(value)] };
    case 'int64':
      return { dtype, values: [BigInt(value as number)] };
    default:
      return { dtype, values: [value as number] };
  }
}
