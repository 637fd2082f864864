import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningServer, startServer } from '../../../serving/server.js';
import { closedLoop, httpRequest, type LoopResult } from '../../bench/serving-closed-loop.js';
import { churnModel, churnSignature, get, openWorld, releaseChurn, type World, writeBundle } from './world.js';

const CONNECTIONS = 16;
/** The probability of version v is v / 64, so that an answer tells which model computed it. */
const baseOf = (version: number): number => version / 64;

interface Answered {
  readonly version: number;
  readonly sentAt: number;
}

/** Load on /endpoints/churn until `over`; every answer must be 200 and computed by the version that it names. */
function load(server: RunningServer, over: () => boolean, answered: Answered[]): Promise<LoopResult> {
  const request = httpRequest(
    'localhost',
    '/endpoints/churn/predict',
    JSON.stringify({ rows: [{ age: 1, events: 0, plan: 'x', active: false }] }),
  );
  return closedLoop({
    host: '127.0.0.1',
    port: server.port,
    connections: CONNECTIONS,
    request: () => request,
    check: ({ status, body }, _index, sentAt) => {
      const text = body.toString();
      if (status !== 200) throw new Error(`${status}: ${text}`);
      const { version, predictions } = JSON.parse(text) as { version: number; predictions: { probability: number }[] };
      if (predictions.length !== 1 || predictions[0]?.probability !== baseOf(version)) throw new Error(text);
      answered.push({ version, sentAt });
    },
    isOver: over,
  });
}

describe.each([
  ['in the process', {}],
  ['on a thread', { workerAboveBytes: 0 }],
])('swaps under load, %s', (_title, placement) => {
  let world: World;
  let server: RunningServer;

  beforeAll(async () => {
    world = await openWorld();
    await releaseChurn(world, baseOf(1));
    await world.bind('churn', 'churn');
    server = await startServer({ ...world.sources, port: 0, models: { pollMs: 10, ...placement } });
  });

  afterAll(async () => {
    await server?.close();
    await world?.[Symbol.asyncDispose]();
  });

  it('fails no request over ten promotions, and serves the new version alone once it took effect', async () => {
    let isOver = false;
    const answered: Answered[] = [];
    const effects: { version: number; at: number }[] = [];
    const running = load(server, () => isOver, answered);
    for (let version = 2; version <= 11; version++) {
      await releaseChurn(world, baseOf(version));
      await server.refresh();
      effects.push({ version, at: performance.now() });
      await delay(15);
    }
    isOver = true;
    const { broken } = await running;
    expect(broken).toBe(0);
    expect(new Set(answered.map((answer) => answer.version)).size).toBeGreaterThan(8);
    for (const { version, at } of effects) {
      expect(answered.filter((answer) => answer.sentAt > at && answer.version < version)).toEqual([]);
    }
  });

  it('sends no request to a version that was rolled back, and fails none', async () => {
    const champion = (await world.registry.alias('churn', 'champion'))?.version ?? 0;
    let isOver = false;
    const answered: Answered[] = [];
    const running = load(server, () => isOver, answered);
    await delay(50);
    await world.registry.rollback('churn', 'champion', { actor: 'user:test', reason: 'worse', evidence: null });
    await server.refresh();
    const at = performance.now();
    await delay(100);
    // A new candidate right after the rollback.
    const next = await releaseChurn(world, baseOf(champion + 1));
    await server.refresh();
    const later = performance.now();
    await delay(50);
    isOver = true;
    const { broken } = await running;
    expect(broken).toBe(0);
    expect(answered.filter((answer) => answer.sentAt > at && answer.version === champion)).toEqual([]);
    expect(answered.filter((answer) => answer.sentAt > later && answer.version !== next)).toEqual([]);
    expect(answered.some((answer) => answer.version === champion - 1)).toBe(true);
  });

  it('answers everything that was accepted when it stops under load', async () => {
    const short = await startServer({ ...world.sources, port: 0, models: placement });
    let isOver = false;
    const answered: Answered[] = [];
    const running = load(short, () => isOver, answered);
    await delay(150);
    const closing = short.close();
    isOver = true;
    await closing;
    expect((await running).broken).toBe(0);
    expect(answered.length).toBeGreaterThan(CONNECTIONS);
  });

  it('says where the model runs', async () => {
    const { body } = await get(`${server.address}/endpoints/churn`);
    expect(body).toMatchObject({ place: 'workerAboveBytes' in placement ? 'worker' : 'process' });
  });
});

describe('models that change together', () => {
  it('are served together: no request sees one new and then the other old', async () => {
    await using world = await openWorld();
    for (const model of ['left', 'right']) {
      await releaseChurn(world, baseOf(1), model);
      await world.register(model, (await writeBundle(world.artifacts, churnModel(baseOf(2)), churnSignature)).digest);
      await world.bind(model, model);
    }
    const server = await startServer({ ...world.sources, port: 0, models: { pollMs: 5 } });
    try {
      const seen: [number, number][] = [];
      const versionOf = async (name: string): Promise<number> =>
        ((await get(`${server.address}/endpoints/${name}`)).body as { version: number }).version;
      let isOver = false;
      const watching = (async () => {
        while (!isOver) seen.push([await versionOf('left'), await versionOf('right')]);
      })();
      const moves = ['left', 'right'].map((model) => ({ model, alias: 'champion', expected: 1, version: 2 }));
      await world.registry.moveAliases(null, moves, { actor: 'user:test', reason: 'a pair', evidence: null });
      await server.refresh();
      await delay(50);
      isOver = true;
      await watching;
      expect(seen.at(-1)).toEqual([2, 2]);
      // The second one is asked later, so only [new, old] would be a tear.
      expect(seen.filter(([left, right]) => left > right)).toEqual([]);
    } finally {
      await server.close();
    }
  });
});
