import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningServer, startServer } from '../../../serving/server.js';
import { get, openWorld, post, releaseChurn, type World } from './world.js';

const inputs = [
  { name: 'age', shape: [2], datatype: 'FP64', data: [30, null] },
  { name: 'events', shape: [2], datatype: 'INT64', data: [256, '0'] },
  { name: 'plan', shape: [2], datatype: 'BYTES', data: ['pro', ''] },
  { name: 'active', shape: [2, 1], datatype: 'BOOL', data: [[true], [false]] },
];

function withInput(name: string, change: object): { inputs: object[] } {
  return { inputs: inputs.map((input) => (input.name === name ? { ...input, ...change } : input)) };
}

/** A body in Triton's binary layout. */
function binaryBody(
  header: object,
  blobs: readonly Uint8Array[],
): { body: Uint8Array; headers: Record<string, string> } {
  const json = new TextEncoder().encode(JSON.stringify(header));
  return {
    body: Buffer.concat([json, ...blobs]),
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(json.length) },
  };
}

const blobs = {
  age: new Uint8Array(Float64Array.of(30, Number.NaN).buffer),
  events: new Uint8Array(BigInt64Array.of(256n, 0n).buffer),
  plan: Uint8Array.of(3, 0, 0, 0, 0x70, 0x72, 0x6f, 0, 0, 0, 0),
  active: Uint8Array.of(1, 0),
};

function binaryInputs(sizes: Readonly<Record<string, number>> = {}): object[] {
  return inputs.map(({ name, datatype }) => {
    const size = sizes[name] ?? blobs[name as keyof typeof blobs].length;
    return { name, datatype, shape: [2], parameters: { binary_data_size: size } };
  });
}

