import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPostgresMetadataStore } from '../../../../connectors/metadata-store/postgres-metadata-store.js';
import type { MetadataStore } from '../../../../pipelines/contracts/metadata.js';
import { newRun, stageOf } from '../../../conformance/stores/metadata-suite.js';
import { addVersion } from '../../../conformance/stores/registry-suite.js';
import { startPostgres, type TestPostgres } from '../../../support/postgres.js';
import { seededRandom } from '../../../support/random.js';

const moments = process.env.MILLRACE_LONG === '1' ? 30 : 4;
let server: TestPostgres;

beforeAll(async () => {
  server = await startPostgres();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** Moves an alias to and fro, and writes runs with a line each, until `isOver`. @returns what was confirmed. */
async function write(
  store: MetadataStore,
  alias: string,
  isOver: () => boolean,
): Promise<{ runs: string[]; moves: number }> {
  const runs: string[] = [];
  let moves = 0;
  const decision = { actor: 'user:ada', reason: 'to and fro', evidence: null };
  while (!isOver()) {
    const run = newRun();
    const expected = moves === 0 ? null : 1 + ((moves - 1) % 2);
    const [created] = await Promise.all([
      store.createRun(run),
      store.putStage(stageOf(run.id, 'rows')),
      // Without an act's key: were it done twice, the second one would be refused.
      store.registry.moveAliases(null, [{ model: 'm', alias, expected, version: 1 + (moves % 2) }], decision),
    ]);
    runs.push(created.id);
    moves += 1;
  }
  return { runs, moves };
}

test(`a server killed at ${moments} seeded moments is waited for, and every write is done once`, async () => {
  const seed = 20261124;
  const next = seededRandom(seed);
  const url = await server.createDatabase();
  const open = () => openPostgresMetadataStore({ url, namespace: 'default', busyTimeoutMs: 60_000 });
  const stores = await Promise.all([open(), open(), open()]);
  await addVersion(stores[0]!.registry, 'm');
  await addVersion(stores[0]!.registry, 'm');
  let isOver = false;
  const writers = Promise.all(stores.map((store, index) => write(store, `alias-${index}`, () => isOver)));
  for (let moment = 0; moment < moments; moment++) {
    await sleep(20 + next() * 300);
    await server.kill();
    await server.start();
  }
  await sleep(100);
  isOver = true;
  const written = await writers;
  const [store] = stores;
  const label = `seed ${seed}`;
  const runs = await store!.runs({ limit: 1_000_000 });
  expect(runs.map(({ id }) => id).sort(), label).toEqual(written.flatMap((one) => one.runs).sort());
  expect(runs.map(({ sequence }) => sequence).reverse()).toEqual(runs.map((_, index) => index + 1));
  for (const { id } of runs.slice(0, 50)) expect(await store!.stages(id)).toHaveLength(1);
  const history = await store!.registry.history('m');
  for (const [index, { moves }] of written.entries()) {
    const ofAlias = history.filter(({ alias }) => alias === `alias-${index}`);
    expect(
      ofAlias.map(({ kind }) => kind),
      label,
    ).toEqual(Array.from({ length: moves }, () => 'promote'));
  }
  expect(await store!.registry.verifyHistory()).toBeNull();
  expect(await store!.registry.revision()).toBe(written.reduce((sum, { moves }) => sum + moves, 0));
  for (const one of stores) await one[Symbol.asyncDispose]();
});

/** A wire to the server that is cut once at a COMMIT: before the server hears it, or before its answer is heard. */
async function cutWire(port: number, when: 'before' | 'after'): Promise<Server & { cuts: number }> {
  const wire = Object.assign(
    createServer((client: Socket) => {
      const upstream = connect(port, '127.0.0.1');
      let isDeaf = false;
      const end = (): void => {
        client.destroy();
        upstream.destroy();
      };
      for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
      client.on('data', (chunk) => {
        if (wire.cuts === 0 && chunk.includes('COMMIT\0')) {
          wire.cuts += 1;
          if (when === 'before') {
            end();
            return;
          }
          isDeaf = true;
        }
        upstream.write(chunk);
      });
      upstream.on('data', (chunk) => {
        if (isDeaf) end();
        else client.write(chunk);
      });
    }),
    { cuts: 0 },
  );
  await new Promise<void>((resolve) => wire.listen(0, '127.0.0.1', resolve));
  return wire;
}

for (const when of ['before', 'after'] as const) {
  test(`a commit whose connection is cut ${when} the server does it is done once`, async () => {
    const url = new URL(await server.createDatabase());
    {
      await using store = await openPostgresMetadataStore({ url: url.href, namespace: 'default' });
      await addVersion(store.registry, 'm');
    }
    const wire = await cutWire(server.port, when);
    url.port = String((wire.address() as { port: number }).port);
    await using store = await openPostgresMetadataStore({ url: url.href, namespace: 'default' });
    const move = { model: 'm', alias: 'champion', expected: null, version: 1 };
    const decision = { actor: 'user:ada', reason: 'better', evidence: null };
    expect(await store.registry.moveAliases(null, [move], decision)).toEqual({ moved: [move] });
    expect(wire.cuts).toBe(1);
    const kinds = (await store.registry.history('m')).map(({ kind }) => kind);
    expect(kinds).toEqual(['register', 'gate', 'promote']);
    wire.close();
  });
}
