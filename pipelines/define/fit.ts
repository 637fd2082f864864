import { throwProblems } from '../contracts/errors.js';
import { traceFit } from '../network/trace-fit.js';
import { attachNode, nodeOf } from './build-node.js';
import { declaredColumnsOf } from './column-checks.js';
import { checkFit, taskOf } from './fit-checks.js';
import type { DefaultTask, FitOptions, LabelCheck, TaskIfInt, TasksOf, WrittenFitOptions } from './fit-types.js';
import type { Model, Split } from './stage-values.js';
import { resolveTraining } from './training-options.js';

export type { FitOptions } from './fit-types.js';

/**
 * Fits a network on the train split and keeps the epoch with the lowest validation loss.
 * Statistics of the inputs come from the train split alone and travel inside the model.
 *
 * @param options.label - a bool (binary), a string (multiclass), a float (regression), or an int together with `task`;
 *   several float or int columns are a regression with several targets.
 * @throws CONFIG_INVALID, NETWORK_SHAPE, NETWORK_INVALID - every problem at once, while the pipeline is built.
 * @throws DATA_NOT_FINITE, DATA_SINGLE_CLASS, SPLIT_EMPTY, TRAIN_DIVERGED - while it runs.
 */
export function fit<
  C,
  L extends keyof C & string,
  I extends keyof C & string,
  T extends TasksOf<C, L> = DefaultTask<C, L>,
>(
  data: Split<C>,
  options: { readonly label: (L | readonly L[]) & LabelCheck<C, L> } & FitOptions<C, L, I> & TaskIfInt<C, L, T>,
): Model<T, Pick<C, L | I>, L> {
  const split = nodeOf(data, ['split'], 'fit.data');
  const columns = declaredColumnsOf(split.dataset, 'fit.data');
  const written = options as unknown as WrittenFitOptions;
  throwProblems(checkFit(written, columns));
  const labels = typeof written.label === 'string' ? [written.label] : [...written.label];
  const task = taskOf(columns, labels, written.task);
  const training = resolveTraining(written.training ?? {}, 'fit.training');
  const traced = traceFit({
    columns,
    label: labels.length === 1 ? labels[0]! : labels,
    task,
    inputs: written.inputs,
    network: written.network,
    loss: written.loss ?? null,
    weight: written.weight ?? null,
  });
  return attachNode(
    { stage: 'model' as const, task },
    {
      kind: 'fit',
      split,
      fit: traced,
      inputs: Object.keys(written.inputs),
      labels,
      weightedClasses: Object.keys(written.loss?.classWeights ?? {}).sort(),
      training,
      device: written.device ?? 'auto',
    },
  ) as unknown as Model<T, Pick<C, L | I>, L>;
}
