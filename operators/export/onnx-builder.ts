import { create, toBinary } from '@bufbuild/protobuf';
import type { DType } from '../../pipelines/network/graph.js';
import {
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  type ValueInfoProto,
} from './generated/onnx_pb.js';
import { type Attribute, attributeProto, type TensorData, tensorProto, valueInfo } from './onnx-tensors.js';

/** What every exported model declares; onnxruntime 1.30 loads IR up to 13 and opsets up to 26. */
export const IR_VERSION = 10;
export const OPSET = 21;
export const ML_OPSET = 4;

/** Collects nodes and initializers in order; equal calls give equal bytes. */
export class OnnxBuilder {
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: TensorProto[] = [];
  readonly #constants = new Map<string, string>();
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  readonly #names = new Set<string>();

  /** Takes a name for good: inputs and outputs, before anything else is named. */
  reserve(name: string): void {
    this.#names.add(name);
  }

  /** `name`, or `name_1`, `name_2`, … where it is taken. */
  unique(name: string): string {
    let candidate = name;
    for (let count = 1; this.#names.has(candidate); count++) candidate = `${name}_${count}`;
    this.#names.add(candidate);
    return candidate;
  }

  input(name: string, dtype: DType, shape: readonly (number | string)[]): void {
    this.#inputs.push(valueInfo(name, dtype, shape));
  }

  output(name: string, dtype: DType, shape: readonly (number | string)[]): void {
    this.#outputs.push(valueInfo(name, dtype, shape));
  }

  initializer(name: string, shape: readonly number[], data: TensorData): string {
    const taken = this.unique(name);
    this.#initializers.push(tensorProto(taken, shape, data));
    return taken;
  }

  /** A small constant; one initializer for equal ones. */
  constant(shape: readonly number[], data: TensorData): string {
    const text = Array.from<unknown>(data.values as ArrayLike<unknown>).map((value) =>
      Object.is(value, -0) ? '-0' : String(value),
    );
    const key = `${data.dtype}[${shape.join()}]:${text.join()}`;
    let name = this.#constants.get(key);
    if (name === undefined) {
      name = this.initializer(`constant/${this.#constants.size}`, shape, data);
      this.#constants.set(key, name);
    }
    return name;
  }

  /** Sizes, axes and indices. */
  integers(values: readonly number[]): string {
    return this.constant([values.length], { dtype: 'int64', values: values.map(BigInt) });
  }

  /**
   * Adds a node and returns the name of its one output.
   *
   * @param op - an operator of ai.onnx, or `ml:Name` of ai.onnx.ml.
   * @param target - a reserved or unique name.
   */
  node(
    op: string,
    inputs: readonly string[],
    target: string,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    const isMl = op.startsWith('ml:');
    this.#nodes.push(
      create(NodeProtoSchema, {
        opType: isMl ? op.slice(3) : op,
        domain: isMl ? 'ai.onnx.ml' : '',
        name: target,
        input: [...inputs],
        output: [target],
        attribute: Object.entries(attributes).map(([name, value]) => attributeProto(name, value)),
      }),
    );
    return target;
  }

  finish(graphName: string): Uint8Array {
    const model = create(ModelProtoSchema, {
      irVersion: BigInt(IR_VERSION),
      producerName: 'millrace',
      opsetImport: [
        { domain: '', version: BigInt(OPSET) },
        { domain: 'ai.onnx.ml', version: BigInt(ML_OPSET) },
      ],
      graph: {
        name: graphName,
        node: this.#nodes,
        initializer: this.#initializers,
        input: this.#inputs,
        output: this.#outputs,
      },
    });
    return toBinary(ModelProtoSchema, model, { writeUnknownFields: false });
  }
}
