import { isMillraceError, MillraceError, throwProblems } from '../contracts/errors.js';
import { type BuildNode, constructorOf, nodeOf } from '../define/build-node.js';
import { describeValue } from '../define/describe-value.js';
import { checkStageName } from '../define/names.js';
import { inputsOf } from './node-inputs.js';

const everyKind = Object.keys(constructorOf) as BuildNode['kind'][];

/** The stages that `build` returned, by id, in its order. @throws PIPELINE_INVALID, NAME_INVALID - every problem at once */
export function returnedNodes(result: unknown): ReadonlyMap<string, BuildNode> {
  if (typeof result !== 'object' || result === null || Array.isArray(result) || result instanceof Promise) {
    throw new MillraceError('PIPELINE_INVALID', {
      path: 'build',
      expected: 'an object of stages',
      received: describeValue(result),
      hint:
        result instanceof Promise
          ? 'Take away async: build describes work and does none.'
          : 'Return the stages by name: return { rows, model, report };',
    });
  }
  const entries = Object.entries(result);
  if (entries.length === 0) {
    throw new MillraceError('PIPELINE_INVALID', {
      path: 'build',
      expected: 'at least one stage',
      received: 'an empty object',
    });
  }
  const problems: MillraceError[] = [];
  const ids = new Map<BuildNode, string>();
  for (const [id, value] of entries) {
    try {
      checkStageName(id, `build.${id}`);
      const node = nodeOf(value, everyKind, `build.${id}`);
      const known = ids.get(node);
      if (known !== undefined) {
        throw new MillraceError('PIPELINE_INVALID', {
          path: `build.${id}`,
          expected: 'each stage once',
          received: `the stage that is returned as '${known}' already`,
        });
      }
      ids.set(node, id);
    } catch (error) {
      if (!isMillraceError(error)) throw error;
      problems.push(error);
    }
  }
  throwProblems(problems);
  return new Map([...ids].map(([node, id]) => [id, node]));
}

/** Ids in depth-first order: returned keys, else `<first consumer>/<input>`. The map's order is topological. */
export function nameStages(returned: ReadonlyMap<string, BuildNode>): ReadonlyMap<BuildNode, string> {
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