describe('Open Inference Protocol', () => {
  let world: World;
  let server: RunningServer;
  let url: string;

  beforeAll(async () => {
    world = await openWorld();
    await releaseChurn(world, 0.25);
    await releaseChurn(world, 0.5);
    await world.bind('churn-live', 'churn');
    server = await startServer({ ...world.sources, port: 0, limits: { maxRows: 1000 } });
    url = `${server.address}/v2/models/churn-live/infer`;
  });

  afterAll(async () => {
    await server?.close();
    await world?.[Symbol.asyncDispose]();
  });

  it('describes the server, its health and its models', async () => {
    expect((await get(`${server.address}/v2`)).body).toEqual({
      name: 'millrace',
      version: '2',
      extensions: ['binary_tensor_data'],
    });
    expect(await get(`${server.address}/v2/health/live`)).toMatchObject({ status: 200, body: { live: true } });
    expect(await get(`${server.address}/v2/health/ready`)).toMatchObject({ status: 200, body: { ready: true } });
    for (const name of ['churn-live', 'churn']) {
      expect((await get(`${server.address}/v2/models/${name}`)).body).toEqual({
        name,
        versions: ['1', '2'],
        platform: 'onnxruntime_onnx',
        inputs: [
          { name: 'age', datatype: 'FP64', shape: [-1] },
          { name: 'events', datatype: 'INT64', shape: [-1] },
          { name: 'plan', datatype: 'BYTES', shape: [-1] },
          { name: 'active', datatype: 'BOOL', shape: [-1] },
        ],
        outputs: [{ name: 'probability', datatype: 'FP32', shape: [-1] }],
      });
      expect((await get(`${server.address}/v2/models/${name}/ready`)).body).toEqual({ name, ready: true });
    }
  });

  it('answers tensors with tensors and echoes the id', async () => {
    const reply = await post(url, {
      id: '42',
      parameters: { priority: 1 },
      inputs,
      outputs: [{ name: 'probability' }],
    });
    expect(reply).toMatchObject({
      status: 200,
      body: {
        model_name: 'churn-live',
        model_version: '2',
        id: '42',
        outputs: [{ name: 'probability', datatype: 'FP32', shape: [2], data: [0.75, 0.5] }],
      },
    });
  });

  it('loads a version that is asked for by number', async () => {
    const reply = await post(`${server.address}/v2/models/churn/versions/1/infer`, { inputs });
    expect(reply.body).toMatchObject({ model_version: '1', outputs: [{ data: [0.5, 0.25] }] });
    expect(await get(`${server.address}/v2/models/churn/versions/9/ready`)).toMatchObject({ status: 404 });
  });

  it('answers no rows with tensors of no rows', async () => {
    const none = inputs.map((input) => ({ ...input, shape: [0], data: [] }));
    expect((await post(url, { inputs: none })).body).toMatchObject({ outputs: [{ shape: [0], data: [] }] });
  });

  it('takes and gives tensors as bytes', async () => {
    const { body, headers } = binaryBody(
      { id: 'b', inputs: binaryInputs(), parameters: { binary_data_output: true } },
      Object.values(blobs),
    );
    const response = await fetch(url, { method: 'POST', headers, body: body as unknown as string });
    expect(response.status).toBe(200);
    const bytes = Buffer.from(await response.arrayBuffer());
    const length = Number(response.headers.get('inference-header-content-length'));
    expect(JSON.parse(bytes.subarray(0, length).toString())).toEqual({
      model_name: 'churn-live',
      model_version: '2',
      id: 'b',
      outputs: [{ name: 'probability', datatype: 'FP32', shape: [2], parameters: { binary_data_size: 8 } }],
    });
    expect(bytes.subarray(length)).toEqual(Buffer.from(Float32Array.of(0.75, 0.5).buffer));
  });

  it.each([
    ['another datatype', withInput('age', { datatype: 'FP32' }), 'inputs[0].datatype: expected FP64; received FP32.'],
    [
      'another datatype',
      withInput('age', { datatype: 7 }),
      'inputs[0].datatype: expected FP64; received another value.',
    ],
    [
      'ragged rows',
      withInput('events', { shape: [3], data: [1, 2, 3] }),
      'inputs[1].shape: expected the rows of the other inputs, 2; received 3.',
    ],
    [
      'ragged data',
      withInput('events', { data: [1] }),
      'inputs[1].data: expected 2 values, as its shape says; received 1.',
    ],
    [
      'data nested deeper than the shape',
      withInput('events', { data: [[1], 2] }),
      'inputs[1].data[0].events: expected an integer from -9223372036854775808 to 9223372036854775807 (as a string beyond 2^53); received an array.',
    ],
    [
      'three axes',
      withInput('plan', { shape: [2, 1, 1] }),
      'inputs[2].shape: expected the shape [rows]; received one of 3 axes.',
    ],
    [
      'a product that overflows',
      withInput('plan', { shape: [2 ** 40, 2 ** 40] }),
      'inputs[2].shape: expected the shape [rows]; received one of 2 axes.',
    ],
    [
      'a negative size',
      withInput('plan', { shape: [-1] }),
      'inputs[2].shape: expected the shape [rows]; received one of 1 axes.',
    ],
    [
      'a null where none may be',
      withInput('active', { data: [true, null] }),
      'inputs[3].data[1].active: expected true or false; received null.',
    ],
    [
      'an unknown input',
      { inputs: [...inputs, { name: 'agee' }] },
      'inputs[4].name: expected an input of the model; received an unknown name. Did you mean "age"?',
    ],
    [
      'an input twice',
      { inputs: [...inputs, inputs[0]] },
      'inputs[4].name: expected each input once; received one a second time.',
    ],
    ['a missing input', { inputs: inputs.slice(1) }, 'inputs: expected a tensor named "age" of FP64; received none.'],
    [
      'an unknown output',
      { inputs, outputs: [{ name: 'probabilty' }] },
      'outputs[0].name: expected an output of the model; received an unknown name. Did you mean "probability"?',
    ],
    ['an id that is no string', { id: 3, inputs }, 'id: expected a string; received a number.'],
    ['no object', [], 'body: expected an object with "inputs"; received something else.'],
  ])('refuses %s with the path of the problem', async (_title, body, error) => {
    const reply = await post(url, body);
    expect(reply).toMatchObject({ status: 400, body: { error, code: 'REQUEST_INVALID' } });
  });

  it('refuses a shape of too many rows before it makes anything for them', async () => {
    expect(await post(url, withInput('age', { shape: [2 ** 50], data: [] }))).toMatchObject({
      status: 413,
      body: {
        error:
          'inputs[0].shape: expected at most 1000 rows; received 1125899906842624. Send fewer rows at a time, or score a dataset with predict.',
      },
    });
  });

  it.each([
    [
      'a tensor of another length',
      { age: 8 },
      [blobs.age.subarray(0, 8), blobs.events, blobs.plan, blobs.active],
      'inputs[0]: expected 16 bytes; received 8.',
    ],
    [
      'fewer bytes than announced',
      { active: 3 },
      Object.values(blobs),
      'inputs[3].parameters.binary_data_size: expected an integer from 0 to the 2 bytes left; received another value.',
    ],
    [
      'bytes that are left over',
      {},
      [...Object.values(blobs), Uint8Array.of(1, 2, 3)],
      'body: expected no bytes after the tensors; received 3 more.',
    ],
    [
      'a string whose length lies',
      {},
      [blobs.age, blobs.events, Uint8Array.of(255, 255, 255, 255, 0x70, 0x72, 0x6f, 0, 0, 0, 0), blobs.active],
      'inputs[2]: expected 2 elements, each after its length; received bytes that end within element 0.',
    ],
    [
      'a bool that is neither 0 nor 1',
      {},
      [blobs.age, blobs.events, blobs.plan, Uint8Array.of(1, 7)],
      'inputs[3].data[1].active: expected true or false; received a number.',
    ],
    [
      'infinity',
      {},
      [new Uint8Array(Float64Array.of(30, Number.POSITIVE_INFINITY).buffer), blobs.events, blobs.plan, blobs.active],
      'inputs[0].data[1].age: expected an integer from -2147483648 to 2147483647, or null; received infinity.',
    ],
  ])('refuses binary tensors with %s', async (_title, sizes, parts, error) => {
    const { body, headers } = binaryBody({ inputs: binaryInputs(sizes) }, parts);
    expect(await post(url, body, headers)).toMatchObject({ status: 400, body: { error } });
  });

  it('refuses a header length beyond the body', async () => {
    const reply = await post(url, { inputs }, { 'inference-header-content-length': '100000' });
    expect(reply.body).toMatchObject({
      error: expect.stringMatching(
        /^Inference-Header-Content-Length: expected a length of at most the body's \d+ bytes; received another value\.$/,
      ) as unknown,
    });
  });
});
