import { expect, test } from 'vitest';
import { isMillraceError } from '../../../../pipelines/contracts/errors.js';
import type { RunStatus, StageStatus } from '../../../../pipelines/contracts/metadata.js';
import {
  type DriveHost,
  type DrivenStage,
  type DriveResult,
  drivePlan,
  type Spawn,
  type StageOutcome,
  type WaitFor,
} from '../../../../pipelines/drive/drive-plan.js';

type Script = Readonly<Record<string, readonly (StageOutcome | Error)[]>>;

/** A host in memory: what stages answer is scripted, when they answer is the test's, and everything is logged. */
class MemoryHost implements DriveHost {
  readonly log: string[] = [];
  readonly spawnLimit: number;
  isCancelled = false;
  mostSpawned = 0;
  readonly #calls = new Map<string, number>();
  #spawned = 0;

  constructor(
    readonly script: Script = {},
    readonly options: {
      readonly waits?: boolean;
      readonly spawnLimit?: number;
      readonly plans?: Readonly<Record<string, readonly DrivenStage[]>>;
      readonly onRun?: (id: string, host: MemoryHost) => Promise<void> | void;
    } = {},
  ) {
    this.spawnLimit = options.spawnLimit ?? 4;
  }

  async run(id: string): Promise<StageOutcome> {
    this.log.push(`run ${id}`);
    const call = this.#calls.get(id) ?? 0;
    this.#calls.set(id, call + 1);
    await this.options.onRun?.(id, this);
    const outcome = this.script[id]?.[call] ?? { status: 'succeeded' };
    if (outcome instanceof Error) throw outcome;
    this.log.push(`end ${id} ${outcome.status}`);
    return outcome;
  }

  async spawn(id: string, spawn: Spawn, index: number): Promise<RunStatus> {
    const name = spawn.kind === 'plan' ? spawn.plan : spawn.template;
    this.log.push(`spawn ${id} ${name} ${index}`);
    this.#spawned += 1;
    this.mostSpawned = Math.max(this.mostSpawned, this.#spawned);
    await Promise.resolve();
    const { status } = await drivePlan(this.options.plans?.[name] ?? [], this);
    this.#spawned -= 1;
    return status;
  }

  async wait(id: string, waitFor: WaitFor): Promise<boolean> {
    this.log.push(`wait ${id} ${waitFor.kind}`);
    return this.options.waits ?? true;
  }

  async settle(id: string, status: StageStatus): Promise<void> {
    this.log.push(`settle ${id} ${status}`);
  }
}

const stage = (id: string, needs: readonly string[] = [], fused = false): DrivenStage => ({ id, needs, fused });
const ended = (status: StageStatus): StageOutcome => ({ status });
const diamond = [stage('a'), stage('b', ['a']), stage('c', ['a']), stage('d', ['b', 'c'])];

async function refused(stages: readonly DrivenStage[], host = new MemoryHost()): Promise<readonly [string, string]> {
  const error: unknown = await drivePlan(stages, host).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!isMillraceError(error)) throw error;
  return [error.code, error.message];
}

test('an empty plan succeeds and runs nothing', async () => {
  const host = new MemoryHost();
  expect(await drivePlan([], host)).toEqual({ status: 'succeeded', stages: {} });
  expect(host.log).toEqual([]);
});

test('one stage runs once', async () => {
  const host = new MemoryHost();
  expect(await drivePlan([stage('a')], host)).toEqual({ status: 'succeeded', stages: { a: 'succeeded' } });
  expect(host.log).toEqual(['run a', 'end a succeeded']);
});

test('independent stages run at once and start in the order of the plan', async () => {
  const host = new MemoryHost({}, { onRun: () => Promise.resolve() });
  await drivePlan(diamond, host);
  expect(host.log.filter((line) => line.startsWith('run'))).toEqual(['run a', 'run b', 'run c', 'run d']);
  expect(host.log.indexOf('run c')).toBeLessThan(host.log.indexOf('end b succeeded'));
  expect(host.log.indexOf('run d')).toBeGreaterThan(host.log.indexOf('end c succeeded'));
});

test('the same plan and answers give the same log, whatever the plan lists first', async () => {
  const logs = await Promise.all(
    [diamond, diamond, diamond].map(async (plan) => {
      const host = new MemoryHost();
      await drivePlan(plan, host);
      return host.log;
    }),
  );
  expect(logs[1]).toEqual(logs[0]);
  expect(logs[2]).toEqual(logs[0]);
  const reversed = new MemoryHost();
  expect((await drivePlan([...diamond].reverse(), reversed)).status).toBe('succeeded');
  expect(reversed.log[0]).toBe('run a');
});

test.each(['cached', 'unchanged'] as const)('a stage that ended %s lets its dependents run', async (status) => {
  const host = new MemoryHost({ a: [ended(status)] });
  expect(await drivePlan([stage('a'), stage('b', ['a'])], host)).toEqual({
    status: 'succeeded',
    stages: { a: status, b: 'succeeded' },
  });
});

