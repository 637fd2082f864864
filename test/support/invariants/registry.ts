import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Verdict } from '../../../operators/gate/verdict.js';
import type { HistoryEntry, ModelVersion } from '../../../pipelines/contracts/registry.js';
import type { OpenedStore } from './opened-store.js';

interface AliasRow {
  readonly model: string;
  readonly alias: string;
  readonly version: number;
}

/** I1: an alias names one version that exists, and the history, whole, tells of that one. */
export async function aliasViolations(store: OpenedStore): Promise<string[]> {
  const { registry } = store.metadata;
  const found: string[] = [];
  const altered = await registry.verifyHistory();
  if (altered !== null) found.push(`I1: the history was altered at entry ${altered}`);
  const told = aliasesOf(await registry.history(null));
  const kept = new Map<string, number[]>();
  for (const { model, alias, version } of store.rows<AliasRow>('SELECT model, alias, version FROM aliases')) {
    const place = `${model}@${alias}`;
    kept.set(place, [...(kept.get(place) ?? []), version]);
    const versions = await registry.versions(model);
    if (!versions.some((one) => one.version === version))
      found.push(`I1: ${place} names version ${version}, which does not exist`);
  }
  for (const place of new Set([...told.keys(), ...kept.keys()])) {
    const versions = kept.get(place) ?? [];
    const last = told.get(place) ?? null;
    if (versions.length > 1) found.push(`I1: ${place} names ${versions.length} versions: ${versions.join(', ')}`);
    else if ((versions[0] ?? null) !== last)
      found.push(`I1: ${place} names version ${versions[0] ?? 'none'}, its history ends at ${last ?? 'none'}`);
  }
  return found;
}

/** Where the moves of the history leave every alias; null where it was taken away. */
function aliasesOf(history: readonly HistoryEntry[]): ReadonlyMap<string, number | null> {
  const moves = history.filter(({ kind, alias }) => alias !== null && (kind === 'promote' || kind === 'rollback'));
  return new Map(moves.map(({ model, alias, version }) => [`${model}@${alias}`, version]));
}

/** I2: every byte of every registered version, and so of what endpoints serve, is what its manifest says. */
export async function bundleViolations(store: OpenedStore): Promise<string[]> {
  const { registry } = store.metadata;
  const found: string[] = [];
  for (const { model } of await registry.models()) {
    for (const { version, bundle } of await registry.versions(model)) {
      const problem = await problemOf(store.artifacts.verify(bundle));
      if (problem !== null) found.push(`I2: ${model} version ${version}: ${problem}`);
    }
  }
  for (const { endpoint, model, alias } of await registry.endpoints()) {
    if ((await registry.versions(model)).length === 0)
      found.push(`I2: endpoint ${endpoint} serves ${model}@${alias}, a model without versions`);
  }
  return found;
}

/** I2: an endpoint server has loaded the very bundles that the registry names. */
export async function servedViolations(store: OpenedStore, server: string): Promise<string[]> {
  interface Served {
    readonly endpoint: string;
    readonly model: string;
    readonly alias: string;
    readonly bundle: string | null;
  }
  const { endpoints } = (await (await fetch(`${server}/endpoints`)).json()) as {
    readonly endpoints: readonly Served[];
  };
  const found: string[] = [];
  for (const { endpoint, model, alias, bundle } of endpoints) {
    const named = (await store.metadata.registry.alias(model, alias))?.bundle ?? null;
    if (bundle !== named)
      found.push(
        `I2: endpoint ${endpoint} serves ${bundle ?? 'nothing'}, ${model}@${alias} names ${named ?? 'nothing'}`,
      );
  }
  return found;
}

/** I3: whatever was promoted had passed a gate before, and the record and its verdict say so of these very bytes. */
export async function gateViolations(store: OpenedStore): Promise<string[]> {
  const { registry } = store.metadata;
  const found: string[] = [];
  const history = await registry.history(null);
  const versions = new Map<string, readonly ModelVersion[]>();
  for (const { model } of await registry.models()) versions.set(model, await registry.versions(model));
  const promoted = new Map<string, { readonly model: string; readonly version: number }>();
  for (const entry of history) {
    if (entry.version === null || (entry.kind !== 'promote' && entry.kind !== 'rollback')) continue;
    const { model, version } = entry;
    promoted.set(`${model} version ${version}`, { model, version });
    const hasPassed = history.some(
      (one) =>
        one.kind === 'gate' &&
        one.model === model &&
        one.version === version &&
        one.sequence < entry.sequence &&
        one.decision.reason === 'passed',
    );
    if (!hasPassed) found.push(`I3: ${model} version ${version} was promoted before a gate let it pass`);
  }
  for (const [model, list] of versions) {
    for (const { version, aliases } of list)
      if (aliases.length > 0) promoted.set(`${model} version ${version}`, { model, version });
  }
  for (const [name, { model, version }] of promoted) {
    const bundle = versions.get(model)?.find((one) => one.version === version)?.bundle;
    const passed = (await registry.gateRecords(model, version)).filter((record) => record.passed);
    if (passed.length === 0) found.push(`I3: ${name} was promoted without a passing gate record`);
    for (const { verdict } of passed) {
      const problem = await problemOf(checkVerdict(store, verdict, bundle));
      if (problem !== null) found.push(`I3: ${name}: ${problem}`);
    }
  }
  return found;
}

async function checkVerdict(store: OpenedStore, digest: string, bundle: string | undefined): Promise<void> {
  const { directory } = await store.artifacts.open(digest);
  const verdict = JSON.parse(await readFile(join(directory, 'verdict.json'), 'utf8')) as Verdict;
  if (!verdict.passed || verdict.gates.some((gate) => !gate.passed))
    throw new Error('its passing record has a verdict that does not pass');
  if (verdict.bundle !== bundle) throw new Error('its verdict judged another bundle');
}

/** What a check says against it; null for nothing. */
export async function problemOf(check: Promise<unknown>): Promise<string | null> {
  try {
    await check;
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
