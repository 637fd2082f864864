/** Writes small ONNX files by hand, so that serving is tested without training anything. IR 10, opset 21. */

type Field = readonly [number: number, value: number | Uint8Array];

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return bytes;
}

function message(fields: readonly Field[]): Uint8Array {
  const bytes: number[] = [];
  for (const [number, value] of fields) {
    if (typeof value === 'number') bytes.push(...varint(number * 8), ...varint(value));
    else {
      bytes.push(...varint(number * 8 + 2), ...varint(value.length));
      for (const byte of value) bytes.push(byte);
    }
  }
  return Uint8Array.from(bytes);
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

export const elementTypes = { float32: 1, int64: 7, string: 8, bool: 9, float64: 11 } as const;
export type ElementType = keyof typeof elementTypes;

interface Value {
  readonly name: string;
  readonly dtype: ElementType;
  /** After the batch. */
  readonly width?: number;
}

function valueInfo({ name, dtype, width }: Value): Uint8Array {
  const dims: Field[] = [[1, message([[2, text('batch')]])]];
  if (width !== undefined) dims.push([1, message([[1, width]])]);
  const tensor = message([
    [1, elementTypes[dtype]],
    [2, message(dims)],
  ]);
  return message([
    [1, text(name)],
    [2, message([[1, tensor]])],
  ]);
}

export interface TinyNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly integers?: Readonly<Record<string, number>>;
}

export interface TinyConstant {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | BigInt64Array;
}

export interface TinyGraph {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly nodes: readonly TinyNode[];
  readonly constants: readonly TinyConstant[];
}

export function tinyOnnx({ inputs, outputs, nodes, constants }: TinyGraph): Uint8Array {
  const graph = message([
    ...nodes.map(({ op, inputs: from, output, integers = {} }): Field => {
      const attributes = Object.entries(integers).map(
        ([name, value]): Field => [
          5,
          message([
            [1, text(name)],
            [3, value],
            [20, 2],
          ]),
        ],
      );
      return [
        1,
        message([...from.map((name): Field => [1, text(name)]), [2, text(output)], [4, text(op)], ...attributes]),
      ];
    }),
    [2, text('tiny')],
    ...constants.map(
      ({ name, shape, values }): Field => [
        5,
        message([
          ...shape.map((size): Field => [1, size]),
          [2, values instanceof Float32Array ? elementTypes.float32 : elementTypes.int64],
          [8, text(name)],
          [9, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)],
        ]),
      ],
    ),
    ...inputs.map((input): Field => [11, valueInfo(input)]),
    ...outputs.map((output): Field => [12, valueInfo(output)]),
  ]);
  return message([
    [1, 10],
    [7, graph],
    [
      8,
      message([
        [1, text('')],
        [2, 21],
      ]),
    ],
  ]);
}
