import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterAll, describe, expect, it } from 'vitest';
import { openInferenceEngine } from '../../../../connectors/onnxruntime/inference-engine.js';
import {
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType,
} from '../../../../operators/export/generated/onnx_pb.js';
import { attributeProto, tensorProto, valueInfo } from '../../../../operators/export/onnx-tensors.js';
import type { TensorValue } from '../../../../pipelines/contracts/infer.js';

const folder = mkdtempSync(join(tmpdir(), 'onnxruntime-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** y = x + 1, of two columns. */
function model(change: (model: ModelProto) => void = () => {}): Uint8Array {
  const proto = create(ModelProtoSchema, {
    irVersion: 10n,
    opsetImport: [{ domain: '', version: 21n }],
    graph: {
      name: 'g',
      node: [{ opType: 'Add', name: 'n', input: ['x', 'one'], output: ['y'] }],
      initializer: [tensorProto('one', [], { dtype: 'float32', values: [1] })],
      input: [valueInfo('x', 'float32', ['batch', 2])],
      output: [valueInfo('y', 'float32', ['batch', 2])],
    },
  });
  change(proto);
  return toBinary(ModelProtoSchema, proto);
}

let count = 0;
function save(bytes: Uint8Array): string {
  const path = join(folder, `m${count++}.onnx`);
  writeFileSync(path, bytes);
  return path;
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code} ${message.replace(/^m\d+\.onnx/, 'M')}`;
  }
  return 'none';
}

const load = (change?: (model: ModelProto) => void) => openInferenceEngine().load(save(model(change)));
const x = (shape: number[], ...values: number[]): TensorValue => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(values),
});

const external = TensorProto_DataLocation.EXTERNAL;

/** What a model file must not be, the change that makes it so, and the refusal. */
const refusedModels: readonly (readonly [string, (model: ModelProto) => void, string])[] = [
  [
    'data in another file',
    ({ graph }) => {
      graph!.initializer[0]!.dataLocation = external;
    },
    "expected all tensors inside the file; received external data for 'one'.",
  ],
  [
    'a constant in another file',
    ({ graph }) => {
      const t = { ...tensorProto('c', [], { dtype: 'float32', values: [1] }), dataLocation: external };
      graph!.node[0]!.attribute.push({ ...attributeProto('value', 1n), t });
    },
    "expected all tensors inside the file; received external data for 'c'.",
  ],
  [
    'another domain',
    ({ graph }) => {
      graph!.node[0]!.domain = 'com.example';
    },
    "expected operators of ai.onnx and ai.onnx.ml; received the domain 'com.example'.",
  ],
  [
    'an opset of another domain',
    ({ opsetImport }) => {
      opsetImport.push({ ...opsetImport[0]!, domain: 'com.microsoft' });
    },
    "expected operators of ai.onnx and ai.onnx.ml; received the domain 'com.microsoft'.",
  ],
  [
    'a newer opset',
    ({ opsetImport }) => {
      opsetImport[0]!.version = 99n;
    },
    'expected an opset of ai.onnx from 1 to 26; received 99.',
  ],
  [
    'a newer IR',
    (proto) => {
      proto.irVersion = 14n;
    },
    'expected an IR version up to 13; received 14.',
  ],
  [
    'an input with a default',
    ({ graph }) => {
      graph!.input.push(valueInfo('one', 'float32', []));
    },
    "expected inputs without default values; received a default for 'one'.",
  ],
  [
    'an input of a type that no column has',
    ({ graph }) => {
      graph!.node = [
        create(NodeProtoSchema, { opType: 'Cast', input: ['x'], output: ['y'], attribute: [attributeProto('to', 1n)] }),
      ];
      graph!.input = [valueInfo('x', 'float32', ['batch', 2])];
      (graph!.input[0]!.type!.value.value as { elemType: number }).elemType = TensorProto_DataType.INT32;
    },
    "expected inputs of dtype float32, float64, int64, bool, string; received int32 for 'x'.",
  ],
];

describe('the inference engine', () => {
  it('names its version without loading the library', () => {
    expect(openInferenceEngine().version).toBe('onnxruntime 1.30.0');
  });

  it('runs a model, with one row, several and none', async () => {
    await using session = await load();
    expect(session.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: [null, 2] }]);
    expect((await session.run({ x: x([1, 2], 1, 2) }))['y']).toEqual({
      dtype: 'float32',
      shape: [1, 2],
      data: Float32Array.of(2, 3),
    });
    expect((await session.run({ x: x([0, 2]) }))['y']!.shape).toEqual([0, 2]);
    expect((await session.run({ x: x([2, 2], 1, 2, 3, Number.NaN) }))['y']!.data).toEqual(
      Float32Array.of(2, 3, 4, Number.NaN),
    );
  });

  it('refuses inputs that do not fit, by name', async () => {
    await using session = await load();
    expect(await refusal(session.run({}))).toBe('REQUEST_INVALID inputs.x: expected a float32 tensor; received none.');
    expect(await refusal(session.run({ x: x([1, 2], 1, 2), xx: x([1, 2], 1, 2) }))).toBe(
      "REQUEST_INVALID inputs.xx: expected an input of the model; received 'xx'. Did you mean 'x'?",
    );
    expect(await refusal(session.run({ x: { dtype: 'float64', shape: [1, 2], data: Float64Array.of(1, 2) } }))).toBe(
      'REQUEST_INVALID inputs.x: expected dtype float32; received float64.',
    );
    expect(await refusal(session.run({ x: x([2], 1, 2) }))).toBe(
      'REQUEST_INVALID inputs.x: expected shape [any, 2]; received [2].',
    );
    expect(await refusal(session.run({ x: x([1, 3], 1, 2, 3) }))).toBe(
      'REQUEST_INVALID inputs.x: expected shape [any, 2]; received [1, 3].',
    );
    expect(await refusal(session.run({ x: x([9e15, 2], 1, 2) }))).toBe(
      'REQUEST_INVALID inputs.x: expected 18000000000000000 values for shape [9000000000000000, 2]; received 2.',
    );
    expect(await refusal(session.run({ x: x([-1, 2], 1, 2) }))).toBe(
      'REQUEST_INVALID inputs.x: expected -2 values for shape [-1, 2]; received 2.',
    );
  });

  it('refuses to run after it was closed, and closes twice', async () => {
    const session = await load();
    await session[Symbol.asyncDispose]();
    await session[Symbol.asyncDispose]();
    expect(await refusal(session.run({ x: x([1, 2], 1, 2) }))).toBe(
      'INTERNAL M: expected an open session; received a session that was released.',
    );
  });

  it.each(refusedModels)('refuses %s', async (_what, change, message) => {
    expect(await refusal(load(change))).toBe(`GRAPH_NOT_EXPORTABLE M: ${message}`);
  });

  it('refuses what is no model', async () => {
    const engine = openInferenceEngine();
    const bytes = model();
    expect(await refusal(engine.load(save(new Uint8Array(0))))).toBe(
      'ARTIFACT_CORRUPT M: expected an ONNX model with a graph; received no graph.',
    );
    expect(await refusal(engine.load(save(Uint8Array.from({ length: 1000 }, (_, i) => (i * 37) % 256))))).toContain(
      'ARTIFACT_CORRUPT M: expected an ONNX model',
    );
    expect(await refusal(engine.load(join(folder, 'none.onnx')))).toBe(
      "ARTIFACT_CORRUPT none.onnx: expected a model file; received 'ENOENT' while reading it.",
    );
    for (let length = 0; length < bytes.length; length += 3) {
      expect(await refusal(engine.load(save(bytes.subarray(0, length))))).toMatch(
        /^(ARTIFACT_CORRUPT|GRAPH_NOT_EXPORTABLE) /,
      );
    }
  });

  it('refuses graphs nested too deep', async () => {
    const nest = (depth: number): ModelProto['graph'] => {
      return create(ModelProtoSchema, {
        graph: {
          name: 'g',
          node: [{ opType: 'If', attribute: depth === 0 ? [] : [{ name: 'then_branch', g: nest(depth - 1)! }] }],
        },
      }).graph!;
    };
    expect(await refusal(load((proto) => Object.assign(proto, { graph: nest(40) })))).toBe(
      'GRAPH_NOT_EXPORTABLE M: expected graphs nested up to 16 deep; received more.',
    );
  });
});