test('a fused stage is noted and never runs', async () => {
  const host = new MemoryHost();
  expect(await drivePlan([stage('a', [], true), stage('b', ['a'])], host)).toEqual({
    status: 'succeeded',
    stages: { a: 'fused', b: 'succeeded' },
  });
  expect(host.log).toEqual(['settle a fused', 'run b', 'end b succeeded']);
});

test.each(['failed', 'blocked'] as const)(
  'after %s the dependents are skipped and other branches go on',
  async (status) => {
    const plan = [stage('a'), stage('bad'), stage('after', ['bad']), stage('last', ['after', 'a']), stage('b', ['a'])];
    const host = new MemoryHost({ bad: [ended(status)] });
    expect(await drivePlan(plan, host)).toEqual({
      status,
      stages: { a: 'succeeded', bad: status, after: 'skipped', last: 'skipped', b: 'succeeded' },
    });
    expect(host.log).toContain('settle last skipped');
  },
);

test('a run with a failed and a blocked stage failed', async () => {
  const host = new MemoryHost({ a: [ended('blocked')], b: [ended('failed')] });
  expect((await drivePlan([stage('a'), stage('b')], host)).status).toBe('failed');
});

test('a run that is cancelled before it begins runs nothing', async () => {
  const host = new MemoryHost();
  host.isCancelled = true;
  expect(await drivePlan(diamond, host)).toEqual({
    status: 'cancelled',
    stages: { a: 'cancelled', b: 'cancelled', c: 'cancelled', d: 'cancelled' },
  });
  expect(host.log.filter((line) => line.startsWith('run'))).toEqual([]);
});

test('a run that is cancelled half-way keeps what finished', async () => {
  const host = new MemoryHost(
    {},
    {
      onRun: (id, self) => {
        if (id === 'b') self.isCancelled = true;
      },
    },
  );
  const plan = [stage('a'), stage('b', ['a']), stage('c', ['b']), stage('d', ['c'])];
  expect(await drivePlan(plan, host)).toEqual({
    status: 'cancelled',
    stages: { a: 'succeeded', b: 'succeeded', c: 'cancelled', d: 'cancelled' },
  });
});

test('a cancel that comes once everything has ended well changes nothing', async () => {
  const host = new MemoryHost(
    {},
    {
      onRun: (_, self) => {
        self.isCancelled = true;
      },
    },
  );
  expect((await drivePlan([stage('a')], host)).status).toBe('succeeded');
});

test('a stage that waits and is answered runs again', async () => {
  const host = new MemoryHost({
    a: [{ status: 'waiting', waitFor: { kind: 'decision', decision: 'approve' } }, ended('succeeded')],
  });
  expect((await drivePlan([stage('a')], host)).stages).toEqual({ a: 'succeeded' });
  expect(host.log).toEqual(['run a', 'end a waiting', 'wait a decision', 'run a', 'end a succeeded']);
});

test('a wait that is not over leaves the run waiting, its dependents with it, while other branches go on', async () => {
  const host = new MemoryHost({ a: [{ status: 'waiting', waitFor: { kind: 'until', until: 5 } }] }, { waits: false });
  expect(await drivePlan([stage('a'), stage('b', ['a']), stage('c')], host)).toEqual({
    status: 'waiting',
    stages: { a: 'waiting', b: 'waiting', c: 'succeeded' },
  });
  expect(host.log).not.toContain('run b');
});

test('a stage that needs a failed and a waiting one is skipped', async () => {
  const host = new MemoryHost(
    { a: [{ status: 'waiting', waitFor: { kind: 'until', until: 5 } }], b: [ended('failed')] },
    { waits: false },
  );
  expect((await drivePlan([stage('a'), stage('b'), stage('c', ['a', 'b'])], host)).stages['c']).toBe('skipped');
});

test('a wait that a cancel ends is cancelled', async () => {
  const host = new MemoryHost({ a: [{ status: 'waiting', waitFor: { kind: 'until', until: 5 } }] }, { waits: false });
  host.wait = async () => {
    host.isCancelled = true;
    return false;
  };
  expect(await drivePlan([stage('a')], host)).toEqual({ status: 'cancelled', stages: { a: 'cancelled' } });
  expect(host.log.at(-1)).toBe('settle a cancelled');
});

test('a stage that spawns a plan runs again once the plan has ended', async () => {
  const host = new MemoryHost(
    { tune: [{ status: 'waiting', spawn: { kind: 'plan', plan: 'trial' } }, ended('succeeded')] },
    { plans: { trial: [stage('fit'), stage('score', ['fit'])] } },
  );
  expect((await drivePlan([stage('tune')], host)).status).toBe('succeeded');
  expect(host.log.filter((line) => !line.startsWith('end'))).toEqual([
    'run tune',
    'spawn tune trial 0',
    'run fit',
    'run score',
    'run tune',
  ]);
});

