import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { TensorSpec } from '../../pipelines/contracts/infer.js';
import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import type { StatisticsDocument } from '../../pipelines/contracts/training.js';
import type { FitGraph } from '../../pipelines/network/graph.js';
import type { Column } from '../../pipelines/types/column-type.js';

/** The label columns of a task. */
export function labelsOf({ task }: FitGraph): readonly string[] {
  return task.kind === 'regression' ? task.labels : [task.label];
}

/**
 * What an exported model is asked for and answers, without a threshold.
 *
 * @param columns - the input columns with their types.
 * @param outputs - as the loaded session names them.
 * @throws INTERNAL - an input that is no column.
 */
export function signatureOf(
  fit: FitGraph,
  statistics: StatisticsDocument,
  columns: readonly Column[],
  outputs: readonly TensorSpec[],
): ModelSignature {
  const inputs = fit.graph.nodes
    .filter((node) => node.op === 'input')
    .map((node) => {
      const name = node.attributes['name'] as string;
      const column = columns.find((candidate) => candidate.name === name);
      if (column === undefined)
        throw new MillraceError('INTERNAL', {
          path: `exportOnnx.columns.${name}`,
          expected: 'a column of the dataset',
          received: 'none',
        });
      return { column: { name, type: column.type }, dtype: node.dtype };
    });
  return {
    formatVersion: 1,
    task: fit.task.kind,
    inputs,
    outputs,
    labels: labelsOf(fit),
    classes: fit.task.kind === 'regression' ? [] : statistics.classes,
    threshold: null,
  };
}
