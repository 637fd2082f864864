import { isMillraceError, MillraceError, MillraceErrors, throwProblems } from '../contracts/errors.js';
import { type BuildNode, constructorOf, type DatasetNode, recordBuild } from '../define/build-node.js';
import { parseParams } from '../define/params.js';
import { parseOptions } from '../define/parse-options.js';
import type { Pipeline } from '../define/pipeline.js';
import type { Draft, FindExport, LowerContext } from './draft.js';
import { leakProblems } from './leaks.js';
import { lowerNode } from './lower.js';
import { isWritten } from './lower-relation.js';
import { inputsOf } from './node-inputs.js';
import { paramsJson } from './params-json.js';
import { type Plan, type PlanStage, planSchema } from './schema.js';
import { sortStages } from './sort-stages.js';
import { nameStages, returnedNodes } from './stage-ids.js';

export type { CustomExport, FindExport } from './draft.js';
export { needsOf } from './sort-stages.js';

/**
 * Runs a pipeline's `build` once and lowers what it returned to a plan. Deterministic: equal pipelines and params give equal plans.
 * A custom stage's `options.export` names its export; the caller replaces it with the digest of that export's bundle.
 *
 * @throws PARAMS_INVALID, PIPELINE_INVALID, STAGE_UNUSED, STAGE_LEAKS_TEST, CUSTOM_NOT_EXPORTED - every problem at once.
 */
export function compilePlan(
  pipeline: Pipeline,
  values: Readonly<Record<string, unknown>>,
  findExport: FindExport,
): Plan {
  const params = parseParams(pipeline.params, values);
  const { result, made } = recordBuild(() => pipeline.build({ params }));
  const returned = returnedNodes(result);
  const ids = nameStages(returned);
  const reachable = new Set(ids.keys());
  const results = new Set(returned.values());
  const consumers = consumersOf(reachable);
  const { drafts, problems } = lowerAll(reachable, {
    ids,
    isWritten: (node: DatasetNode) => isWritten(node, consumers.get(node) ?? [], results.has(node)),
    findExport,
  });
  throwProblems([...unusedProblems(pipeline.name, made, reachable), ...leakProblems(reachable, ids), ...problems]);
  const plan = {
    formatVersion: 1,
    pipeline: pipeline.name,
    params: paramsJson(params, 'params'),
    stages: sortStages(drafts.map(toStage)),
  };
  return parseOptions<Plan>(planSchema, plan, 'plan', 'PLAN_INVALID');
}

function unusedProblems(
  pipeline: string,
  made: readonly BuildNode[],
  reachable: ReadonlySet<BuildNode>,
): readonly MillraceError[] {
  return made
    .filter((node) => !reachable.has(node))
    .map(
      (node) =>
        new MillraceError('STAGE_UNUSED', {
          path: `${pipeline}.build`,
          expected: 'every stage to be returned, or read by one that is',
          received: `what ${constructorOf[node.kind]} returned, which nothing reads`,
          hint: 'Return it, or remove the call.',
        }),
    );
}

function lowerAll(
  nodes: ReadonlySet<BuildNode>,
  context: LowerContext,
): { readonly drafts: readonly Draft[]; readonly problems: readonly MillraceError[] } {
  const drafts: Draft[] = [];
  const problems: MillraceError[] = [];
  for (const node of nodes) {
    try {
      drafts.push(...lowerNode(node, context));
    } catch (error) {
      if (!isMillraceError(error)) throw error;
      problems.push(...(error instanceof MillraceErrors ? error.problems : [error]));
    }
  }
  return { drafts, problems };
}

function consumersOf(nodes: ReadonlySet<BuildNode>): ReadonlyMap<BuildNode, readonly BuildNode[]> {
  const consumers = new Map<BuildNode, BuildNode[]>();
  for (const node of nodes) {
    for (const dependency of new Set(inputsOf(node).map(([, input]) => input))) {
      // A split is an expression: who reads it reads the dataset below it.
      consumers.set(dependency, [...(consumers.get(dependency) ?? []), node]);
    }
  }
  return consumers;
}

function toStage(draft: Draft): PlanStage {
  return {
    ...draft,
    inputs: { ...draft.inputs },
    options: draft.options as PlanStage['options'],
    after: [...draft.after],
  };
}
