import { MillraceError, type MillraceErrors, throwProblems } from '../../pipelines/contracts/errors.js';
import type { ActKey, AliasMove, Decision, EndpointBinding, ModelVersion } from '../../pipelines/contracts/registry.js';
import { recallAct, recordAct } from './act-operations.js';
import { appendHistory } from './history-operations.js';
import { checkAlias, checkName } from './names.js';
import { nextInSequence, sequenceValue } from './sequences.js';
import { type Operation, Refusal, row, rows, run, sql } from './statement.js';
import { findVersion, requireModel, requireVersion } from './version-operations.js';

function* aliasVersion(namespace: string, model: string, alias: string): Operation<number | null> {
  const found = yield* row<{ version: number }>(
    sql`SELECT version FROM aliases WHERE namespace = ${namespace} AND model = ${model} AND alias = ${alias}`,
  );
  return found?.version ?? null;
}

export function* getAlias(namespace: string, model: string, alias: string): Operation<ModelVersion | null> {
  const version = yield* aliasVersion(namespace, model, alias);
  return version === null ? null : yield* findVersion(namespace, model, version);
}

function* setAlias(namespace: string, model: string, alias: string, version: number | null): Operation<void> {
  if (version === null) {
    yield* run(sql`DELETE FROM aliases WHERE namespace = ${namespace} AND model = ${model} AND alias = ${alias}`);
  } else {
    yield* run(sql`
      INSERT INTO aliases (namespace, model, alias, version) VALUES (${namespace}, ${model}, ${alias}, ${version})
      ON CONFLICT (namespace, model, alias) DO UPDATE SET version = excluded.version`);
  }
}

function* setState(namespace: string, model: string, version: number, state: ModelVersion['state']): Operation<void> {
  yield* run(sql`
    UPDATE versions SET state = ${state}
    WHERE namespace = ${namespace} AND model = ${model} AND version = ${version}`);
}

function* hasPassedGate(namespace: string, model: string, version: number): Operation<boolean> {
  const found = yield* row<{ run: string }>(sql`
    SELECT run FROM gates
    WHERE namespace = ${namespace} AND model = ${model} AND version = ${version} AND passed = 1 LIMIT 1`);
  return found !== null;
}

function gateRequired(model: string, version: number): MillraceError {
  return new MillraceError('GATE_REQUIRED', {
    path: `models.${model}.${version}`,
    expected: 'a version with a passing gate record',
    received: 'a version without one',
    hint: 'Run a pipeline that gates this version.',
  });
}

function versionText(version: number | null): string {
  return version === null ? 'no version' : `version ${version}`;
}

/** What stands against one move, the most lasting reason first; null for nothing. */
function* findObstacle(namespace: string, move: AliasMove): Operation<MillraceError | null> {
  const { model, alias, version, expected } = move;
  if (version !== null) {
    const { state } = yield* requireVersion(namespace, model, version);
    if (state !== 'registered' && move.readmit !== true) {
      return new MillraceError('GATE_VERSION_REVOKED', {
        path: `models.${model}.${version}`,
        expected: 'a version that nobody rejected or rolled back',
        received: `one that was ${state === 'rejected' ? 'rejected' : 'rolled back'}`,
        hint: `\`millrace models promote ${model} ${version} --reason TEXT\` admits it again.`,
      });
    }
    if (!(yield* hasPassedGate(namespace, model, version))) return gateRequired(model, version);
  }
  const current = yield* aliasVersion(namespace, model, alias);
  if (current === expected) return null;
  return new MillraceError('REGISTRY_CONFLICT', {
    path: `models.${model}@${alias}`,
    expected: `${versionText(expected)} at the time of the move`,
    received: versionText(current),
    hint: 'Judge the candidate against the present version and move again.',
    details: { model, alias, expected, current },
  });
}

/** Compare-and-set of several aliases: all or none. A refused move leaves a line in the history. */
export function* moveAliases(
  namespace: string,
  act: ActKey | null,
  moves: readonly AliasMove[],
  decision: Decision,
): Operation<{ readonly moved: readonly AliasMove[] } | Refusal> {
  const seen = new Set<string>();
  for (const [index, { model, alias }] of moves.entries()) {
    checkName(`registry.moves.${index}.model`, model);
    checkAlias(`registry.moves.${index}.alias`, alias);
    const place = `${model}@${alias}`;
    if (seen.has(place)) {
      throw new MillraceError('CONFIG_INVALID', {
        path: `registry.moves.${index}`,
        expected: 'each alias once',
        received: `'${place}' again`,
      });
    }
    seen.add(place);
  }
  const subject = [...seen].sort().join(' ');
  if (act !== null) {
    const recorded = yield* recallAct<{ moved: readonly AliasMove[] }>(namespace, act, 'promote', subject);
    if (recorded !== null) return recorded;
  }
  const problems: MillraceError[] = [];
  for (const move of moves) {
    const problem = yield* findObstacle(namespace, move);
    if (problem === null) continue;
    problems.push(problem);
    yield* appendHistory(namespace, {
      model: move.model,
      kind: 'refused',
      version: move.version,
      alias: move.alias,
      fromVersion: move.expected,
      decision: { ...decision, reason: `${problem.code}: ${decision.reason}` },
    });
  }
  if (problems.length > 0) return new Refusal(asOneError(problems));
  const moved = moves.filter(({ expected, version }) => expected !== version);
  for (const { model, alias, expected, version, readmit } of moved) {
    if (readmit === true && version !== null) yield* readmitVersion(namespace, model, version, decision);
    yield* setAlias(namespace, model, alias, version);
    yield* appendHistory(namespace, { model, kind: 'promote', version, alias, fromVersion: expected, decision });
  }
  if (moved.length > 0) yield* nextInSequence(namespace, 'revision');
  if (act !== null) {
    const outcome = moved.map(({ model, alias, expected, version }) => ({ model, alias, expected, version }));
    yield* recordAct(namespace, act, 'promote', subject, { moved: outcome });
  }
  return { moved };
}

