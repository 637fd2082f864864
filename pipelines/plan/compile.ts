import { MillraceError, throwProblems } from '../contracts/errors.js';
import type { Json } from '../contracts/json.js';
import { type BuildNode, constructorOf, type DatasetNode, nodeOf, recordBuild } from '../define/build-node.js';
import { parseParams } from '../define/params.js';
import { describeValue } from '../define/parse-options.js';
import type { Pipeline } from '../define/pipeline.js';
import { leakProblems } from './leaks.js';
import { type Draft, inputsOf, isWritten, lowerNode } from './lower.js';
import { type Plan, type PlanStage, planSchema } from './schema.js';

/** A function of the user's that a custom stage calls: where it is exported. */
export interface CustomExport {
  readonly module: string;
  readonly name: string;
}

/** Names the export that a function is, or null where it is not exported. Filled in by the bundler. */
export type FindExport = (run: (...values: never[]) => unknown) => CustomExport | null;

/**
 * Runs a pipeline's `build` once and lowers what it returned to a plan. Deterministic: equal pipelines and params give equal plans.
 * A custom stage's `options.export` names its export; the caller replaces it with the digest of that export's bundle.
 *
 * @throws PARAMS_INVALID, PIPELINE_INVALID, STAGE_UNUSED, STAGE_LEAKS_TEST, CUSTOM_NOT_EXPORTED - every problem at once.
 */
export function compilePlan(pipeline: Pipeline, values: Readonly<Record<string, unknown>>, findExport: FindExport): Plan {
  const params = parseParams(pipeline.params, values);
  const { result, made } = recordBuild(() => pipeline.build({ params }));
  const returned = returnedNodes(result);
  const ids = nameStages(returned);
  const reachable = new Set(ids.keys());
  throwProblems([
    ...made
      .filter((node) => !reachable.has(node))
      .map(
        (node) =>
          new MillraceError('STAGE_UNUSED', {
            path: `${pipeline.name}.build`,
            expected: 'every stage to be returned, or read by one that is',
            received: `what ${constructorOf[node.kind]} returned, which nothing reads`,
            hint: 'Return it, or remove the call.',
          }),
      ),
    ...leakProblems(reachable, ids),
  ]);
  const consumers = consumersOf(reachable);
  const context = {
    ids,
    isWritten: (node: DatasetNode) => isWritten(node, consumers.get(node) ?? [], [...returned.values()].includes(node)),
    findExport,
  };
  const stages = [...reachable].flatMap((node) => lowerNode(node, context)).map(toStage);
  return planSchema.parse({ formatVersion: 1, pipeline: pipeline.name, params: jsonOf(params), stages: sortStages(stages) });
}

function returnedNodes(result: unknown): ReadonlyMap<string, BuildNode> {
  if (typeof result !== 'object' || result === null || Array.isArray(result)) {
    throw new MillraceError('PIPELINE_INVALID', { path: 'build', expected: 'an object of stages', received: describeValue(result), hint: 'Return the stages by name: return { rows, model, report };' });
  }
  const entries = Object.entries(result);
  if (entries.length === 0) throw new MillraceError('PIPELINE_INVALID', { path: 'build', expected: 'at least one stage', received: 'an empty object' });
  const problems: MillraceError[] = [];
  const nodes = new Map<string, BuildNode>();
  for (const [id, value] of entries) {
    try {
      if (!/^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(id)) {
        throw new MillraceError('NAME_INVALID', { path: `build.${id}`, expected: 'a stage id of 1 to 64 letters, digits and _, a letter first', received: describeValue(id) });
      }
      const node = nodeOf(value, Object.keys(constructorOf) as BuildNode['kind'][], `build.${id}`);
      if ([...nodes.values()].includes(node)) {
        throw new MillraceError('PIPELINE_INVALID', { path: `build.${id}`, expected: 'each stage once', received: 'a stage that is returned under another name already' });
      }
      nodes.set(id, node);
    } catch (error) {
      problems.push(error as MillraceError);
    }
  }
  throwProblems(problems);
  return nodes;
}

/** Ids in depth-first order: returned keys, else `<first consumer>/<input>`. The map's order is topological. */
function nameStages(returned: ReadonlyMap<string, BuildNode>): ReadonlyMap<BuildNode, string> {
  const names = new Map<BuildNode, string>([...returned].map(([id, node]) => [node, id]));
  const ordered = new Map<BuildNode, string>();
  const visit = (node: BuildNode, id: string): void => {
    if (ordered.has(node)) return;
    const name = names.get(node) ?? id;
    for (const [input, dependency] of inputsOf(node)) visit(dependency, `${name}/${input}`);
    ordered.set(node, name);
  };
  for (const [id, node] of returned) visit(node, id);
  return ordered;
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
  return { ...draft, inputs: { ...draft.inputs }, options: draft.options as PlanStage['options'], after: [...draft.after] };
}

/** Every stage after what it needs, otherwise in the order given. @throws PLAN_CYCLE */
export function sortStages(stages: readonly PlanStage[]): PlanStage[] {
  const byId = new Map(stages.map((stage) => [stage.id, stage]));
  const sorted = new Map<string, PlanStage>();
  const visit = (stage: PlanStage, path: readonly string[]): void => {
    if (sorted.has(stage.id)) return;
    if (path.includes(stage.id)) {
      throw new MillraceError('PLAN_CYCLE', { path: `plan.stages.${stage.id}`, expected: 'a graph without circles', received: [...path, stage.id].join(' → ') });
    }
    for (const need of needsOf(stage)) {
      const dependency = byId.get(need);
      if (dependency === undefined) throw new MillraceError('PLAN_INVALID', { path: `plan.stages.${stage.id}`, expected: 'inputs that are stages of the plan', received: `'${need}'` });
      visit(dependency, [...path, stage.id]);
    }
    sorted.set(stage.id, stage);
  };
  for (const stage of stages) visit(stage, []);
  return [...sorted.values()];
}

/** The ids of the stages that have to be settled before this one. */
export function needsOf(stage: PlanStage): readonly string[] {
  return [...new Set([...Object.values(stage.inputs).map((input) => input.stage), ...stage.after])];
}

function jsonOf(value: unknown): Json {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(jsonOf);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined).map(([name, member]) => [name, jsonOf(member)]));
  }
  return (value ?? null) as Json;
}

