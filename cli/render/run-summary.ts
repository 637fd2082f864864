import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pc from 'picocolors';
import type { StageRecord } from '../../pipelines/contracts/metadata.js';
import type { RunResult } from '../../workflows/embedded/run-plan.js';
import type { Services } from '../../workflows/services.js';
import { formatDuration } from './progress.js';
import { renderTable } from './table.js';

/** A gate as the verdict tells it. */
export interface GateLine {
  readonly name: string;
  readonly bar: unknown;
  readonly value: number | null;
  readonly interval: { readonly low: number; readonly high: number } | null;
  readonly passed: boolean;
  readonly note?: string | null;
}

/** The object that `run --json` prints. */
export async function runObject(services: Services, result: RunResult): Promise<Record<string, unknown>> {
  return {
    run: result.run,
    status: result.status,
    stages: result.stages.map(({ stage, operator, status, key, durationMs, outputs, error }) => ({
      id: stage,
      operator,
      status,
      key,
      durationMs,
      outputs,
      ...(error === null ? {} : { error: { code: error.code, message: error.message } }),
    })),
    metrics: metricsObject(result),
    gates: gatesOf(result.stages),
    model: await modelOf(services, result.stages),
  };
}

/**
 * The reports' metrics, from the evaluate stages' summaries, so that a cached run has them too: by their names, or as
 * `<stage>.<metric>` where the run has several evaluate stages.
 */
export function metricsObject({ stages }: Pick<RunResult, 'stages'>): Record<string, number | null> {
  const metrics: Record<string, number | null> = {};
  const reports = stages.filter((one) => one.operator === 'evaluate');
  for (const stage of reports) {
    const { metrics: values } = (stage.summary ?? {}) as {
      readonly metrics?: Readonly<Record<string, { readonly value: number | null }>>;
    };
    for (const [name, value] of Object.entries(values ?? {}))
      metrics[reports.length > 1 ? `${stage.stage}.${name}` : name] = value.value;
  }
  return metrics;
}

export function gatesOf(stages: readonly StageRecord[]): readonly GateLine[] {
  return stages
    .filter((stage) => stage.operator === 'gate')
    .flatMap((stage) => ((stage.summary ?? {}) as { readonly gates?: readonly GateLine[] }).gates ?? []);
}

/** Lines that a verdict has besides those of its summary. */
function gatesLeftOut({ operator, summary }: StageRecord): number {
  const { gatesLeftOut: count } = (summary ?? {}) as { readonly gatesLeftOut?: number };
  return operator === 'gate' ? (count ?? 0) : 0;
}

async function modelOf(
  services: Services,
  stages: readonly StageRecord[],
): Promise<{ name: string; version: number; aliases: readonly string[] } | null> {
  const registered = stages.find((stage) => stage.operator === 'register');
  const { model, version } = (registered?.summary ?? {}) as { readonly model?: string; readonly version?: number };
  if (model === undefined || version === undefined) return null;
  const known = await services.metadata.registry.version(model, String(version));
  return { name: model, version, aliases: known.aliases };
}

/** Stages, verdict of the gates, and where report and logs are, for people. */
export async function renderRun(services: Services, result: RunResult): Promise<string> {
  const lines = [
    renderTable(
      ['stage', 'operator', 'status', 'time', 'result'],
      result.stages.map((stage) => [
        stage.stage,
        stage.operator,
        stage.status,
        formatDuration(stage.durationMs),
        resultOf(stage),
      ]),
    ),
    '',
  ];
  const metrics = Object.entries(metricsObject(result));
  if (metrics.length > 0)
    lines.push(
      `metrics   ${metrics.map(([name, value]) => `${name} ${value === null ? 'undefined' : value.toPrecision(4)}`).join(' · ')}`,
    );
  for (const gate of gatesOf(result.stages)) lines.push(renderGate(gate));
  const leftOut = result.stages.reduce((sum, stage) => sum + gatesLeftOut(stage), 0);
  if (leftOut > 0) lines.push(`gate      and ${leftOut.toLocaleString('en')} more: the verdict holds them all`);
  for (const stage of result.stages.filter((one) => one.operator === 'evaluate')) {
    const run = await recordingRun(services, result.run, stage);
    if (run !== null) lines.push(`report    ${join(services.directory, 'records', run, stage.stage, 'report.html')}`);
  }
  const fits = result.stages.filter((stage) => stage.operator === 'fit');
  const logs = await Promise.all(fits.map((stage) => recordingRun(services, result.run, stage)));
  for (const run of new Set(logs)) if (run !== null) lines.push(`logs      millrace tensorboard --run ${run}`);
  return lines.join('\n');
}

/** How many runs are looked through for the one that computed what this one found. */
const recentRuns = 50;

/** The run whose records tell of a stage's result: this one, or the newest that computed the same outputs. */
async function recordingRun(services: Services, run: string, stage: StageRecord): Promise<string | null> {
  if (stage.status === 'succeeded') return run;
  if (stage.status !== 'cached') return null;
  const { pipeline } = await services.metadata.run(run);
  const outputs = JSON.stringify(stage.outputs);
  for (const earlier of await services.metadata.runs({ pipeline, limit: recentRuns })) {
    if (!existsSync(join(services.directory, 'records', earlier.id, ...stage.stage.split('/')))) continue;
    const records = await services.metadata.stages(earlier.id);
    const same = records.find((record) => record.stage === stage.stage && JSON.stringify(record.outputs) === outputs);
    if (same?.status === 'succeeded') return earlier.id;
  }
  return null;
}

function resultOf(stage: StageRecord): string {
  const summary = (stage.summary ?? {}) as Readonly<Record<string, unknown>>;
  const facts: string[] = [];
  if (typeof summary['rows'] === 'number') facts.push(`${summary['rows'].toLocaleString('en')} rows`);
  if (typeof summary['validationLoss'] === 'number')
    facts.push(`validation loss ${summary['validationLoss'].toPrecision(4)}`);
  if (typeof summary['version'] === 'number') facts.push(`${String(summary['model'])} version ${summary['version']}`);
  if (typeof summary['endpoint'] === 'string') facts.push(`endpoint ${summary['endpoint']}`);
  if (facts.length === 0 && stage.outputs[0] !== undefined) facts.push(stage.outputs[0].digest.slice(0, 12));
  return facts.join(', ');
}

export function renderGate(gate: GateLine): string {
  const interval =
    gate.interval === null ? '' : ` [${gate.interval.low.toPrecision(4)}, ${gate.interval.high.toPrecision(4)}]`;
  const value = gate.value === null ? '–' : gate.value.toPrecision(4);
  const verdict = `gate      ${gate.passed ? pc.green('passed') : pc.red('missed')}  ${gate.name}`;
  // A revoked version is refused without any bar: the note says it all.
  if (gate.bar === null) return `${verdict}${gate.note ? `: ${gate.note}` : ''}`;
  const bar = typeof gate.bar === 'number' ? gate.bar.toPrecision(4) : String(gate.bar);
  return `${verdict}: ${value}${interval}, bar ${bar}${gate.note ? ` (${gate.note})` : ''}`;
}
