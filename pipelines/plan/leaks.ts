import { MillraceError } from '../contracts/errors.js';
import type { BuildNode, DatasetNode } from '../define/build-node.js';
import { digestOf } from './digest.js';
import { json } from './draft.js';

/**
 * Ways in which rows of the test split could reach `fit`: a report over another cut of the dataset that the model was
 * fitted on, be it the same value or the same description written twice.
 */
export function leakProblems(
  nodes: ReadonlySet<BuildNode>,
  ids: ReadonlyMap<BuildNode, string>,
): readonly MillraceError[] {
  const nameOf = datasetNamer();
  const problems: MillraceError[] = [];
  for (const node of nodes) {
    if (node.kind !== 'evaluate') continue;
    const fitted = node.onnx.model.split;
    if (digestOf(json(fitted.spec)) === digestOf(json(node.split.spec))) continue;
    if (nameOf(fitted.dataset) !== nameOf(node.split.dataset)) continue;
    problems.push(
      new MillraceError('STAGE_LEAKS_TEST', {
        path: ids.get(node) ?? 'evaluate',
        expected: 'the split that the model was fitted on',
        received: 'another split of the same dataset, whose test rows the model may have seen',
        hint: 'Pass the same split() to fit and evaluate.',
      }),
    );
  }
  return problems;
}

/** Names datasets so that equal descriptions have equal names; those of user code are equal to themselves alone. */
function datasetNamer(): (node: DatasetNode) => string {
  const names = new Map<DatasetNode, string>();
  const describe = (node: DatasetNode): string => {
    switch (node.kind) {
      case 'source':
        return digestOf(json({ source: node.source, columns: node.columns }));
      case 'sql':
        return digestOf(
          json({ text: node.text, values: node.values, datasets: node.datasets.map(nameOf), columns: node.columns }),
        );
      case 'custom':
      case 'predict':
        return `own ${names.size}`;
    }
  };
  const nameOf = (node: DatasetNode): string => {
    const name = names.get(node) ?? describe(node);
    names.set(node, name);
    return name;
  };
  return nameOf;
}
