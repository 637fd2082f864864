import { describeRelation } from '../../operators/sql/describe-relation.js';
import { isMillraceError, type MillraceError, throwProblems } from '../../pipelines/contracts/errors.js';
import type { Json } from '../../pipelines/contracts/json.js';
import type { SqlEngine } from '../../pipelines/contracts/sql.js';
import { digestOf } from '../../pipelines/plan/digest.js';
import type { Relation } from '../../pipelines/plan/relation.js';
import type { Plan } from '../../pipelines/plan/schema.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { operatorDigest } from '../operator-digests.js';
import type { Services } from '../services.js';

/**
 * Describes every SQL stage of a plan against its sources without running it: syntax, unknown columns, types that do not fit.
 * Remembered by the plan's SQL and the states of its sources.
 *
 * @throws SQL_INVALID, SQL_UNKNOWN_COLUMN, SQL_REFUSED, SOURCE_NOT_FOUND, DATA_TYPE - every problem at once. CANCELLED
 */
export async function checkPlan(
  services: Services,
  plan: Plan,
  root: string,
  signal: AbortSignal,
  onStage: (stage: string) => void = () => {},
): Promise<void> {
  // Sniffing a large file takes a while: the signal reaches its statements.
  const sql: SqlEngine = { ...services.sql, open: (options) => services.sql.open({ ...options, signal }) };
  const problems: MillraceError[] = [];
  const described = new Map<string, readonly Column[]>();
  for (const stage of plan.stages) {
    if (stage.operator !== 'sql' && stage.operator !== 'ingest') {
      const { columns } = (stage.options ?? {}) as { readonly columns?: readonly Column[] | null };
      if (stage.operator === 'custom' && columns) described.set(stage.id, columns);
      continue;
    }
    const { relation, columns } = stage.options as unknown as {
      readonly relation: Relation;
      readonly columns: readonly Column[] | null;
    };
    const inputs: Record<string, readonly Column[]> = {};
    let isKnown = true;
    for (const [name, input] of Object.entries(stage.inputs)) {
      const known = described.get(input.stage);
      if (known === undefined) isKnown = false;
      else inputs[name] = known;
    }
    if (columns !== null) described.set(stage.id, columns);
    if (!isKnown) continue;
    onStage(stage.id);
    try {
      const found = await describeMemoized({ ...services, sql }, relation, inputs, root, stage.id, signal);
      if (columns === null) described.set(stage.id, found);
    } catch (error) {
      if (!isMillraceError(error) || error.code === 'CANCELLED') throw error;
      problems.push(error);
    }
  }
  throwProblems(onceEach(problems));
}

/** A text that several stages are made of is wrong in each of them: the first one tells it. */
function onceEach(problems: readonly MillraceError[]): readonly MillraceError[] {
  const byMistake = new Map<string, MillraceError>();
  for (const problem of problems) {
    const { code, path, expected, received, details } = problem;
    const place = details['excerpt'] === undefined ? path : /(:\d+)*$/.exec(path)?.[0];
    const mistake = JSON.stringify([code, place, expected, received, details['excerpt'] ?? null]);
    if (!byMistake.has(mistake)) byMistake.set(mistake, problem);
  }
  return [...byMistake.values()];
}

async function describeMemoized(
  services: Services,
  relation: Relation,
  inputs: Readonly<Record<string, readonly Column[]>>,
  root: string,
  path: string,
  signal: AbortSignal,
): Promise<readonly Column[]> {
  const files = await Promise.all(sourcesOf(relation).map((pattern) => services.sources(root, pattern, path, signal)));
  const key = digestOf([
    services.sql.version,
    operatorDigest('sql'),
    relation,
    inputs,
    files.flat().map((file) => file.sha256),
  ]);
  const known = await services.metadata.memo('describe', key);
  if (known !== null) return known as unknown as readonly Column[];
  const columns = await describeRelation(services.sql, relation, inputs, root, path);
  await services.metadata.putMemo('describe', key, columns as unknown as Json);
  return columns;
}

function sourcesOf(relation: Relation): readonly string[] {
  if (relation.kind === 'source') return [relation.source.path];
  if (relation.kind === 'input') return [];
  return relation.relations.flatMap(sourcesOf);
}
