import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluateOperator } from '../../../../operators/evaluate/evaluate-operator.js';
import { gateOperator } from '../../../../operators/gate/gate-operator.js';
import { verdictSchema } from '../../../../operators/gate/verdict.js';
import type { Artifact } from '../../../../pipelines/contracts/artifacts.js';
import type { KeyContext } from '../../../../pipelines/contracts/operator.js';
import type { ModelSignature } from '../../../../pipelines/contracts/signature.js';
import {
  atLeast,
  atMost,
  type Condition,
  latency,
  noWorseThan,
  perSlice,
} from '../../../../pipelines/define/conditions.js';
import {
  binaryModel,
  binarySignature,
  customers,
  type EvaluationWorld,
  input,
  openEvaluationWorld,
  readJson,
  regressionModel,
  regressionSignature,
  testHalf,
} from '../evaluate/evaluation-world.js';

let world: EvaluationWorld;
let dataset: Artifact;
beforeAll(async () => {
  world = await openEvaluationWorld();
  dataset = await world.dataset(customers(3000), ['id']);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

interface Candidate {
  readonly model: string;
  readonly onnx: Artifact;
  readonly report: Artifact;
  readonly version: Artifact;
}

const person = { actor: 'user:test', reason: 'a test', evidence: null };
let acts = 0;

async function candidate(
  model: string,
  bytes: Uint8Array,
  options: { signature?: ModelSignature; lineage?: Record<string, string>; data?: Artifact } = {},
): Promise<Candidate> {
  const onnx = await world.bundle(bytes, options.signature ?? binarySignature);
  const stage = `report-${acts++}`;
  const evaluated = await evaluateOperator.run(world.context('run', stage), {
    options: evaluateOperator.options.parse({
      split: testHalf,
      metrics: null,
      slices: ['plan'],
      bootstrap: 100,
      importance: null,
      seed: 0,
    }),
    inputs: { onnx: input('onnx', onnx), dataset: input('dataset', options.data ?? dataset) },
  });
  const report = await world.artifacts.open(evaluated.outputs[0]!.digest);
  await world.registry.register(
    { run: 'run', stage },
    { model, bundle: onnx.digest, report: report.digest, lineage: options.lineage ?? {} },
  );
  return { model, onnx, report, version: await world.value({ model, bundle: onnx.digest }) };
}

function stageOf(of: Candidate, conditions: readonly Condition[], contaminated: 'block' | 'allow') {
  return {
    options: gateOperator.options.parse({ conditions, split: testHalf, contaminated }),
    inputs: {
      version: input('version', of.version),
      report: input('report', of.report),
      onnx: input('onnx', of.onnx),
      dataset: input('dataset', dataset),
    },
  };
}

async function gate(of: Candidate, conditions: readonly Condition[], contaminated: 'block' | 'allow' = 'block') {
  const result = await gateOperator.run(world.context('run', `gate-${acts++}`), stageOf(of, conditions, contaminated));
  const artifact = await world.artifacts.open(result.outputs[0]!.digest);
  return { result, verdict: verdictSchema.parse(await readJson(artifact, 'verdict.json')), digest: artifact.digest };
}

async function promote(of: Candidate, condition: Condition = atLeast('auc', 0)): Promise<number> {
  await gate(of, [condition]);
  const { version } = await world.registry.version(of.model, of.onnx.digest);
  const current = await world.registry.alias(of.model, 'champion');
  await world.registry.moveAliases(
    null,
    [{ model: of.model, alias: 'champion', expected: current?.version ?? null, version }],
    person,
  );
  return version;
}

const noWorse = noWorseThan('champion', 'auc', { margin: 0.005 });

describe('gate', () => {
  it('passes as no-baseline where there is no champion, and records the verdict', async () => {
    const first = await candidate('first', binaryModel(2));
    const { result, verdict, digest } = await gate(first, [
      atLeast('auc', 0.8),
      noWorse,
      perSlice('plan', atLeast('auc', 0.7)),
    ]);
    expect(result.status).toBe('succeeded');
    expect(verdict).toMatchObject({ model: 'first', bundle: first.onnx.digest, passed: true, baseline: null });
    expect(verdict.gates.map(({ name }) => name)).toEqual([
      'atLeast(auc)',
      'noWorseThan(champion, auc)',
      'perSlice(plan = basic, auc)',
      'perSlice(plan = plus, auc)',
      'perSlice(plan = pro, auc)',
    ]);
    expect(verdict.gates[1]!.note).toBe('no-baseline');
    expect((result.summary as { gates: unknown }).gates).toEqual(verdict.gates);
    expect(await world.registry.gateRecords('first', 1)).toMatchObject([{ passed: true, verdict: digest, version: 1 }]);
  });

  it('ends blocked where a bar is missed, and leaves the champion alone', async () => {
    const champion = await candidate('missed', binaryModel(2));
    await promote(champion);
    const worse = await candidate('missed', binaryModel(-0.1));
    const { result, verdict } = await gate(worse, [atLeast('auc', 0.8), noWorse]);
    expect(result.status).toBe('blocked');
    expect(verdict.passed).toBe(false);
    expect(verdict.gates.map(({ passed }) => passed)).toEqual([false, false]);
    expect(verdict.gates[1]!.interval!.high).toBeLessThan(-0.3);
    expect(verdict.baseline).toBe(champion.onnx.digest);
    expect((await world.registry.alias('missed', 'champion'))!.bundle).toBe(champion.onnx.digest);
    expect((await world.registry.gateRecords('missed', 2)).map(({ passed }) => passed)).toEqual([false]);
    expect(world.logged.some((line) => line.startsWith('blocked by atLeast(auc): bar 0.8, value '))).toBe(true);
  });

  it('finds no difference in AUC between models that rank alike', async () => {
    await promote(await candidate('alike', binaryModel(2)));
    const { verdict, result } = await gate(await candidate('alike', binaryModel(1, 0.5)), [
      noWorseThan('champion', 'auc', { confidence: 0.95 }),
    ]);
    expect(result.status).toBe('succeeded');
    expect(verdict.gates[0]).toMatchObject({ passed: true });
    expect(Math.abs(verdict.gates[0]!.value!)).toBeLessThan(1e-6);
  });

  it('ends unchanged where the candidate already is the champion', async () => {
    const champion = await candidate('same', binaryModel(2));
    await promote(champion);
    const { result, verdict } = await gate(champion, [atLeast('auc', 0.8), noWorse, latency({ atMostMs: 1e-9 })]);
    expect(result.status).toBe('unchanged');
    expect(verdict).toMatchObject({ passed: true, baseline: champion.onnx.digest });
    expect(verdict.gates[1]).toMatchObject({ value: 0, note: 'already the champion' });
  });

  it('blocks a version that a person rolled back, until it is admitted again', async () => {
    const champion = await candidate('revoked', binaryModel(2));
    await promote(champion);
    const second = await candidate('revoked', binaryModel(2, 0.01));
    const version = await promote(second);
    await world.registry.rollback('revoked', 'champion', person);
    const { result, verdict } = await gate(second, [atLeast('auc', 0.8)]);
    expect(result.status).toBe('blocked');
    expect(verdict.gates[0]).toMatchObject({ code: 'GATE_VERSION_REVOKED', passed: false });
    await world.registry.readmit('revoked', version, person);
    expect((await gate(second, [atLeast('auc', 0.8)])).result.status).toBe('succeeded');
  });

  it('compares on the rows that the champion has not seen', async () => {
    const seen = await world.seen(
      `SELECT md5(id::VARCHAR) AS identity FROM (${customers(3000)}) WHERE id % 2 = 0 ORDER BY 1`,
    );
    await promote(await candidate('partly', binaryModel(2), { lineage: { seen: seen.digest } }));
    const other = await candidate('partly', binaryModel(1.5));
    const { verdict } = await gate(other, [noWorse]);
    const rows = ((await readJson(other.report, 'report.json')) as { rows: number }).rows;
    const [, compared, without] = /on (\d+) rows; without (\d+) that it has seen/.exec(verdict.gates[0]!.note!)!;
    expect(Number(compared) + Number(without)).toBe(rows);
    expect(Math.abs(Number(compared) - rows / 2)).toBeLessThan(100);
    expect(verdict.passed).toBe(true);
  });

  it('blocks where the champion has seen too many rows, unless the gate allows it', async () => {
    const seen = await world.seen(
      `SELECT md5(id::VARCHAR) AS identity FROM (${customers(3000)}) WHERE id > 100 ORDER BY 1`,
    );
    await promote(await candidate('contaminated', binaryModel(2), { lineage: { seen: seen.digest } }));
    const other = await candidate('contaminated', binaryModel(1.5));
    const blocked = await gate(other, [noWorse]);
    expect(blocked.result.status).toBe('blocked');
    expect(blocked.verdict.gates[0]).toMatchObject({ code: 'GATE_BASELINE_CONTAMINATED', value: null });
    const allowed = await gate(other, [noWorse], 'allow');
    expect(allowed.result.status).toBe('succeeded');
    expect(allowed.verdict.gates[0]!.note).toMatch(/\d+ of them seen by it, as the gate allows$/);
  });

  it('blocks where the dataset lacks what the champion takes', async () => {
    const [x, plan] = binarySignature.inputs;
    const signature = { ...binarySignature, inputs: [{ ...x!, column: { ...x!.column, name: 'region' } }, plan!] };
    const bundle = await world.bundle(binaryModel(2), signature);
    const champion = await candidate('incompatible', binaryModel(2));
    await world.registry.register(
      { run: 'run', stage: 'champion' },
      { model: 'incompatible', bundle: bundle.digest, report: champion.report.digest, lineage: {} },
    );
    const holder = await world.registry.version('incompatible', '2');
    await world.registry.recordGate(
      { run: 'run', stage: 'champion' },
      {
        run: 'run',
        stage: 'champion',
        model: 'incompatible',
        version: holder.version,
        passed: true,
        verdict: 'f'.repeat(64),
      },
    );
    await world.registry.moveAliases(
      null,
      [{ model: 'incompatible', alias: 'champion', expected: null, version: holder.version }],
      person,
    );
    const { result, verdict } = await gate(champion, [noWorse]);
    expect(result.status).toBe('blocked');
    expect(verdict.gates[0]).toMatchObject({ code: 'GATE_BASELINE_INCOMPATIBLE', passed: false });
    expect(verdict.gates[0]!.note).toContain('dataset.region: expected a column');
  });

  it('blocks where the champion predicts something else', async () => {
    const amounts = await world.dataset(`SELECT *, 10 * x AS amount FROM (${customers(3000)})`, ['id']);
    await promote(
      await candidate('another', regressionModel(), { signature: regressionSignature, data: amounts }),
      atMost('rmse', 1e9),
    );
    const { verdict } = await gate(await candidate('another', binaryModel(2)), [noWorse]);
    expect(verdict.gates[0]).toMatchObject({
      code: 'GATE_BASELINE_INCOMPATIBLE',
      note: 'champion (version 1) cannot be scored on these rows: it is a regression model, the candidate a binary one',
    });
  });

  it('measures the latency of the exported model', async () => {
    const fast = await candidate('latency', binaryModel(2));
    const { verdict } = await gate(fast, [
      latency({ atMostMs: 500, batch: 4 }),
      latency({ p: 50, atMostMs: 1e-6, batch: 4 }),
    ]);
    expect(verdict.gates.map(({ name, passed }) => [name, passed])).toEqual([
      ['latency(p99, batch 4)', true],
      ['latency(p50, batch 4)', false],
    ]);
    expect(verdict.gates[0]!.value).toBeGreaterThan(0);
  });

  it('refuses conditions that speak of what the report lacks, all at once', async () => {
    const first = await candidate('unknown', binaryModel(2));
    await expect(
      gate(first, [atLeast('acu', 0.8), perSlice('plam', atLeast('auc', 0.8)), noWorseThan('champion', 'rmse')]),
    ).rejects.toMatchObject({
      code: 'GATE_INVALID',
      message: [
        "gate.conditions.0.metric: expected a metric of the report (accuracy, auc, averagePrecision, brier, calibrationError, f1, logLoss, precision, recall); received 'acu'. Did you mean 'auc'?",
        "gate.conditions.1.column: expected a slice of the report (plan); received 'plam'. Did you mean 'plan'?",
        "gate.conditions.2.metric: expected a metric of a binary model (auc, logLoss, accuracy, precision, recall, f1, averagePrecision, brier, calibrationError); received 'rmse'. Choose one of them.",
      ].join('\n'),
    });
  });

  it('has another key after the champion or the state of the version changed', async () => {
    const first = await candidate('keys', binaryModel(2));
    const second = await candidate('keys', binaryModel(3));
    const context = { ...world.context('run', 'gate'), root: world.directory } as KeyContext;
    const parts = () => gateOperator.keyParts!(context, stageOf(second, [noWorse], 'block'));
    const before = await parts();
    expect(await parts()).toEqual(before);
    await promote(first);
    const during = await parts();
    expect(Object.keys(during).filter((name) => during[name] !== before[name])).toEqual(['alias.champion']);
    await world.registry.reject('keys', 2, person);
    expect((await parts())['version.state']).toBe('rejected');
  });
});
