import { describe, expect, test } from 'vitest';
import type { Registry } from '../../../pipelines/contracts/registry.js';
import { digest, errorOf, type MetadataPlace } from './metadata-suite.js';

const person = (reason: string) => ({ actor: 'user:ada', reason, evidence: null });
const nameRule = "1 to 128 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit, without '..'";

let acts = 0;
const act = () => ({ run: `run-${acts++}`, stage: 'stage' });

/** Registers a new version and, unless told otherwise, lets it pass a gate. */
export async function addVersion(registry: Registry, model: string, gated = true): Promise<number> {
  const { version } = await registry.register(act(), { model, bundle: digest(), report: digest(), lineage: {} });
  if (gated) await passGate(registry, model, version.version, true);
  return version.version;
}

export async function passGate(registry: Registry, model: string, version: number, passed: boolean): Promise<void> {
  const key = act();
  await registry.recordGate(key, { ...key, model, version, passed, verdict: digest() });
}

export const promote = (registry: Registry, model: string, version: number, expected: number | null) =>
  registry.moveAliases(act(), [{ model, alias: 'champion', expected, version }], {
    actor: 'run:r/live',
    reason: 'gates passed',
    evidence: digest(),
  });

const championOf = async (registry: Registry, model: string): Promise<number | null> =>
  (await registry.alias(model, 'champion'))?.version ?? null;

