import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { digestsOf, type RunObject, repository, runCli, runJson, temporaryDirectory } from '../../support/cli.js';

const data = join(process.env['MILLRACE_DATA'] ?? join(repository, '..', 'shared', 'data'), 'adult');
const isThere = existsSync(data);
if (!isThere) process.stderr.write(`skipped: no data in ${data}; set MILLRACE_DATA\n`);

describe.skipIf(!isThere)('millrace run on census income', () => {
  const args = ['run', 'examples/census-income/pipeline.ts', '--param', `data=${data}`, '--param', 'maxEpochs=4'];
  let store: Awaited<ReturnType<typeof temporaryDirectory>>;
  let first: RunObject & { readonly exitCode: number | null };

  beforeAll(async () => {
    store = await temporaryDirectory();
    first = await runJson<RunObject>([...args, '--store', store.path]);
    return () => store[Symbol.asyncDispose]();
  });

  test('prints one object with run, stages, metrics, gates and model', () => {
    expect(first.exitCode).toBe(0);
    expect(first.status).toBe('succeeded');
    expect(first.stages.map(({ id, status }) => `${id} ${status}`)).toEqual([
      'people/from_0 fused',
      'people/from_1 fused',
      'people succeeded',
      'data fused',
      'model/statistics succeeded',
      'model/feed succeeded',
      'model succeeded',
      'onnx succeeded',
      'report succeeded',
      'version succeeded',
      'passed succeeded',
      'live succeeded',
      'endpoint succeeded',
    ]);
    expect(first.metrics['auc']).toBeGreaterThan(0.9);
    expect(first.gates.map(({ name, passed }) => [name, passed])).toEqual([
      ['atLeast(auc)', true],
      ['noWorseThan(champion, auc)', true],
      ['parity', true],
    ]);
    expect(first.model).toEqual({ name: 'census-income', version: 1, aliases: ['champion'] });
  });

  test('finds every stage cached, fused or unchanged the second time, with the same digests', async () => {
    const again = await runJson<RunObject>([...args, '--store', store.path]);
    expect(again.exitCode).toBe(0);
    expect([...new Set(again.stages.map((stage) => stage.status))].sort()).toEqual(['cached', 'fused', 'unchanged']);
    // The verdict alone tells another story: the first run had no champion to compare with.
    const { 'passed.verdict': _first, ...before } = digestsOf(first);
    const { 'passed.verdict': _again, ...after } = digestsOf(again);
    expect(after).toEqual(before);
  });

  test('says why each stage was a hit', async () => {
    const again = await runJson<RunObject>([...args, '--store', store.path]);
    const shown = await runJson<{
      readonly why: Record<string, { readonly hit: boolean; readonly note: string | null }>;
    }>(['runs', 'show', again.run, '--why', '--store', store.path]);
    expect(shown.why['model']).toMatchObject({ hit: true, changed: [], note: 'nothing changed' });
  });

  test('names the changed option as the reason of a miss, and reuses the feed for a new learning setting', async () => {
    const changed = await runJson<RunObject>([...args, '--param', 'seed=2', '--store', store.path]);
    expect(changed.stages.filter((stage) => stage.status === 'cached').map((stage) => stage.id)).toEqual([
      'people',
      'model/statistics',
      'model/feed',
    ]);
    const shown = await runJson<{
      readonly why: Record<string, { readonly changed: readonly { readonly part: string }[] }>;
    }>(['runs', 'show', changed.run, '--why', '--store', store.path]);
    expect(shown.why['model']!.changed.map((one) => one.part)).toEqual(['options.training.seed']);
    const diff = await runJson<{ readonly differences: readonly { readonly kind: string; readonly where: string }[] }>([
      'runs',
      'diff',
      first.run,
      changed.run,
      '--store',
      store.path,
    ]);
    expect(diff.differences.filter((one) => one.kind === 'parameter')).toEqual([
      { kind: 'parameter', where: 'seed', before: 1, after: 2 },
    ]);
    expect(diff.differences.some((one) => one.kind === 'metric')).toBe(true);
  });

  test('predicts in process with the registered model', async () => {
    const row = {
      age: 39,
      workclass: 'State-gov',
      education_num: 13,
      marital_status: 'Never-married',
      occupation: 'Adm-clerical',
      relationship: 'Not-in-family',
      race: 'White',
      sex: 'Male',
      capital_gain: 2174,
      capital_loss: 0,
      hours_per_week: 40,
      native_country: 'United-States',
    };
    const rows = join(store.path, 'rows.json');
    const { writeFile } = await import('node:fs/promises');
    await writeFile(rows, JSON.stringify([row, { ...row, workclass: null, native_country: 'Atlantis' }]));
    const answer = await runJson<{
      readonly model: string;
      readonly predictions: readonly { readonly probability: number; readonly class: unknown }[];
    }>(['predict', 'census-income@champion', rows, '--store', store.path]);
    expect(answer.predictions).toHaveLength(2);
    for (const { probability } of answer.predictions) expect(probability).toBeGreaterThan(0);
  });

  test('does not promote the same version again after a rollback by hand', async () => {
    await using own = await temporaryDirectory();
    await runJson<RunObject>([...args, '--store', own.path]);
    const rolledBack = await runJson<{ readonly from: number; readonly to: number | null }>([
      'models',
      'rollback',
      'census-income',
      '--reason',
      'too many complaints',
      '--store',
      own.path,
    ]);
    expect(rolledBack).toMatchObject({ from: 1, to: null });
    const again = await runJson<RunObject>([...args, '--store', own.path]);
    expect(again.exitCode).toBe(3);
    expect(again.status).toBe('blocked');
    const models = await runJson<{ readonly models: readonly unknown[] }>(['models', 'list', '--store', own.path]);
    expect(models.models).toEqual([{ model: 'census-income', versions: 1, aliases: {} }]);
    const history = await runJson<{
      readonly history: readonly { readonly kind: string }[];
      readonly altered: number | null;
    }>(['models', 'history', '--verify', '--store', own.path]);
    expect(history.altered).toBeNull();
    expect(
      history.history.map((entry) => entry.kind).filter((kind) => kind === 'promote' || kind === 'rollback'),
    ).toEqual(['promote', 'rollback']);
  });

  test('computes everything again with --no-cache, and from a stage on with --from', async () => {
    const from = await runJson<RunObject>([...args, '--store', store.path, '--from', 'report']);
    const computed = from.stages.filter((stage) => stage.status === 'succeeded').map((stage) => stage.id);
    expect(computed.filter((id) => !['passed', 'live'].includes(id))).toEqual(['report']);
    const unknown = await runCli([...args, '--store', store.path, '--from', 'reports']);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain(
      "--from: expected a stage of the plan (people/from_0, people/from_1, people, data, model/statistics, model/feed, model, onnx, report, version, passed, live, endpoint); received 'reports'.",
    );
  });
});