function asOneError(problems: readonly MillraceError[]): MillraceError | MillraceErrors {
  try {
    throwProblems(problems);
  } catch (error) {
    return error as MillraceError;
  }
  throw new RangeError('asOneError needs a problem');
}

export function* rejectVersion(namespace: string, model: string, version: number, decision: Decision): Operation<void> {
  const { state, aliases } = yield* requireVersion(namespace, model, version);
  if (aliases.length > 0) {
    throw new MillraceError('REGISTRY_CONFLICT', {
      path: `models.${model}.${version}`,
      expected: 'a version that no alias names',
      received: `the ${aliases.join(' and ')}`,
      hint: `\`millrace models rollback ${model}\` takes it out of service first.`,
    });
  }
  if (state === 'rejected') return;
  yield* setState(namespace, model, version, 'rejected');
  yield* appendHistory(namespace, { model, kind: 'reject', version, decision });
  yield* nextInSequence(namespace, 'revision');
}

/**
 * Back to the version that held the alias before and is not revoked, by the order of the history;
 * where there is none, the alias goes.
 */
export function* rollbackAlias(
  namespace: string,
  model: string,
  alias: string,
  decision: Decision,
): Operation<{ readonly from: number; readonly to: number | null }> {
  checkName('registry.rollback.model', model);
  yield* requireModel(namespace, model);
  const from = yield* aliasVersion(namespace, model, alias);
  if (from === null) {
    throw new MillraceError('MODEL_NOT_FOUND', {
      path: `models.${model}@${alias}`,
      expected: 'an alias that names a version',
      received: 'none',
      hint: `\`millrace models show ${model}\` lists the aliases.`,
    });
  }
  const before = yield* row<{ version: number }>(sql`
    SELECT history.version AS version FROM history
    JOIN versions ON versions.namespace = history.namespace AND versions.model = history.model
      AND versions.version = history.version
    WHERE history.namespace = ${namespace} AND history.model = ${model} AND history.alias = ${alias}
      AND history.kind IN ('promote', 'rollback') AND history.version <> ${from} AND versions.state = 'registered'
    ORDER BY history.sequence DESC LIMIT 1`);
  const to = before?.version ?? null;
  yield* setState(namespace, model, from, 'rolledBack');
  yield* setAlias(namespace, model, alias, to);
  yield* appendHistory(namespace, { model, kind: 'rollback', version: to, alias, fromVersion: from, decision });
  yield* nextInSequence(namespace, 'revision');
  return { from, to };
}

export function* readmitVersion(
  namespace: string,
  model: string,
  version: number,
  decision: Decision,
): Operation<void> {
  const { state } = yield* requireVersion(namespace, model, version);
  if (!(yield* hasPassedGate(namespace, model, version))) throw gateRequired(model, version);
  if (state === 'registered') return;
  yield* setState(namespace, model, version, 'registered');
  yield* appendHistory(namespace, { model, kind: 'readmit', version, decision });
  yield* nextInSequence(namespace, 'revision');
}

export function* bindEndpoint(
  namespace: string,
  act: ActKey | null,
  binding: EndpointBinding,
  decision: Decision,
): Operation<{ readonly changed: boolean }> {
  const { endpoint, model, alias } = binding;
  checkName('registry.endpoint', endpoint);
  checkName('registry.model', model);
  checkAlias('registry.alias', alias);
  if (act !== null) {
    const recorded = yield* recallAct<{ changed: boolean }>(namespace, act, 'deploy', endpoint);
    if (recorded !== null) return recorded;
  }
  yield* requireModel(namespace, model);
  const current = yield* row<{ model: string; alias: string }>(
    sql`SELECT model, alias FROM endpoints WHERE namespace = ${namespace} AND endpoint = ${endpoint}`,
  );
  const changed = current?.model !== model || current.alias !== alias;
  if (changed) {
    yield* run(sql`
      INSERT INTO endpoints (namespace, endpoint, model, alias)
      VALUES (${namespace}, ${endpoint}, ${model}, ${alias})
      ON CONFLICT (namespace, endpoint) DO UPDATE SET model = excluded.model, alias = excluded.alias`);
    const version = yield* aliasVersion(namespace, model, alias);
    yield* appendHistory(namespace, { model, kind: 'deploy', version, alias, endpoint, decision });
    yield* nextInSequence(namespace, 'revision');
  }
  if (act !== null) yield* recordAct(namespace, act, 'deploy', endpoint, { changed });
  return { changed };
}

export function* listEndpoints(namespace: string): Operation<readonly EndpointBinding[]> {
  return yield* rows<EndpointBinding>(
    sql`SELECT endpoint, model, alias FROM endpoints WHERE namespace = ${namespace} ORDER BY endpoint`,
  );
}

export function* getRevision(namespace: string): Operation<number> {
  return yield* sequenceValue(namespace, 'revision');
}