/** What every registry does. */
export function registrySuite(name: string, place: () => Promise<MetadataPlace>): void {
  describe(`${name}: versions`, () => {
    test('an empty registry has no models, endpoints, history and revision', async () => {
      await using store = await (await place()).open('default');
      const { registry } = store;
      expect(await registry.models()).toEqual([]);
      expect(await registry.versions('churn')).toEqual([]);
      expect(await registry.alias('churn', 'champion')).toBeNull();
      expect(await registry.gateRecords('churn', 1)).toEqual([]);
      expect(await registry.endpoints()).toEqual([]);
      expect(await registry.history(null)).toEqual([]);
      expect(await registry.verifyHistory()).toBeNull();
      expect(await registry.revision()).toBe(0);
    });

    test('equal bytes are one version, which takes the newer report and every run', async () => {
      await using store = await (await place()).open('default');
      const { registry } = store;
      const bundle = digest();
      const reports = [digest(), digest()];
      const first = await registry.register(
        { run: 'r1', stage: 's' },
        { model: 'churn', bundle, report: reports[0]!, lineage: { data: ['d'] } },
      );
      expect(first).toMatchObject({
        created: true,
        version: {
          model: 'churn',
          version: 1,
          bundle,
          state: 'registered',
          report: reports[0],
          runs: ['r1'],
          lineage: { data: ['d'] },
          aliases: [],
        },
      });
      const again = await registry.register(
        { run: 'r2', stage: 's' },
        { model: 'churn', bundle, report: reports[1]!, lineage: {} },
      );
      expect(again).toMatchObject({ created: false, version: { version: 1, report: reports[1], runs: ['r1', 'r2'] } });
      const third = await registry.register(
        { run: 'r3', stage: 's' },
        { model: 'churn', bundle, report: null, lineage: {} },
      );
      expect(third.version).toMatchObject({ report: reports[1], runs: ['r1', 'r2', 'r3'] });
      expect(
        (await registry.register(act(), { model: 'churn', bundle: digest(), report: null, lineage: {} })).version
          .version,
      ).toBe(2);
      expect(await registry.models()).toEqual([{ model: 'churn', versions: 2, aliases: {} }]);
    });

    test('an act found again returns its outcome and changes nothing', async () => {
      await using store = await (await place()).open('default');
      const { registry } = store;
      const key = { run: 'r1', stage: 'version' };
      const candidate = { model: 'churn', bundle: digest(), report: null, lineage: {} };
      const first = await registry.register(key, candidate);
      expect(await registry.register(key, candidate)).toEqual(first);
      const gate = { run: 'r1', stage: 'passed', model: 'churn', version: 1, passed: true, verdict: digest() };
      for (let again = 0; again < 2; again++) await registry.recordGate({ run: 'r1', stage: 'passed' }, gate);
      expect(await registry.gateRecords('churn', 1)).toEqual([gate]);
      const moves = [{ model: 'churn', alias: 'champion', expected: null, version: 1 }];
      const moved = await registry.moveAliases({ run: 'r1', stage: 'live' }, moves, person('first'));
      expect(moved).toEqual({ moved: moves });
      await registry.moveAliases(null, [{ ...moves[0]!, expected: 1, version: null }], person('away'));
      expect(await registry.moveAliases({ run: 'r1', stage: 'live' }, moves, person('first'))).toEqual(moved);
      expect(await championOf(registry, 'churn')).toBeNull();
      const binding = { endpoint: 'churn', model: 'churn', alias: 'champion' };
      for (let again = 0; again < 2; again++) {
        expect(await registry.bindEndpoint({ run: 'r1', stage: 'endpoint' }, binding, person('on'))).toEqual({
          changed: true,
        });
      }
      expect((await registry.history('churn')).map(({ kind }) => kind)).toEqual([
        'register',
        'gate',
        'promote',
        'promote',
        'deploy',
      ]);
    });

    test('a version is found by number, alias and digest; what is not found names the nearest', async () => {
      await using store = await (await place()).open('default');
      const { registry } = store;
      await addVersion(registry, 'churn');
      const second = await addVersion(registry, 'churn');
      await promote(registry, 'churn', second, null);
      const found = await registry.version('churn', 'champion');
      expect(found).toMatchObject({ version: 2, aliases: ['champion'] });
      expect(await registry.version('churn', '2')).toEqual(found);
      expect(await registry.version('churn', found.bundle)).toEqual(found);
      for (const [model, selector, message] of [
        ['churm', '1', 'models.churm: expected a registered model; received "churm". The nearest name is \'churn\'.'],
        ['x', '1', 'models.x: expected a registered model; received "x". `millrace models list` shows all models.'],
        [
          'churn',
          '3',
          'models.churn: expected a version from 1 to 2; received 3. `millrace models show churn` lists them.',
        ],
        [
          'churn',
          'champoin',
          "models.churn: expected a version's number, alias or bundle digest; received \"champoin\". The nearest alias is 'champion'.",
        ],
        [
          'churn',
          "' OR 1=1 --",
          'models.churn: expected a version\'s number, alias or bundle digest; received "\' OR 1=1 --". `millrace models show churn` lists them.',
        ],
      ] as const) {
        expect(await errorOf(registry.version(model, selector))).toMatchObject({ code: 'MODEL_NOT_FOUND', message });
      }
    });

    test('hostile names of models, aliases and endpoints are refused with the rule', async () => {
      await using store = await (await place()).open('default');
      const { registry } = store;
      await addVersion(registry, 'churn');
      for (const bad of [
        '..',
        'a..b',
        '../../etc',
        '',
        'x\0',
        '/abs',
        'a\\b',
        '%2e',
        'a#b',
        '-rf',
        'x'.repeat(129),
        'x y',
        'x\n',
      ]) {
        const shown = JSON.stringify(bad.length > 60 ? `${bad.slice(0, 60)}…` : bad);
        const text = (path: string) => `${path}: expected ${nameRule}; received ${shown}. Choose another name.`;
        const refused = async (path: string, promise: Promise<unknown>) =>
          expect(await errorOf(promise)).toMatchObject({ code: 'NAME_INVALID', message: text(path) });
        await refused(
          'registry.register.model',
          registry.register(act(), { model: bad, bundle: digest(), report: null, lineage: {} }),
        );
        await refused('registry.model', registry.version(bad, '1'));
        await refused(
          'registry.moves.0.alias',
          registry.moveAliases(null, [{ model: 'churn', alias: bad, expected: null, version: 1 }], person('x')),
        );
        await refused(
          'registry.endpoint',
          registry.bindEndpoint(null, { endpoint: bad, model: 'churn', alias: 'champion' }, person('x')),
        );
      }
      for (const alias of ['12', digest()]) {
        const move = { model: 'churn', alias, expected: null, version: 1 };
        expect(await errorOf(registry.moveAliases(null, [move], person('x')))).toMatchObject({
          code: 'NAME_INVALID',
          message: `registry.moves.0.alias: expected an alias that is neither a number nor a digest; received ${JSON.stringify(alias.length > 60 ? `${alias.slice(0, 60)}…` : alias)}. Choose another name.`,
        });
      }
    });
  });

  describe(`${name}: aliases`, () => {
    test('move by compare-and-set, and the revision grows only with a move', async () => {
      await using store = await (await place()).open('default');
      const { registry } = store;
      const [first, second] = [await addVersion(registry, 'churn'), await addVersion(registry, 'churn')];
      await promote(registry, 'churn', first, null);
      expect(await registry.revision()).toBe(1);
      await promote(registry, 'churn', second, first);
      expect(await championOf(registry, 'churn')).toBe(second);
      expect(await errorOf(promote(registry, 'churn', first, first))).toMatchObject({
        code: 'REGISTRY_CONFLICT',
        message:
          'models.churn@champion: expected version 1 at the time of the move; received version 2. Judge the candidate against the present version and move again.',
        details: { model: 'churn', alias: 'champion', expected: 1, current: 2 },
      });
      expect(await promote(registry, 'churn', second, second)).toEqual({ moved: [] });
      expect(await championOf(registry, 'churn')).toBe(second);
      expect(await registry.revision()).toBe(2);
      expect((await registry.history('churn')).at(-1)).toMatchObject({
        kind: 'refused',
        version: 1,
        alias: 'champion',
        decision: { reason: 'REGISTRY_CONFLICT: gates passed' },
      });
    });

    test('of several models move together or not at all', async () => {
      await using store = await (await place()).open('default');
      const { registry } = store;
      await addVersion(registry, 'user');
      await addVersion(registry, 'item');
      const moves = [
        { model: 'user', alias: 'champion', expected: null, version: 1 },
        { model: 'item', alias: 'champion', expected: 1, version: 1 },
      ];
      expect(await errorOf(registry.moveAliases(null, moves, person('both')))).toMatchObject({
        code: 'REGISTRY_CONFLICT',
      });
      expect(await championOf(registry, 'user')).toBeNull();
      await registry.moveAliases(null, [moves[0]!, { ...moves[1]!, expected: null }], person('both'));
      expect(await championOf(registry, 'user')).toBe(1);
      expect(await championOf(registry, 'item')).toBe(1);
      expect(await registry.moveAliases(null, [], person('none'))).toEqual({ moved: [] });
      const twice = [moves[0]!, moves[0]!];
      expect(await errorOf(registry.moveAliases(null, twice, person('twice')))).toMatchObject({
        code: 'CONFIG_INVALID',
        message: "registry.moves.1: expected each alias once; received 'user@champion' again.",
      });
    });

    test('take no version that is unknown, ungated, failed its gate, rejected or rolled back', async () => {
      await using store = await (await place()).open('default');
      const { registry } = store;
      const version = await addVersion(registry, 'churn', false);
      expect(await errorOf(promote(registry, 'churn', 9, null))).toMatchObject({ code: 'MODEL_NOT_FOUND' });
      const gateText =
        'models.churn.1: expected a version with a passing gate record; received a version without one. Run a pipeline that gates this version.';
      expect(await errorOf(promote(registry, 'churn', version, null))).toMatchObject({
        code: 'GATE_REQUIRED',
        message: gateText,
      });
      await passGate(registry, 'churn', version, false);
      expect(await errorOf(promote(registry, 'churn', version, null))).toMatchObject({
        code: 'GATE_REQUIRED',
        message: gateText,
      });
      expect(await errorOf(registry.readmit('churn', version, person('x')))).toMatchObject({
        code: 'GATE_REQUIRED',
        message: gateText,
      });
      await passGate(registry, 'churn', version, true);
      await registry.reject('churn', version, person('biased'));
      const revoked = (how: string) => ({
        code: 'GATE_VERSION_REVOKED',
        message: `models.churn.1: expected a version that nobody rejected or rolled back; received one that was ${how}. \`millrace models promote churn 1 --reason TEXT\` admits it again.`,
      });
      expect(await errorOf(promote(registry, 'churn', version, null))).toMatchObject(revoked('rejected'));
      await registry.readmit('churn', version, person('was fine'));
      await promote(registry, 'churn', version, null);
      await registry.rollback('churn', 'champion', person('slow'));
      expect(await errorOf(promote(registry, 'churn', version, null))).toMatchObject(revoked('rolled back'));
      expect((await registry.history('churn')).map(({ kind }) => kind)).toEqual([
        'register',
        'refused',
        'gate',
        'refused',
        'gate',
        'reject',
        'refused',
        'readmit',
        'promote',
        'rollback',
        'refused',
      ]);
    });

    test('rejecting what an alias names is refused, and rejecting twice is one decision', async () => {
      await using store = await (await place()).open('default');
      const { registry } = store;
      const first = await addVersion(registry, 'churn');
      await promote(registry, 'churn', first, null);
      expect(await errorOf(registry.reject('churn', first, person('x')))).toMatchObject({
        code: 'REGISTRY_CONFLICT',
        message:
          'models.churn.1: expected a version that no alias names; received the champion. `millrace models rollback churn` takes it out of service first.',
      });
      const second = await addVersion(registry, 'churn');
      const revision = await registry.revision();
      await registry.reject('churn', second, person('x'));
      await registry.reject('churn', second, person('x'));
      await registry.readmit('churn', first, person('nothing to do'));
      expect(await registry.revision(), 'followers hear of a rejection').toBe(revision + 1);
      const kinds = (await registry.history('churn')).map(({ kind }) => kind);
      expect(kinds.filter((kind) => kind === 'reject' || kind === 'readmit')).toEqual(['reject']);
    });

    test('roll back step by step to what was there before, past revoked versions, at last to none', async () => {
      await using store = await (await place()).open('default');
      const { registry } = store;
      let current: number | null = null;
      for (let index = 0; index < 4; index++) {
        const version = await addVersion(registry, 'churn');
        await promote(registry, 'churn', version, current);
        current = version;
      }
      await registry.reject('churn', 2, person('old and bad'));
      const rollback = () => registry.rollback('churn', 'champion', person('back'));
      expect(await rollback()).toEqual({ from: 4, to: 3 });
      expect(await rollback()).toEqual({ from: 3, to: 1 });
      expect(await rollback()).toEqual({ from: 1, to: null });
      expect(await championOf(registry, 'churn')).toBeNull();
      expect((await registry.versions('churn')).map(({ state }) => state)).toEqual([
        'rolledBack',
        'rejected',
        'rolledBack',
        'rolledBack',
      ]);
      expect(await errorOf(rollback())).toMatchObject({
        code: 'MODEL_NOT_FOUND',
        message:
          'models.churn@champion: expected an alias that names a version; received none. `millrace models show churn` lists the aliases.',
      });
      const revision = await registry.revision();
      await registry.readmit('churn', 3, person('fixed'));
      expect(await registry.revision()).toBe(revision + 1);
      await promote(registry, 'churn', 3, null);
      expect(await championOf(registry, 'churn')).toBe(3);
    });

    test('50 promotions race: one wins, the others get a conflict, all are in the history', async () => {
      const shared = await place();
      const stores = await Promise.all(Array.from({ length: 5 }, () => shared.open('default')));
      const { registry } = stores[0]!;
      const first = await addVersion(registry, 'churn');
      await promote(registry, 'churn', first, null);
      const candidates: number[] = [];
      for (let index = 0; index < 50; index++) candidates.push(await addVersion(registry, 'churn'));
      const before = (await registry.history(null)).length;
      const results = await Promise.allSettled(
        candidates.map((version, index) => promote(stores[index % 5]!.registry, 'churn', version, first)),
      );
      const winners = candidates.filter((_, index) => results[index]?.status === 'fulfilled');
      expect(winners).toEqual([await championOf(registry, 'churn')]);
      const codes = results.flatMap((result) =>
        result.status === 'rejected' ? [(result.reason as { code: string }).code] : [],
      );
      expect(codes).toEqual(Array.from({ length: 49 }, () => 'REGISTRY_CONFLICT'));
      const added = (await registry.history(null)).slice(before);
      expect(added.map(({ version }) => version).sort((a, b) => a! - b!)).toEqual(candidates);
      expect(added.filter(({ kind }) => kind === 'promote')).toHaveLength(1);
      expect(await registry.verifyHistory()).toBeNull();
      for (const store of stores) await store[Symbol.asyncDispose]();
    });
  });

  describe(`${name}: endpoints and history`, () => {
    test('an endpoint is bound to an alias of a known model, and binding it again changes nothing', async () => {
      await using store = await (await place()).open('default');
      const { registry } = store;
      const binding = { endpoint: 'churn', model: 'churn', alias: 'champion' };
      expect(await errorOf(registry.bindEndpoint(null, binding, person('x')))).toMatchObject({
        code: 'MODEL_NOT_FOUND',
      });
      await addVersion(registry, 'churn');
      await addVersion(registry, 'churn2');
      expect(await registry.bindEndpoint(act(), binding, person('on'))).toEqual({ changed: true });
      expect(await registry.bindEndpoint(act(), binding, person('on'))).toEqual({ changed: false });
      expect(await registry.revision()).toBe(1);
      expect(await registry.bindEndpoint(null, { ...binding, model: 'churn2' }, person('other'))).toEqual({
        changed: true,
      });
      expect(await registry.endpoints()).toEqual([{ endpoint: 'churn', model: 'churn2', alias: 'champion' }]);
      expect((await registry.history('churn2')).at(-1)).toMatchObject({
        kind: 'deploy',
        endpoint: 'churn',
        alias: 'champion',
        version: null,
      });
    });

    test('the history is a chain over all models, in order, with who and why', async () => {
      await using store = await (await place()).open('default');
      const { registry } = store;
      await addVersion(registry, 'a');
      await addVersion(registry, 'b');
      await registry.moveAliases(
        null,
        [{ model: 'a', alias: 'champion', expected: null, version: 1 }],
        person("it's “good”\n"),
      );
      const history = await registry.history(null);
      expect(history.map(({ sequence, model, kind }) => [sequence, model, kind])).toEqual([
        [1, 'a', 'register'],
        [2, 'a', 'gate'],
        [3, 'b', 'register'],
        [4, 'b', 'gate'],
        [5, 'a', 'promote'],
      ]);
      expect(history.map(({ previousDigest }) => previousDigest)).toEqual([
        null,
        ...history.slice(0, 4).map((entry) => entry.digest),
      ]);
      expect(history[4]).toMatchObject({
        decision: person("it's “good”\n"),
        version: 1,
        fromVersion: null,
        alias: 'champion',
      });
      expect(await registry.history('b')).toEqual(history.slice(2, 4));
      expect(await registry.verifyHistory()).toBeNull();
    });
  });
}
