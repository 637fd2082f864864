import type { BuildNode, DatasetNode } from '../define/build-node.js';
import { type Draft, draft, idOf, json, type LowerContext, reference } from './draft.js';
import type { Relation } from './relation.js';

/**
 * Only SQL fuses into SQL: a dataset that another stage kind reads, that `build` returns, or that several stages need, is written.
 * Arrow files are always written: DuckDB has no reader for them.
 */
export function isWritten(node: DatasetNode, consumers: readonly BuildNode[], isReturned: boolean): boolean {
  if (node.kind !== 'sql' && node.kind !== 'source') return true;
  if (isReturned || (node.kind === 'source' && node.source.format === 'arrow')) return true;
  return consumers.length !== 1 || consumers[0]!.kind !== 'sql';
}

/** A dataset of SQL or files as a stage: what is not written itself is held inside its relation. */
export function lowerRelation(
  node: Extract<DatasetNode, { kind: 'sql' | 'source' }>,
  id: string,
  context: LowerContext,
): Draft {
  const inputs: Record<string, { stage: string; output: string }> = {};
  const relation = relationOf(node, true, inputs, context);
  const fused = !context.isWritten(node);
  return {
    ...draft(id, node.kind === 'source' ? 'ingest' : 'sql', 'pure', inputs, {
      relation: json(relation),
      columns: json(node.columns),
      key: json(node.key),
    }),
    fused,
  };
}

function relationOf(
  node: DatasetNode,
  isRoot: boolean,
  inputs: Record<string, { stage: string; output: string }>,
  context: LowerContext,
): Relation {
  if (!isRoot && context.isWritten(node)) {
    const stage = idOf(node, context);
    const known = Object.entries(inputs).find(([, input]) => input.stage === stage)?.[0];
    const name = known ?? `in${Object.keys(inputs).length}`;
    inputs[name] = reference(stage, 'dataset');
    return { kind: 'input', input: name };
  }
  if (node.kind === 'source') return isRoot ? { kind: 'source', source: node.source } : sourceOf(node);
  if (node.kind === 'sql') {
    return {
      kind: 'sql',
      text: node.text,
      values: node.values,
      relations: node.datasets.map((dataset) => relationOf(dataset, false, inputs, context)),
      columns: isRoot ? null : node.columns,
    };
  }
  throw new Error(`unreachable: a ${node.kind} is always written`);
}

/** Files inside another statement: `.as(…)` over files that declare no columns is a cast of its own. */
function sourceOf(node: Extract<DatasetNode, { kind: 'source' }>): Relation {
  const source: Relation = { kind: 'source', source: node.source };
  if (node.columns === null || node.source.columns !== null) return source;
  return { kind: 'sql', text: 'SELECT * FROM {{0}}', values: [], relations: [source], columns: node.columns };
}
