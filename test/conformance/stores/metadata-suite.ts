import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { MillraceError } from '../../../pipelines/contracts/errors.js';
import type { MetadataStore, StageRecord } from '../../../pipelines/contracts/metadata.js';

/** A place that several stores are opened on, as several processes would. */
export interface MetadataPlace {
  open(namespace: string): Promise<MetadataStore>;
}

export const digest = (): string => randomBytes(32).toString('hex');

let made = 0;
export const newRun = (pipeline = 'churn') =>
  ({
    id: `0199${(made++).toString(16).padStart(4, '0')}-0000-7000-8000-${randomBytes(6).toString('hex')}`,
    pipeline,
    plan: digest(),
    bundle: null,
    params: { asOf: '2026-01-01' },
    root: '/project',
    parent: null,
    options: { cache: true },
  }) as const;

export const stageOf = (run: string, stage: string, fields: Partial<StageRecord> = {}): StageRecord => ({
  run,
  stage,
  operator: 'sql',
  status: 'succeeded',
  attempt: 1,
  key: digest(),
  keyParts: { operator: 'sql', options: 'd1' },
  reason: { hit: false, changed: [{ part: 'options', before: null, after: 'd1' }], note: null },
  outputs: [{ name: 'dataset', digest: digest() }],
  summary: { rows: 3 },
  startedAt: '2026-01-01T00:00:00.000Z',
  durationMs: 12.5,
  error: null,
  ...fields,
});

/** Fails where the promise is kept; the error is for `toMatchObject` with code and full text. */
export async function errorOf(promise: Promise<unknown>): Promise<MillraceError> {
  try {
    await promise;
  } catch (error) {
    return error as MillraceError;
  }
  throw new Error('the promise was kept');
}

