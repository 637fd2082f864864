import { MillraceError } from '../contracts/errors.js';
import type { BuildNode } from '../define/build-node.js';
import { canonicalJson } from './digest.js';

/**
 * Ways in which rows of the test split could reach `fit`: a report over another cut of the dataset that the model was fitted on.
 */
export function leakProblems(nodes: ReadonlySet<BuildNode>, ids: ReadonlyMap<BuildNode, string>): MillraceError[] {
  const problems: MillraceError[] = [];
  for (const node of nodes) {
    if (node.kind !== 'evaluate') continue;
    const fitted = node.onnx.model.split;
    if (fitted.dataset === node.split.dataset && canonicalJson(fitted.spec) !== canonicalJson(node.split.spec)) {
      problems.push(
        new MillraceError('STAGE_LEAKS_TEST', {
          path: ids.get(node) ?? 'evaluate',
          expected: 'the split that the model was fitted on',
          received: 'another split of the same dataset, whose test rows the model may have seen',
          hint: 'Pass the same split() to fit and evaluate.',
        }),
      );
    }
  }
  return problems;
}
