import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StageOutput, StageRecord } from '../../../pipelines/contracts/metadata.js';
import type { ModelDocument } from '../../../pipelines/contracts/training.js';
import type { OpenedStore } from './opened-store.js';
import { problemOf } from './registry.js';

/** I4: everything that is visible is whole, and everything that is named is there. */
export async function artifactViolations(store: OpenedStore): Promise<string[]> {
  const found: string[] = [];
  const shelves = join(store.directory, 'artifacts');
  for (const shelf of await readdir(shelves)) {
    for (const name of await readdir(join(shelves, shelf))) {
      if (!/^[0-9a-f]{64}$/.test(name) || !name.startsWith(shelf)) {
        found.push(`I4: artifacts/${shelf}/${name} is no artifact`);
        continue;
      }
      const problem = await problemOf(store.artifacts.verify(name));
      if (problem !== null) found.push(`I4: ${problem}`);
    }
  }
  for (const [digest, place] of namedDigests(store)) {
    const problem = await problemOf(store.artifacts.open(digest));
    if (problem !== null) found.push(`I4: ${place}: ${problem}`);
  }
  return found;
}

/** Every digest that journal, cache and registry name, with a place that names it. */
function namedDigests(store: OpenedStore): ReadonlyMap<string, string> {
  const named = new Map<string, string>();
  const name = (digest: string | null, place: string): void => {
    if (digest !== null && !named.has(digest)) named.set(digest, place);
  };
  interface Run {
    readonly id: string;
    readonly plan: string;
    readonly bundle: string | null;
  }
  for (const { id, plan, bundle } of store.rows<Run>('SELECT id, plan, bundle FROM runs')) {
    name(plan, `the plan of run ${id}`);
    name(bundle, `the bundle of run ${id}`);
  }
  for (const { document } of store.rows<{ readonly document: string }>('SELECT document FROM stages')) {
    const { run, stage, outputs } = JSON.parse(document) as StageRecord;
    for (const output of outputs) name(output.digest, `${stage}.${output.name} of run ${run}`);
  }
  for (const { key, outputs } of store.rows<{ readonly key: string; readonly outputs: string }>(
    'SELECT key, outputs FROM cache',
  )) {
    for (const output of JSON.parse(outputs) as StageOutput[])
      name(output.digest, `${output.name} under the key ${key}`);
  }
  interface Version {
    readonly model: string;
    readonly version: number;
    readonly bundle: string;
    readonly report: string | null;
  }
  for (const row of store.rows<Version>('SELECT model, version, bundle, report FROM versions')) {
    name(row.bundle, `${row.model} version ${row.version}`);
    name(row.report, `the report of ${row.model} version ${row.version}`);
  }
  for (const { model, version, verdict } of store.rows<{ model: string; version: number; verdict: string }>(
    'SELECT model, version, verdict FROM gates',
  ))
    name(verdict, `a verdict on ${model} version ${version}`);
  return named;
}

/**
 * I5, as far as a store shows it: every model's curve counts each epoch and step once, and no key was ever computed to
 * other bytes. That the weights are those of an undisturbed run only a comparison with one tells.
 */
export async function stepViolations(store: OpenedStore): Promise<string[]> {
  const found: string[] = [];
  for await (const digest of store.artifacts.list()) {
    const artifact = await store.artifacts.open(digest).catch(() => null);
    if (artifact?.manifest.kind !== 'model') continue;
    const { curve } = JSON.parse(await readFile(join(artifact.directory, 'model.json'), 'utf8')) as ModelDocument;
    const perEpoch = curve[0]?.step ?? 0;
    const wrong = curve.find(
      ({ epoch, step }, index) => epoch !== curve[0]!.epoch + index || step !== perEpoch * (index + 1),
    );
    if (wrong !== undefined) found.push(`I5: model ${digest} counts epoch ${wrong.epoch} at step ${wrong.step}`);
  }
  for (const { key } of store.rows<{ readonly key: string }>('SELECT key FROM cache_conflicts'))
    found.push(`I5: the key ${key} was computed to different bytes`);
  return found;
}
