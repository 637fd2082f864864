import { MillraceError, nearestName } from '../../pipelines/contracts/errors.js';
import type { Json } from '../../pipelines/contracts/json.js';
import type { ActKey, Decision, GateRecord, ModelVersion, VersionState } from '../../pipelines/contracts/registry.js';
import { actorOf, recallAct, recordAct } from './act-operations.js';
import { appendHistory } from './history-operations.js';
import { checkName, quoteName } from './names.js';
import { nextInSequence } from './sequences.js';
import { now, type Operation, row, rows, run, sql } from './statement.js';

interface VersionRow {
  readonly version: number;
  readonly bundle: string;
  readonly state: VersionState;
  readonly report: string | null;
  readonly lineage: string;
  readonly created_at: number;
}

interface NumberedName {
  readonly version: number;
  readonly name: string;
}

export function* listVersions(namespace: string, model: string): Operation<readonly ModelVersion[]> {
  checkName('registry.model', model);
  const found = yield* rows<VersionRow>(sql`
    SELECT version, bundle, state, report, lineage, created_at FROM versions
    WHERE namespace = ${namespace} AND model = ${model} ORDER BY version`);
  const runs = yield* rows<NumberedName>(sql`
    SELECT version, run AS name FROM version_runs WHERE namespace = ${namespace} AND model = ${model} ORDER BY ordinal`);
  const aliases = yield* rows<NumberedName>(sql`
    SELECT version, alias AS name FROM aliases WHERE namespace = ${namespace} AND model = ${model} ORDER BY alias`);
  return found.map((version) => toVersion(model, version, runs, aliases));
}

function toVersion(
  model: string,
  found: VersionRow,
  runs: readonly NumberedName[],
  aliases: readonly NumberedName[],
): ModelVersion {
  return {
    model,
    version: found.version,
    bundle: found.bundle,
    state: found.state,
    report: found.report,
    runs: runs.filter(({ version }) => version === found.version).map(({ name }) => name),
    lineage: JSON.parse(found.lineage) as Json,
    createdAt: new Date(found.created_at).toISOString(),
    aliases: aliases.filter(({ version }) => version === found.version).map(({ name }) => name),
  };
}

/** One version by number, or null. */
export function* findVersion(namespace: string, model: string, version: number): Operation<ModelVersion | null> {
  const found = yield* row<VersionRow>(sql`
    SELECT version, bundle, state, report, lineage, created_at FROM versions
    WHERE namespace = ${namespace} AND model = ${model} AND version = ${version}`);
  if (found === null) return null;
  const runs = yield* rows<NumberedName>(sql`
    SELECT version, run AS name FROM version_runs
    WHERE namespace = ${namespace} AND model = ${model} AND version = ${version} ORDER BY ordinal`);
  const aliases = yield* rows<NumberedName>(sql`
    SELECT version, alias AS name FROM aliases
    WHERE namespace = ${namespace} AND model = ${model} AND version = ${version} ORDER BY alias`);
  return toVersion(model, found, runs, aliases);
}

/** @throws MODEL_NOT_FOUND */
export function* requireVersion(namespace: string, model: string, version: number): Operation<ModelVersion> {
  checkName('registry.model', model);
  const found = yield* findVersion(namespace, model, version);
  if (found !== null) return found;
  yield* requireModel(namespace, model);
  const newest = yield* row<{ version: number }>(sql`
    SELECT max(version) AS version FROM versions WHERE namespace = ${namespace} AND model = ${model}`);
  throw new MillraceError('MODEL_NOT_FOUND', {
    path: `models.${model}`,
    expected: `a version from 1 to ${newest?.version ?? 1}`,
    received: String(version),
    hint: `\`millrace models show ${model}\` lists them.`,
  });
}

/** @throws MODEL_NOT_FOUND with the nearest name */
export function* requireModel(namespace: string, model: string): Operation<void> {
  const known = yield* rows<{ model: string }>(
    sql`SELECT DISTINCT model FROM versions WHERE namespace = ${namespace} ORDER BY model`,
  );
  if (known.some((candidate) => candidate.model === model)) return;
  const nearest = nearestName(
    model,
    known.map((candidate) => candidate.model),
  );
  throw new MillraceError('MODEL_NOT_FOUND', {
    path: `models.${model}`,
    expected: 'a registered model',
    received: quoteName(model),
    hint: nearest === null ? '`millrace models list` shows all models.' : `The nearest name is '${nearest}'.`,
  });
}

/** By number, alias or bundle digest. @throws MODEL_NOT_FOUND */
export function* selectVersion(namespace: string, model: string, selector: string): Operation<ModelVersion> {
  checkName('registry.model', model);
  if (/^\d{1,15}$/.test(selector)) return yield* requireVersion(namespace, model, Number(selector));
  const found = yield* row<{ version: number }>(sql`
    SELECT version FROM aliases WHERE namespace = ${namespace} AND model = ${model} AND alias = ${selector}
    UNION ALL
    SELECT version FROM versions WHERE namespace = ${namespace} AND model = ${model} AND bundle = ${selector}
    LIMIT 1`);
  if (found !== null) return yield* requireVersion(namespace, model, found.version);
  yield* requireModel(namespace, model);
  const aliases = yield* rows<{ alias: string }>(
    sql`SELECT alias FROM aliases WHERE namespace = ${namespace} AND model = ${model} ORDER BY alias`,
  );
  const nearest = nearestName(
    selector,
    aliases.map(({ alias }) => alias),
  );
  throw new MillraceError('MODEL_NOT_FOUND', {
    path: `models.${model}`,
    expected: "a version's number, alias or bundle digest",
    received: quoteName(selector),
    hint: nearest === null ? `\`millrace models show ${model}\` lists them.` : `The nearest alias is '${nearest}'.`,
  });
}

