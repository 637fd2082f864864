import pc from 'picocolors';
import type { RunRecord, StageRecord } from '../../pipelines/contracts/metadata.js';
import type { Services } from '../../workflows/services.js';
import { type CommonOptions, openStore, printJson } from '../open.js';

type Kind = 'parameter' | 'code' | 'data' | 'engine' | 'option' | 'metric' | 'stage';

interface Difference {
  readonly kind: Kind;
  readonly where: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** Names what changed between two runs: parameter, code, data, engine, option, metric. */
export async function diff(a: string, b: string, options: CommonOptions): Promise<void> {
  await using services = await openStore(options);
  const [left, right] = await Promise.all([load(services, a), load(services, b)]);
  const differences = [
    ...parameters(left.run, right.run),
    ...stages(left.stages, right.stages),
    ...metrics(left.stages, right.stages),
  ];
  if (options.json === true) {
    printJson({ a: left.run.id, b: right.run.id, differences });
    return;
  }
  if (differences.length === 0) process.stdout.write('The runs do not differ.\n');
  for (const { kind, where, before, after } of differences)
    process.stdout.write(`${pc.bold(kind.padEnd(9))}  ${where}: ${short(before)} → ${short(after)}\n`);
}

async function load(
  services: Services,
  id: string,
): Promise<{ readonly run: RunRecord; readonly stages: readonly StageRecord[] }> {
  const run = await services.metadata.run(id);
  return { run, stages: await services.metadata.stages(run.id) };
}

function parameters(a: RunRecord, b: RunRecord): Difference[] {
  const [left, right] = [a.params as Record<string, unknown>, b.params as Record<string, unknown>];
  return changed(left, right).map((name) => ({
    kind: 'parameter',
    where: name,
    before: left[name],
    after: right[name],
  }));
}

function stages(a: readonly StageRecord[], b: readonly StageRecord[]): Difference[] {
  const [left, right] = [byStage(a), byStage(b)];
  return [...new Set([...left.keys(), ...right.keys()])].flatMap((id): Difference[] => {
    const [before, after] = [left.get(id), right.get(id)];
    if (before === undefined || after === undefined)
      return [{ kind: 'stage', where: id, before: before?.status ?? null, after: after?.status ?? null }];
    return changed(before.keyParts, after.keyParts).map((part) => ({
      kind: kindOf(part),
      where: `${id} ${part}`,
      before: before.keyParts[part],
      after: after.keyParts[part],
    }));
  });
}

function metrics(a: readonly StageRecord[], b: readonly StageRecord[]): Difference[] {
  const [left, right] = [metricValues(a), metricValues(b)];
  return changed(left, right).map((name) => ({ kind: 'metric', where: name, before: left[name], after: right[name] }));
}

function metricValues(records: readonly StageRecord[]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const record of records.filter((one) => one.operator === 'evaluate')) {
    const { metrics: found } = (record.summary ?? {}) as {
      readonly metrics?: Readonly<Record<string, { readonly value: number | null }>>;
    };
    for (const [name, value] of Object.entries(found ?? {})) values[`${record.stage} ${name}`] = value.value;
  }
  return values;
}

function kindOf(part: string): Kind {
  if (part === 'code' || part === 'operator' || part === 'options.bundle') return 'code';
  if (part.startsWith('engine.') || part === 'device') return 'engine';
  if (part.startsWith('options') || part.startsWith('statement') || part.startsWith('value')) return 'option';
  return 'data';
}

function byStage(records: readonly StageRecord[]): ReadonlyMap<string, StageRecord> {
  return new Map(records.map((record) => [record.stage, record]));
}

function changed(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]))
    .sort();
}

function short(value: unknown): string {
  if (value === undefined || value === null) return 'none';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[0-9a-f]{64}$/.test(text) ? text.slice(0, 12) : text;
}