test('a template is walked by index in bounded lanes', async () => {
  const host = new MemoryHost(
    { tune: [{ status: 'waiting', spawn: { kind: 'template', template: 'trial', count: 9 } }, ended('succeeded')] },
    { spawnLimit: 3, plans: { trial: [stage('fit')] } },
  );
  await drivePlan([stage('tune')], host);
  expect(host.log.filter((line) => line.startsWith('spawn'))).toEqual(
    Array.from({ length: 9 }, (_, index) => `spawn tune trial ${index}`),
  );
  expect(host.mostSpawned).toBe(3);
});

test('a limit of no lanes still runs one', async () => {
  const host = new MemoryHost(
    { tune: [{ status: 'waiting', spawn: { kind: 'template', template: 'trial', count: 2 } }, ended('succeeded')] },
    { spawnLimit: 0 },
  );
  expect((await drivePlan([stage('tune')], host)).status).toBe('succeeded');
  expect(host.mostSpawned).toBe(1);
});

test('a plan that spawns plans that spawn plans', async () => {
  const host = new MemoryHost(
    {
      outer: [{ status: 'waiting', spawn: { kind: 'plan', plan: 'middle' } }, ended('succeeded')],
      middle: [{ status: 'waiting', spawn: { kind: 'template', template: 'inner', count: 2 } }, ended('succeeded')],
    },
    { plans: { middle: [stage('middle')], inner: [stage('leaf')] } },
  );
  expect((await drivePlan([stage('outer'), stage('after', ['outer'])], host)).status).toBe('succeeded');
  expect(host.log.filter((line) => line === 'run leaf')).toHaveLength(2);
  expect(host.log.indexOf('run after')).toBeGreaterThan(host.log.lastIndexOf('run leaf'));
});

test('a child that failed does not stop the others: its stage judges', async () => {
  const host = new MemoryHost(
    {
      tune: [{ status: 'waiting', spawn: { kind: 'template', template: 'trial', count: 3 } }, ended('failed')],
      fit: [ended('failed')],
    },
    { plans: { trial: [stage('fit')] } },
  );
  expect((await drivePlan([stage('tune')], host)).status).toBe('failed');
  expect(host.log.filter((line) => line.startsWith('spawn'))).toHaveLength(3);
});

test('a cancel stops a spawn between children', async () => {
  const host = new MemoryHost(
    { tune: [{ status: 'waiting', spawn: { kind: 'template', template: 'trial', count: 100 } }] },
    {
      spawnLimit: 1,
      plans: { trial: [stage('fit')] },
      onRun: (id, self) => {
        if (id === 'fit') self.isCancelled = true;
      },
    },
  );
  const result: DriveResult = await drivePlan([stage('tune')], host);
  expect(result).toEqual({ status: 'cancelled', stages: { tune: 'cancelled' } });
  expect(host.log.filter((line) => line.startsWith('spawn'))).toHaveLength(1);
});

test('a spawn of nothing is refused', async () => {
  const host = new MemoryHost({
    tune: [{ status: 'waiting', spawn: { kind: 'template', template: 'trial', count: 0 } }],
  });
  expect(await refused([stage('tune')], host)).toEqual([
    'PLAN_INVALID',
    'plan.stages.tune: expected a spawn of at least one plan; received 0.',
  ]);
});

test('a host that rejects ends the drive once what was running has settled, and nothing new starts', async () => {
  let release = (): void => {};
  const slow = new Promise<void>((resolve) => {
    release = resolve;
  });
  const host = new MemoryHost(
    { a: [new Error('the disk is gone')] },
    { onRun: (id) => (id === 'b' ? slow : Promise.resolve()) },
  );
  const driven = drivePlan([stage('a'), stage('b'), stage('c', ['b'])], host);
  let isOver = false;
  const noted = driven.catch(() => {
    isOver = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(isOver).toBe(false);
  release();
  await noted;
  await expect(driven).rejects.toThrow('the disk is gone');
  expect(host.log).toEqual(['run a', 'run b', 'end b succeeded']);
});

test('needs that are no stages, ids that two stages have and circles are refused before anything runs', async () => {
  expect(await refused([stage('a', ['x'])])).toEqual([
    'PLAN_INVALID',
    "plan.stages.a: expected needs that are stages of the plan; received 'x'.",
  ]);
  expect(await refused([stage('a'), stage('a')])).toEqual([
    'PLAN_INVALID',
    'plan.stages: expected ids that are unique in the plan; received 2 stages with 1 ids.',
  ]);
  const host = new MemoryHost();
  expect(await refused([stage('x'), stage('a', ['c']), stage('b', ['a']), stage('c', ['b'])], host)).toEqual([
    'PLAN_CYCLE',
    'plan.stages.a: expected a graph without circles; received a, b, c, which need each other.',
  ]);
  expect(host.log).toEqual([]);
});
