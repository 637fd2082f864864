import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Artifact } from '../../pipelines/contracts/artifacts.js';
import { defineOperator, type OperatorContext } from '../../pipelines/contracts/operator.js';
import type { ModelVersion } from '../../pipelines/contracts/registry.js';
import type { Condition } from '../../pipelines/define/conditions.js';
import { canonicalJson, digestOf } from '../../pipelines/plan/digest.js';
import { readReport } from '../evaluate/report.js';
import { artifactOfKind, readDataset } from '../split/read-dataset.js';
import { compareWithBaseline } from './compare-baseline.js';
import { type Baseline, type Evidence, latencyKey } from './evidence.js';
import { checkConditions, gateOptionsSchema, type ResolvedGateOptions } from './gate-options.js';
import { judge } from './judge.js';
import { measureLatency } from './measure-latency.js';
import { summarizeGates, type Verdict, verdictSchema } from './verdict.js';

const CHAMPION = 'champion';

/**
 * Judges a registered version: gathers the evidence, calls {@link judge}, writes a `verdict` artifact and records it in
 * the registry. Ends `blocked` where a bar is missed, `unchanged` where the version already is the champion.
 *
 * @throws GATE_INVALID - conditions that speak of metrics or slices which the report lacks.
 */
export const gateOperator = defineOperator<ResolvedGateOptions>({
  name: 'gate',
  class: 'reads',
  options: gateOptionsSchema,
  outputs: { verdict: 'verdict' },
  weight: 'sql',
  engines: ['duckdb', 'onnxruntime'],
  async keyParts({ registry }, { options, inputs }) {
    const parts: Record<string, string> = {
      'options.conditions': digestOf(options.conditions),
      'options.split': digestOf(options.split),
      'options.contaminated': options.contaminated,
    };
    for (const [name, input] of Object.entries(inputs)) {
      for (const [output, artifact] of Object.entries(input.artifacts))
        parts[`input.${name}.${output}`] = artifact.digest;
    }
    const { model, bundle } = await readVersion(artifactOfKind(inputs, 'version', 'value'));
    parts['version.state'] = (await registry.version(model, bundle)).state;
    for (const alias of aliasesOf(options.conditions)) {
      const holder = await registry.alias(model, alias);
      parts[`alias.${alias}`] = holder === null ? 'none' : digestOf([holder.bundle, holder.lineage]);
    }
    return parts;
  },
  async run(context, { options, inputs }) {
    const { model, bundle } = await readVersion(artifactOfKind(inputs, 'version', 'value'));
    const candidate = artifactOfKind(inputs, 'onnx', 'onnx');
    const report = await readReport(artifactOfKind(inputs, 'report', 'report'));
    const dataset = artifactOfKind(inputs, 'dataset', 'dataset');
    checkConditions(options.conditions, report);
    const version = await context.registry.version(model, bundle);
    const holders = new Map<string, ModelVersion | null>();
    for (const alias of aliasesOf(options.conditions)) holders.set(alias, await context.registry.alias(model, alias));
    const champion = holders.get(CHAMPION) ?? null;
    const evidence: Evidence = {
      model,
      bundle,
      revoked: version.state === 'registered' ? null : version.state,
      champion: champion?.bundle ?? null,
      report,
      baselines: await gatherBaselines(context, holders, candidate, dataset, options),
      latencies: champion?.bundle === bundle ? {} : await gatherLatencies(context, candidate, dataset, options),
    };
    const verdict = judge(options.conditions, evidence);
    const digest = await writeVerdict(context, verdict);
    await context.registry.recordGate(
      { run: context.run, stage: context.stage },
      {
        run: context.run,
        stage: context.stage,
        model,
        version: version.version,
        passed: verdict.passed,
        verdict: digest,
      },
    );
    for (const gate of verdict.gates) {
      if (!gate.passed) context.log(`blocked by ${gate.name}: ${reasonOf(gate)}`);
    }
    return {
      status: !verdict.passed ? 'blocked' : champion?.bundle === bundle ? 'unchanged' : 'succeeded',
      outputs: [{ name: 'verdict', digest }],
      summary: {
        model,
        version: version.version,
        passed: verdict.passed,
        ...summarizeGates(verdict.gates),
        baseline: verdict.baseline,
      },
    };
  },
});

/** What `register` wrote. */
async function readVersion(value: Artifact): Promise<{ readonly model: string; readonly bundle: string }> {
  return JSON.parse(await readFile(join(value.directory, 'value.json'), 'utf8')) as { model: string; bundle: string };
}

function aliasesOf(conditions: readonly Condition[]): readonly string[] {
  const named = conditions.flatMap((condition) => (condition.kind === 'noWorseThan' ? [condition.alias] : []));
  return [...new Set([CHAMPION, ...named])];
}

async function gatherBaselines(
  context: OperatorContext,
  holders: ReadonlyMap<string, ModelVersion | null>,
  candidate: Artifact,
  dataset: Artifact,
  { conditions, split, contaminated }: ResolvedGateOptions,
): Promise<Record<string, Baseline>> {
  const baselines: Record<string, Baseline> = {};
  const compared = new Map<string, Baseline>();
  for (const [alias, holder] of holders) {
    const metrics = conditions.flatMap((condition) =>
      condition.kind === 'noWorseThan' && condition.alias === alias ? [condition.metric] : [],
    );
    if (metrics.length === 0) continue;
    if (holder === null) baselines[alias] = { kind: 'none' };
    else if (holder.bundle === candidate.digest) baselines[alias] = { kind: 'same' };
    else {
      const request = {
        candidate,
        holder,
        dataset: readDataset(dataset),
        split,
        metrics: [...new Set(metrics)],
        contaminated,
      };
      const key = canonicalJson([holder.bundle, request.metrics]);
      const found = compared.get(key) ?? (await compareWithBaseline(context, request));
      compared.set(key, found);
      baselines[alias] = found;
    }
  }
  return baselines;
}

async function gatherLatencies(
  context: OperatorContext,
  bundle: Artifact,
  dataset: Artifact,
  { conditions, split }: ResolvedGateOptions,
): Promise<Record<string, number>> {
  const bars = conditions.filter((condition) => condition.kind === 'latency');
  const found: Record<string, number> = {};
  for (const batch of new Set(bars.map((bar) => bar.batch))) {
    const same = bars.filter((bar) => bar.batch === batch);
    const times = await measureLatency(context, {
      bundle,
      dataset: readDataset(dataset),
      split,
      batch,
      percentiles: same.map((bar) => bar.p),
    });
    same.forEach((bar, i) => {
      found[latencyKey(bar)] = times[i]!;
    });
  }
  return found;
}

async function writeVerdict(context: OperatorContext, verdict: Verdict): Promise<string> {
  const writer = await context.artifacts.create('verdict');
  try {
    await writeFile(join(writer.directory, 'verdict.json'), canonicalJson(verdictSchema.parse(verdict)));
    const artifact = await writer.commit({ model: verdict.model, bundle: verdict.bundle, passed: verdict.passed });
    return artifact.digest;
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

/** Why a gate blocked: bar and value where it has them, and its note. */
function reasonOf({ bar, value, note }: Verdict['gates'][number]): string {
  const measured = bar === null ? [] : [`bar ${bar}`, value === null ? 'no value' : `value ${value}`];
  return [...measured, ...(note === null ? [] : [note])].join(', ');
}