/** What every metadata store does. `place` makes an empty one for each test. */
export function metadataSuite(name: string, place: () => Promise<MetadataPlace>): void {
  describe(`${name}: runs`, () => {
    test('an empty store has no runs, stages, metrics, keys, memos and leases', async () => {
      await using store = await (await place()).open('default');
      expect(await store.runs({ limit: 10 })).toEqual([]);
      expect(await store.stages('none')).toEqual([]);
      expect(await store.metrics('none')).toEqual([]);
      expect(await store.cached('none')).toBeNull();
      expect(await store.memo('source', 'none')).toBeNull();
      expect(await store.leaseHolder('none')).toBeNull();
      expect(await store.lastStage('churn', 'rows', 'none')).toBeNull();
    });

    test('a run is found by id and by unique prefix, and its sequence grows', async () => {
      await using store = await (await place()).open('default');
      const first = newRun();
      const second = newRun();
      const created = await store.createRun(first);
      expect(created).toMatchObject({ ...first, status: 'running', sequence: 1, finishedAt: null, error: null });
      expect(Math.abs(Date.parse(created.createdAt) - Date.now())).toBeLessThan(60_000);
      expect((await store.createRun(second)).sequence).toBe(2);
      expect(await store.run(first.id)).toEqual(created);
      expect((await store.run(second.id.slice(0, 8))).id).toBe(second.id);
    });

    test('creating a run again returns the first record, and another plan under its id is refused', async () => {
      await using store = await (await place()).open('default');
      const run = newRun();
      const created = await store.createRun(run);
      expect(await store.createRun(run)).toEqual(created);
      expect(await errorOf(store.createRun({ ...run, plan: digest() }))).toMatchObject({
        code: 'INTERNAL',
        message: `run.${run.id}: expected an id that no other run has; received the id of a run of 'churn' with another plan.`,
      });
    });

    test('an unknown run, a shared prefix and an empty one are refused', async () => {
      await using store = await (await place()).open('default');
      await store.createRun(newRun());
      await store.createRun(newRun());
      const text = (id: string, received: string) =>
        `run ${JSON.stringify(id)}: expected a run's id or a unique prefix of it; received ${received}. \`millrace runs list\` shows all runs.`;
      for (const [id, received] of [
        ['ffff', 'no run of this id'],
        ['0199', 'a prefix that several runs share'],
        ['', 'an empty id'],
      ] as const) {
        expect(await errorOf(store.run(id))).toMatchObject({ code: 'RUN_NOT_FOUND', message: text(id, received) });
      }
      for (const name of ['%', "' OR 1=1 --", '..']) {
        expect(await errorOf(store.run(name))).toMatchObject({
          code: 'NAME_INVALID',
          message: `run: expected 1 to 128 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit, without '..'; received ${JSON.stringify(name)}. Choose another name.`,
        });
      }
      expect(await errorOf(store.setRunStatus('ffff', 'failed', null))).toMatchObject({
        code: 'RUN_NOT_FOUND',
        message: text('ffff', 'no run of this id'),
      });
    });

    test('runs are listed newest first, by pipeline and by parent', async () => {
      await using store = await (await place()).open('default');
      const runs = [newRun('a'), newRun('b'), newRun('a')];
      for (const run of runs) await store.createRun(run);
      const [first, second, third] = runs.map(({ id }) => id);
      const nested = { ...newRun('a'), parent: { run: first!, stage: 'tune' } };
      expect((await store.createRun(nested)).parent).toEqual({ run: first, stage: 'tune' });
      const ids = async (filter: Parameters<MetadataStore['runs']>[0]) =>
        (await store.runs(filter)).map(({ id }) => id);
      expect(await ids({ limit: 10 })).toEqual([nested.id, third, second, first]);
      expect(await ids({ limit: 1 })).toEqual([nested.id]);
      expect(await ids({ pipeline: 'a', limit: 10 })).toEqual([nested.id, third, first]);
      expect(await ids({ parent: first!, limit: 10 })).toEqual([nested.id]);
      expect(await ids({ parent: first!, pipeline: 'b', limit: 10 })).toEqual([]);
      expect(await ids({ limit: 0 })).toEqual([]);
    });

    test('a status that ends a run sets its end and error, and one that goes on takes the end back', async () => {
      await using store = await (await place()).open('default');
      const run = newRun();
      await store.createRun(run);
      const problem = {
        code: 'DISK_FULL',
        message: 'm',
        path: 'p',
        expected: 'e',
        received: 'r',
        hint: null,
        retryable: true,
        details: {},
        problems: [],
        stack: null,
      } as const;
      await store.setRunStatus(run.id, 'failed', problem);
      const failed = await store.run(run.id);
      expect(failed).toMatchObject({ status: 'failed', error: problem });
      expect(failed.finishedAt).not.toBeNull();
      await store.setRunStatus(run.id, 'waiting', null);
      expect(await store.run(run.id)).toMatchObject({ status: 'waiting', error: null, finishedAt: null });
    });

    test('hostile run ids and pipeline names are refused with the rule', async () => {
      await using store = await (await place()).open('default');
      for (const name of [
        '../x',
        'a..b',
        '',
        'x\0y',
        'a/b',
        'a\\b',
        '%2e%2e',
        '#',
        ' ',
        '-x',
        '.x',
        'x'.repeat(300),
        'é',
      ]) {
        for (const field of ['id', 'pipeline'] as const) {
          const shown = JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
          expect(await errorOf(store.createRun({ ...newRun(), [field]: name }))).toMatchObject({
            code: 'NAME_INVALID',
            message: `run.${field}: expected 1 to 128 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit, without '..'; received ${shown}. Choose another name.`,
          });
        }
      }
    });
  });

  describe(`${name}: stages`, () => {
    test('lines come back whole, in the order of their first writing', async () => {
      await using store = await (await place()).open('default');
      const run = newRun();
      await store.createRun(run);
      const lines = [
        stageOf(run.id, 'z'),
        stageOf(run.id, 'model/feed', { key: null, reason: null }),
        stageOf(run.id, 'a'),
      ];
      for (const line of lines) await store.putStage(line);
      await store.putStage({ ...lines[0]!, status: 'failed', attempt: 2 });
      expect(await store.stages(run.id)).toEqual([{ ...lines[0], status: 'failed', attempt: 2 }, lines[1], lines[2]]);
    });

    test('an older attempt changes nothing', async () => {
      await using store = await (await place()).open('default');
      const run = newRun();
      await store.createRun(run);
      const line = stageOf(run.id, 'rows', { attempt: 3 });
      await store.putStage(line);
      await store.putStage({ ...line, attempt: 2, status: 'failed' });
      expect(await store.stages(run.id)).toEqual([line]);
    });

    test('a line of an unknown run and a summary above 64 KiB are refused', async () => {
      await using store = await (await place()).open('default');
      const run = newRun();
      await store.createRun(run);
      expect(await errorOf(store.putStage(stageOf('ffff', 'rows')))).toMatchObject({
        code: 'RUN_NOT_FOUND',
        message: "rows.run: expected the id of a run in this store; received 'ffff'.",
      });
      expect(await errorOf(store.putStage(stageOf(run.id, 'rows', { summary: 'x'.repeat(65_535) })))).toMatchObject({
        code: 'INTERNAL',
        message:
          'rows.summary: expected at most 65536 bytes of JSON; received 65537 bytes. Put large results into an artifact.',
      });
      await store.putStage(stageOf(run.id, 'rows', { summary: 'x'.repeat(65_534) }));
    });

    test('the last line of a stage is the newest with a key in earlier runs of the pipeline', async () => {
      await using store = await (await place()).open('default');
      const runs = [newRun(), newRun(), newRun(), newRun()];
      for (const run of runs) await store.createRun(run);
      const [first, second, third, fourth] = runs.map(({ id }) => id);
      const line = stageOf(first!, 'rows');
      await store.putStage(line);
      await store.putStage(stageOf(second!, 'rows', { key: null }));
      await store.putStage(stageOf(fourth!, 'rows'));
      expect(await store.lastStage('churn', 'rows', third!)).toEqual(line);
      expect(await store.lastStage('churn', 'rows', first!)).toBeNull();
      expect(await store.lastStage('other', 'rows', third!)).toBeNull();
      expect((await store.lastStage('churn', 'rows', 'not-yet'))?.run).toBe(fourth);
    });

    test('metrics keep every number, NaN and infinity too, and the newest value of a name', async () => {
      await using store = await (await place()).open('default');
      await store.putMetrics('r', []);
      const points = [
        { stage: 'report', name: 'auc', value: 0.1 + 0.2 },
        { stage: 'report', name: 'loss', value: Number.NaN },
        { stage: 'report', name: 'max', value: Number.POSITIVE_INFINITY },
        { stage: 'report', name: 'zero', value: 0 },
      ];
      await store.putMetrics('r', points);
      await store.putMetrics('r', [{ stage: 'report', name: 'zero', value: -5e-324 }]);
      expect(await store.metrics('r')).toEqual([
        ...points.slice(0, 3),
        { stage: 'report', name: 'zero', value: -5e-324 },
      ]);
    });
  });

  describe(`${name}: keys and memos`, () => {
    test('a key keeps its first outputs', async () => {
      await using store = await (await place()).open('default');
      const first = { outputs: [{ name: 'dataset', digest: digest() }], summary: { rows: 1 } };
      const later = { outputs: [{ name: 'dataset', digest: digest() }], summary: { rows: 2 } };
      expect(await store.insertCached('k', first.outputs, first.summary)).toEqual({
        ...first,
        inserted: true,
        differs: false,
      });
      expect(await store.insertCached('k', later.outputs, later.summary)).toEqual({
        ...first,
        inserted: false,
        differs: true,
      });
      expect((await store.insertCached('k', first.outputs, first.summary)).differs).toBe(false);
      expect(await store.cached('k')).toEqual(first);
      await store.dropCached('k');
      expect(await store.cached('k')).toBeNull();
      expect((await store.insertCached('k', later.outputs, later.summary)).inserted).toBe(true);
    });

    test('memos are replaced, by scope and key, with any text in the value', async () => {
      await using store = await (await place()).open('default');
      await store.putMemo('source', '/data/größe ✓', { text: 'a\0b', list: [1, null] });
      await store.putMemo('bundle', '/data/größe ✓', 1);
      await store.putMemo('bundle', '/data/größe ✓', 2);
      expect(await store.memo('source', '/data/größe ✓')).toEqual({ text: 'a\0b', list: [1, null] });
      expect(await store.memo('bundle', '/data/größe ✓')).toBe(2);
      expect(await errorOf(store.putMemo('source', 'a\0b', 1))).toMatchObject({
        code: 'NAME_INVALID',
        message: 'metadata: expected text without NUL characters; received text that holds one. Choose another name.',
      });
    });

    test('what belongs to one namespace is not seen in another', async () => {
      const shared = await place();
      await using ours = await shared.open('ours');
      await using theirs = await shared.open('theirs');
      const run = newRun();
      await ours.createRun(run);
      await ours.putStage(stageOf(run.id, 'rows'));
      await ours.insertCached('k', [], {});
      await ours.putMemo('s', 'k', 1);
      await using lease = (await ours.acquireLease('k', 60_000))!;
      await ours.registry.register(
        { run: run.id, stage: 's' },
        { model: 'm', bundle: digest(), report: null, lineage: {} },
      );
      expect(await theirs.runs({ limit: 9 })).toEqual([]);
      expect(await theirs.stages(run.id)).toEqual([]);
      expect(await theirs.cached('k')).toBeNull();
      expect(await theirs.memo('s', 'k')).toBeNull();
      expect(await theirs.leaseHolder('k')).toBeNull();
      expect(await theirs.registry.models()).toEqual([]);
      expect(await theirs.registry.history(null)).toEqual([]);
      expect((await theirs.createRun(newRun())).sequence).toBe(1);
      expect(lease.isHeld).toBe(true);
    });
  });

  describe(`${name}: leases`, () => {
    test('one holds it at a time, in one process and across stores', async () => {
      const shared = await place();
      await using store = await shared.open('default');
      await using other = await shared.open('default');
      const lease = (await store.acquireLease('key', 60_000))!;
      expect(lease).toMatchObject({ key: 'key', isHeld: true });
      expect(await store.acquireLease('key', 60_000)).toBeNull();
      expect(await other.acquireLease('key', 60_000)).toBeNull();
      expect(await other.leaseHolder('key')).toMatchObject({ pid: process.pid });
      await lease.release();
      await lease.release();
      expect(lease.isHeld).toBe(false);
      expect(await store.leaseHolder('key')).toBeNull();
      await using next = (await other.acquireLease('key', 60_000))!;
      expect(next.isHeld).toBe(true);
    });

    test('it is renewed while its process lives', async () => {
      await using store = await (await place()).open('default');
      await using lease = (await store.acquireLease('key', 300))!;
      await new Promise((resolve) => setTimeout(resolve, 900));
      expect(lease.isHeld).toBe(true);
      expect(await store.acquireLease('key', 300)).toBeNull();
    });

    test('of 20 that race for it one gets it', async () => {
      const shared = await place();
      const stores = await Promise.all(Array.from({ length: 4 }, () => shared.open('default')));
      const leases = await Promise.all(
        Array.from({ length: 20 }, (_, index) => stores[index % 4]!.acquireLease('key', 60_000)),
      );
      expect(leases.filter((lease) => lease !== null)).toHaveLength(1);
      for (const store of stores) await store[Symbol.asyncDispose]();
    });

    test('closing a store gives back what it holds', async () => {
      const shared = await place();
      await using other = await shared.open('default');
      {
        await using store = await shared.open('default');
        expect(await store.acquireLease('key', 60_000)).not.toBeNull();
      }
      expect(await other.leaseHolder('key')).toBeNull();
    });
  });

  describe(`${name}: open and closed`, () => {
    test('calls of one turn are answered in order, and a failing one does not touch the others', async () => {
      await using store = await (await place()).open('default');
      const run = newRun();
      const [created, , missing, listed] = await Promise.allSettled([
        store.createRun(run),
        store.putStage(stageOf(run.id, 'rows')),
        store.putStage(stageOf('ffff', 'rows')),
        store.stages(run.id),
      ]);
      expect(created.status).toBe('fulfilled');
      expect(missing).toMatchObject({ status: 'rejected', reason: { code: 'RUN_NOT_FOUND' } });
      expect(listed).toMatchObject({ status: 'fulfilled', value: [{ stage: 'rows' }] });
    });

    test('what was asked before closing is done, what is asked after it is refused', async () => {
      const shared = await place();
      const store = await shared.open('default');
      const pending = store.putMemo('s', 'k', 1);
      await store[Symbol.asyncDispose]();
      await pending;
      await store[Symbol.asyncDispose]();
      const error = await errorOf(store.memo('s', 'k'));
      expect(error.code).toBe('INTERNAL');
      expect(error.message).toMatch(/: expected an open metadata store; received a call after it was closed\.$/);
      await using again = await shared.open('default');
      expect(await again.memo('s', 'k')).toBe(1);
    });

    test('a hostile namespace is refused', async () => {
      const shared = await place();
      expect(await errorOf(shared.open('../x'))).toMatchObject({
        code: 'NAME_INVALID',
        message: `store.namespace: expected 1 to 128 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit, without '..'; received "../x". Choose another name.`,
      });
    });
  });
}
