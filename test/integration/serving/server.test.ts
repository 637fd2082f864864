import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningServer, startServer } from '../../../serving/server.js';
import { churnModel, churnSignature, get, openWorld, post, releaseChurn, type World, writeBundle } from './world.js';

const row = { age: 30, events: 256, plan: 'pro', active: true };

describe('startServer', () => {
  let world: World;
  let server: RunningServer;
  let lines: string[];

  beforeAll(async () => {
    world = await openWorld();
    await releaseChurn(world, 0.25);
    await world.bind('churn-live', 'churn');
    await world.register('nothing-yet', (await writeBundle(world.artifacts, churnModel(0.25), churnSignature)).digest);
    await world.bind('empty', 'nothing-yet');
    lines = [];
    server = await startServer({ ...world.sources, port: 0, models: { pollMs: 20 }, log: (line) => lines.push(line) });
  });

  afterAll(async () => {
    await server?.close();
    await world?.[Symbol.asyncDispose]();
  });

  it('answers rows of named features with probability and class', async () => {
    const reply = await post(`${server.address}/endpoints/churn-live/predict`, {
      rows: [row, { ...row, age: null, plan: null, events: 0 }],
    });
    expect(reply).toMatchObject({
      status: 200,
      body: {
        model: 'churn',
        version: 1,
        predictions: [
          { probability: 0.5, class: 'true' },
          { probability: 0.25, class: 'false' },
        ],
      },
    });
  });

  it('answers no rows with no predictions', async () => {
    const reply = await post(`${server.address}/endpoints/churn-live/predict`, { rows: [] });
    expect(reply.body).toEqual({ model: 'churn', version: 1, predictions: [] });
  });

  it('lists endpoints, and says why one has no version', async () => {
    const { body } = await get(`${server.address}/endpoints`);
    const bundle = (await world.registry.version('churn', '1')).bundle;
    expect(body).toEqual({
      endpoints: [
        { endpoint: 'churn-live', model: 'churn', alias: 'champion', version: 1, bundle, problem: null },
        {
          endpoint: 'empty',
          model: 'nothing-yet',
          alias: 'champion',
          version: null,
          bundle: null,
          problem: 'nothing-yet has no champion',
        },
      ],
    });
    expect((await get(`${server.address}/endpoints/churn-live`)).body).toMatchObject({
      task: 'binary',
      inputs: churnSignature.inputs,
      classes: ['false', 'true'],
      threshold: 0.5,
      place: 'process',
    });
  });

  it('answers 503 in JSON where an alias names no version', async () => {
    expect(await post(`${server.address}/endpoints/empty/predict`, { rows: [row] })).toMatchObject({
      status: 503,
      body: {
        code: 'ENDPOINT_UNAVAILABLE',
        error:
          'endpoints.empty: expected a version that its alias champion names and that loads; received nothing-yet has no champion. Promote a version.',
      },
    });
  });

  it('names the nearest endpoint and the nearest model for unknown ones', async () => {
    expect(await post(`${server.address}/endpoints/churn-lve/predict`, { rows: [] })).toMatchObject({
      status: 404,
      body: {
        error: 'endpoints: expected the name of an endpoint; received "churn-lve". Did you mean "churn-live"?',
      },
    });
    expect(await post(`${server.address}/v2/models/churm/infer`, { inputs: [] })).toMatchObject({
      status: 404,
      body: { error: 'models: expected the name of a model; received "churm". Did you mean "churn"?' },
    });
    expect((await get(`${server.address}/v3`)).status).toBe(404);
  });

  it('reports every problem of the rows at once', async () => {
    const reply = await post(`${server.address}/endpoints/churn-live/predict`, {
      rows: [row, { ...row, age: 1.5, plan: 3 }, { events: 1, active: true, plan: '', aeg: 3 }],
    });
    expect(reply.status).toBe(400);
    expect((reply.body as { error: string }).error.split('\n')).toEqual([
      'rows[1].age: expected an integer from -2147483648 to 2147483647, or null; received a fraction.',
      'rows[1].plan: expected a string without NUL characters, or null; received a number.',
      'rows[2].age: expected an integer from -2147483648 to 2147483647, or null; received nothing.',
      'rows[2].aeg: expected a feature of the model; received an unknown name. Did you mean "age"?',
    ]);
  });

  it('refuses what is no JSON and what is no list of rows', async () => {
    const url = `${server.address}/endpoints/churn-live/predict`;
    expect((await post(url, '{"rows": [{"age": NaN}]}')).body).toEqual({
      code: 'REQUEST_INVALID',
      error:
        'body: expected JSON; received text that is none. NaN and Infinity are not JSON: send null for a missing value.',
    });
    expect((await post(url, '')).body).toMatchObject({
      error: 'body: expected JSON; received nothing. NaN and Infinity are not JSON: send null for a missing value.',
    });
    expect((await post(url, Uint8Array.of(0x22, 0xff, 0x22))).body).toMatchObject({
      error: 'body: expected text in UTF-8; received other bytes.',
    });
    for (const body of [[], {}, null, { rows: [], more: 1 }, '3']) {
      expect(await post(url, body)).toMatchObject({
        status: 400,
        body: {
          error:
            'body: expected an object with the one key "rows"; received something else. Send {"rows": [{"<feature>": <value>, …}, …]}.',
        },
      });
    }
  });

  it('refuses bodies and row counts beyond the limits with 413', async () => {
    const small = await startServer({ ...world.sources, port: 0, limits: { maxBodyBytes: 1000, maxRows: 3 } });
    try {
      const url = `${small.address}/endpoints/churn-live/predict`;
      expect(await post(url, 'x'.repeat(1001))).toMatchObject({
        status: 413,
        body: { error: 'body: expected at most 1000 bytes; received more. Send fewer rows at a time.' },
      });
      expect(await post(url, { rows: [row, row, row, row] })).toMatchObject({
        status: 413,
        body: {
          error:
            'rows: expected at most 3 rows; received 4. Send fewer rows at a time, or score a dataset with predict.',
        },
      });
      expect((await post(url, { rows: [row, row, row] })).status).toBe(200);
    } finally {
      await small.close();
    }
  });

  it('says which port is in use and how to choose another', async () => {
    await expect(startServer({ ...world.sources, port: server.port })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: `serve.port: expected a free port; received ${server.port} on 127.0.0.1, which another process holds. Choose another with --port, or --port 0 for any free one.`,
    });
  });

  it('names unknown options together with the nearest known ones', async () => {
    const options = { ...world.sources, port: 0, limits: { maxBodyByte: 1 }, modles: {} } as unknown as Parameters<
      typeof startServer
    >[0];
    await expect(startServer(options)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('follows a promotion, a rollback and an alias that is taken away', async () => {
    await world.register('moving', (await writeBundle(world.artifacts, churnModel(0.125), churnSignature)).digest);
    await world.register('moving', (await writeBundle(world.artifacts, churnModel(0.75), churnSignature)).digest);
    await world.promote('moving', 1);
    await world.bind('moving', 'moving');
    const ask = async () => post(`${server.address}/endpoints/moving/predict`, { rows: [{ ...row, events: 0 }] });
    await server.refresh();
    expect((await ask()).body).toMatchObject({ version: 1, predictions: [{ probability: 0.125 }] });
    await world.promote('moving', 2);
    await server.refresh();
    expect((await ask()).body).toMatchObject({ version: 2, predictions: [{ probability: 0.75 }] });
    const decision = { actor: 'user:test', reason: 'worse', evidence: null };
    await world.registry.rollback('moving', 'champion', decision);
    await server.refresh();
    expect((await ask()).body).toMatchObject({ version: 1 });
    expect(await get(`${server.address}/v2/models/moving/versions/2/ready`)).toMatchObject({
      status: 410,
      body: { code: 'GATE_VERSION_REVOKED' },
    });
    await world.registry.rollback('moving', 'champion', decision);
    await server.refresh();
    expect((await ask()).status).toBe(503);
  });

  it('answers no request for a version that was rejected, though it is loaded', async () => {
    await world.register('rejected', (await writeBundle(world.artifacts, churnModel(0.25), churnSignature)).digest);
    await server.refresh();
    const ready = async () => (await get(`${server.address}/v2/models/rejected/versions/1/ready`)).status;
    expect(await ready()).toBe(200);
    const decision = { actor: 'user:test', reason: 'biased', evidence: null };
    await world.registry.reject('rejected', 1, decision);
    await server.refresh();
    expect(await ready()).toBe(410);
    await world.registry.readmit('rejected', 1, decision);
    await server.refresh();
    expect(await ready()).toBe(200);
  });

  it('keeps the old version where the new one does not load', async () => {
    await world.register('fragile', (await writeBundle(world.artifacts, churnModel(0.5), churnSignature)).digest);
    await world.promote('fragile', 1);
    await world.bind('fragile', 'fragile');
    await server.refresh();
    const broken = await writeBundle(world.artifacts, new TextEncoder().encode('no model'), churnSignature);
    await world.promote('fragile', (await world.register('fragile', broken.digest)).version);
    await server.refresh();
    const { body } = await get(`${server.address}/endpoints/fragile`);
    expect(body).toMatchObject({ version: 1 });
    expect((body as { problem: string }).problem).toMatch(/onnx/i);
    expect((await post(`${server.address}/endpoints/fragile/predict`, { rows: [row] })).status).toBe(200);
  });

  it('refuses a model whose inputs are not those of its signature', async () => {
    const other = { ...churnSignature, inputs: churnSignature.inputs.slice(1) };
    const { digest } = await writeBundle(world.artifacts, churnModel(0.5), other);
    await world.register('misfit', digest);
    await world.promote('misfit', 1);
    expect(await get(`${server.address}/v2/models/misfit`)).toMatchObject({
      status: 500,
      body: {
        code: 'ARTIFACT_CORRUPT',
        error: `artifact ${digest.slice(0, 12)}/model.onnx: expected the inputs and outputs of its signature (active bool, events int64, plan string); received active bool, age float64, events int64, plan string. Export the model again.`,
      },
    });
  });

  it('releases its port and every model when it closes', async () => {
    const short = await startServer({ ...world.sources, port: 0 });
    await short.close();
    await short.close();
    const probe = createServer();
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject);
      probe.listen(short.port, '127.0.0.1', resolve);
    });
    await new Promise((resolve) => probe.close(resolve));
  });
});
