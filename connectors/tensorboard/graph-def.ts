import { type AttributeValue, formatShape, type GraphNode, type TensorGraph } from '../../pipelines/network/graph.js';
import { dataTypes } from './event-encoding.js';
import { ProtoEncoder } from './proto-encoder.js';

/** tensorflow.AttrValue: list 1, s 2, i 3, f 4, b 5, type 6, shape 7. */
type Attribute = (encoder: ProtoEncoder) => void;

const text =
  (value: string): Attribute =>
  (encoder) =>
    encoder.string(2, value);

function attribute(value: AttributeValue): Attribute {
  if (typeof value === 'string') return text(value);
  if (typeof value === 'boolean') return (encoder) => encoder.int(5, value ? 1 : 0);
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) ? (encoder) => encoder.int(3, value) : (encoder) => encoder.float(4, value);
  }
  return text(JSON.stringify(value));
}

/** Sizes along the edges of TensorBoard's drawing; a symbolic one (batch) is -1 and stands as text beside it. */
function outputShapes(node: GraphNode): Attribute {
  return (encoder) =>
    encoder.message(1, (list) =>
      list.message(7, (shape) => {
        for (const dim of node.shape) shape.message(2, (inner) => inner.int(1, typeof dim === 'number' ? dim : -1));
      }),
    );
}

function encodeNode(
  graph: ProtoEncoder,
  node: {
    readonly name: string;
    readonly op: string;
    readonly inputs: readonly string[];
    readonly attributes: ReadonlyMap<string, Attribute>;
  },
): void {
  graph.message(1, (encoder) => {
    encoder.string(1, node.name).string(2, node.op);
    for (const input of node.inputs) encoder.string(3, input);
    for (const [key, value] of node.attributes) {
      encoder.message(5, (entry) => entry.string(1, key).message(2, value));
    }
  });
}

/** tensorflow.GraphDef of a tensor graph: regions are name scopes, `output/<name>` marks the results. */
export function encodeGraphDef(graph: TensorGraph): Buffer {
  const encoder = new ProtoEncoder(4096);
  const nameOf = (index: number): string => {
    const node = graph.nodes[index]!;
    return `${node.region}/${node.name}`;
  };
  for (const [index, node] of graph.nodes.entries()) {
    const attributes = new Map<string, Attribute>();
    for (const [key, value] of Object.entries(node.attributes)) attributes.set(key, attribute(value));
    attributes.set('dtype', (inner) => inner.int(6, dataTypes[node.dtype]));
    attributes.set('shape', text(formatShape(node.shape)));
    attributes.set('_output_shapes', outputShapes(node));
    encodeNode(encoder, { name: nameOf(index), op: node.op, inputs: node.inputs.map(nameOf), attributes });
  }
  for (const [name, index] of Object.entries(graph.outputs)) {
    encodeNode(encoder, { name: `output/${name}`, op: 'output', inputs: [nameOf(index)], attributes: new Map() });
  }
  return encoder.message(4, (versions) => versions.int(1, 22)).finish();
}