export function* listModels(
  namespace: string,
): Operation<
  readonly { readonly model: string; readonly versions: number; readonly aliases: Readonly<Record<string, number>> }[]
> {
  const models = yield* rows<{ model: string; versions: number }>(sql`
    SELECT model, count(*) AS versions FROM versions WHERE namespace = ${namespace} GROUP BY model ORDER BY model`);
  const aliases = yield* rows<{ model: string; alias: string; version: number }>(
    sql`SELECT model, alias, version FROM aliases WHERE namespace = ${namespace} ORDER BY model, alias`,
  );
  return models.map(({ model, versions }) => ({
    model,
    versions,
    aliases: Object.fromEntries(
      aliases.filter((entry) => entry.model === model).map((entry) => [entry.alias, entry.version]),
    ),
  }));
}

export interface NewVersion {
  readonly model: string;
  readonly bundle: string;
  readonly report: string | null;
  readonly lineage: Json;
}

export function* registerVersion(
  namespace: string,
  act: ActKey,
  candidate: NewVersion,
): Operation<{ readonly version: ModelVersion; readonly created: boolean }> {
  const { model, bundle, report } = candidate;
  checkName('registry.register.model', model);
  const recorded = yield* recallAct<{ version: number; created: boolean }>(namespace, act, 'register', model);
  if (recorded !== null) {
    return { version: yield* requireVersion(namespace, model, recorded.version), created: recorded.created };
  }
  const known = yield* row<{ version: number }>(sql`
    SELECT version FROM versions WHERE namespace = ${namespace} AND model = ${model} AND bundle = ${bundle}`);
  const version = known?.version ?? (yield* nextVersion(namespace, model));
  const created = known === null;
  if (created) {
    const at = yield* now();
    yield* run(sql`
      INSERT INTO versions (namespace, model, version, bundle, state, report, lineage, created_at)
      VALUES (${namespace}, ${model}, ${version}, ${bundle}, 'registered', ${report},
        ${JSON.stringify(candidate.lineage)}, ${at})`);
    const decision = { actor: actorOf(act), reason: 'registered', evidence: report };
    yield* appendHistory(namespace, { model, kind: 'register', version, decision });
  } else if (report !== null) {
    yield* run(sql`
      UPDATE versions SET report = ${report}
      WHERE namespace = ${namespace} AND model = ${model} AND version = ${version}`);
  }
  const ordinal = yield* nextInSequence(namespace, 'version_runs');
  yield* run(sql`
    INSERT INTO version_runs (namespace, model, version, run, ordinal)
    VALUES (${namespace}, ${model}, ${version}, ${act.run}, ${ordinal})
    ON CONFLICT (namespace, model, version, run) DO NOTHING`);
  yield* recordAct(namespace, act, 'register', model, { version, created });
  return { version: (yield* findVersion(namespace, model, version))!, created };
}

function* nextVersion(namespace: string, model: string): Operation<number> {
  const newest = yield* row<{ version: number | null }>(
    sql`SELECT max(version) AS version FROM versions WHERE namespace = ${namespace} AND model = ${model}`,
  );
  return (newest?.version ?? 0) + 1;
}

export function* recordGate(namespace: string, act: ActKey, record: GateRecord): Operation<void> {
  const { model, version, passed, verdict } = record;
  yield* requireVersion(namespace, model, version);
  const subject = `${model}@${version}`;
  const recorded = yield* recallAct<{ verdict: string }>(namespace, act, 'gate', subject);
  if (recorded?.verdict === verdict) return;
  const ordinal = yield* nextInSequence(namespace, 'gates');
  yield* run(sql`
    INSERT INTO gates (namespace, model, version, run, stage, ordinal, passed, verdict)
    VALUES (${namespace}, ${model}, ${version}, ${record.run}, ${record.stage}, ${ordinal}, ${passed ? 1 : 0},
      ${verdict})
    ON CONFLICT (namespace, model, version, run, stage)
      DO UPDATE SET ordinal = excluded.ordinal, passed = excluded.passed, verdict = excluded.verdict`);
  const decision: Decision = { actor: actorOf(act), reason: passed ? 'passed' : 'blocked', evidence: verdict };
  yield* appendHistory(namespace, { model, kind: 'gate', version, decision });
  yield* recordAct(namespace, act, 'gate', subject, { passed, verdict });
}

export function* listGateRecords(namespace: string, model: string, version: number): Operation<readonly GateRecord[]> {
  checkName('registry.model', model);
  const found = yield* rows<{ run: string; stage: string; passed: number; verdict: string }>(sql`
    SELECT run, stage, passed, verdict FROM gates
    WHERE namespace = ${namespace} AND model = ${model} AND version = ${version} ORDER BY ordinal`);
  return found.map((gate) => ({
    run: gate.run,
    stage: gate.stage,
    model,
    version,
    passed: gate.passed === 1,
    verdict: gate.verdict,
  }));
}
