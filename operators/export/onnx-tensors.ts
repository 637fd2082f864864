import { create } from '@bufbuild/protobuf';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { DType } from '../../pipelines/network/graph.js';
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type TensorProto,
  TensorProto_DataType,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './generated/onnx_pb.js';

const utf8 = new TextEncoder();

/** ONNX element types of the graph's dtypes. */
export const elementTypes: Readonly<Record<DType, TensorProto_DataType>> = {
  float32: TensorProto_DataType.FLOAT,
  float64: TensorProto_DataType.DOUBLE,
  int64: TensorProto_DataType.INT64,
  bool: TensorProto_DataType.BOOL,
  string: TensorProto_DataType.STRING,
};

/** A tensor's values before they are bytes. */
export type TensorData =
  | { readonly dtype: 'float32' | 'float64'; readonly values: ArrayLike<number> }
  | { readonly dtype: 'int64'; readonly values: ArrayLike<bigint> }
  | { readonly dtype: 'bool'; readonly values: ArrayLike<boolean> }
  | { readonly dtype: 'string'; readonly values: ArrayLike<string> };

/** A tensor as protobuf; numbers are little-endian whatever the machine. */
export function tensorProto(name: string, shape: readonly number[], data: TensorData): TensorProto {
  const dims = shape.map(BigInt);
  const dataType = elementTypes[data.dtype];
  if (data.dtype === 'string') {
    return create(TensorProtoSchema, { name, dims, dataType, stringData: Array.from(data.values, encodeText) });
  }
  return create(TensorProtoSchema, { name, dims, dataType, rawData: littleEndian(data) });
}

function littleEndian(data: Exclude<TensorData, { dtype: 'string' }>): Uint8Array {
  const count = data.values.length;
  const width = { float32: 4, float64: 8, int64: 8, bool: 1 }[data.dtype];
  const bytes = new Uint8Array(count * width);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < count; i++) {
    switch (data.dtype) {
      case 'float32':
        view.setFloat32(i * 4, data.values[i]!, true);
        break;
      case 'float64':
        view.setFloat64(i * 8, data.values[i]!, true);
        break;
      case 'int64':
        view.setBigInt64(i * 8, data.values[i]!, true);
        break;
      case 'bool':
        bytes[i] = data.values[i] ? 1 : 0;
    }
  }
  return bytes;
}

/** onnxruntime cuts strings at NUL, so that two of them would be one. */
function encodeText(text: string): Uint8Array {
  if (!text.includes('\0')) return utf8.encode(text);
  throw new MillraceError('GRAPH_NOT_EXPORTABLE', {
    path: 'onnx.strings',
    expected: 'values without NUL characters',
    received: `a value with one at index ${text.indexOf('\0')}`,
    hint: "Remove them in SQL: replace(column, chr(0), '').",
  });
}

/** An attribute of a node. A number is a float; integers are bigint. */
export type Attribute = number | bigint | string | readonly bigint[] | readonly string[];

export function attributeProto(name: string, value: Attribute): AttributeProto {
  if (typeof value === 'number') {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: value });
  }
  if (typeof value === 'bigint') {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: value });
  }
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.STRING, s: encodeText(value) });
  }
  if (isTexts(value)) {
    const type = AttributeProto_AttributeType.STRINGS;
    return create(AttributeProtoSchema, { name, type, strings: value.map(encodeText) });
  }
  return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INTS, ints: [...value] });
}

function isTexts(value: readonly bigint[] | readonly string[]): value is readonly string[] {
  return typeof value[0] === 'string';
}

/** An input or output of the graph; a text is a named free size. */
export function valueInfo(name: string, dtype: DType, shape: readonly (number | string)[]): ValueInfoProto {
  return create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: 'tensorType',
        value: {
          elemType: elementTypes[dtype],
          shape: {
            dim: shape.map((size) =>
              typeof size === 'string'
                ? { value: { case: 'dimParam' as const, value: size } }
                : { value: { case: 'dimValue' as const, value: BigInt(size) } },
            ),
          },
        },
      },
    },
  });
}
