import { MillraceError, nearestName, throwProblems } from '../contracts/errors.js';
import type { Loss } from '../network/losses/loss.js';
import type { Network } from '../network/layers/network.js';
import { traceFit } from '../network/trace-fit.js';
import type { Column, FloatKind, IntegerKind, Kind } from '../types/column-type.js';
import type { KindOf } from '../types/type.js';
import { attachNode, nodeOf } from './build-node.js';
import type { Input } from './inputs.js';
import type { Mend, Model, Split, TaskKind } from './stage-values.js';
import { resolveTraining, type TrainingOptions } from './training-options.js';

/** The tasks that a label's kind allows. */
export type TasksFor<K extends Kind> = K extends 'bool'
  ? 'binary'
  : K extends 'string'
    ? 'multiclass'
    : K extends FloatKind
      ? 'regression'
      : K extends IntegerKind
        ? 'binary' | 'multiclass' | 'regression'
        : never;

type LabelCheck<C, L extends keyof C & string> = [keyof C & string] extends [L]
  ? unknown
  : KindOf<C[L]> extends 'bool' | 'string' | FloatKind | IntegerKind
    ? unknown
    : Mend<`'${L}' is ${KindOf<C[L]>}: a label is bool, an int, a float or a string`>;

type InputCheck<C, L extends string, P extends keyof C & string> = P extends L ? Mend<`'${P}' is the label`> : Input<KindOf<C[P]>>;

type TaskIfInt<K extends Kind, T> = K extends IntegerKind ? { readonly task: T } : { readonly task?: T };

/** Options of {@link fit}. */
export interface FitOptions<C, L extends keyof C & string, I extends keyof C & string> {
  /** How each feature enters the network; a column that is not named is not used. */
  readonly inputs: { readonly [P in I]: InputCheck<C, L, P> };
  /** `network(dense(64, 'relu'), output())`: from the concatenated inputs to the label. */
  readonly network: Network;
  /** Default: cross-entropy for classes, squared error for numbers. */
  readonly loss?: Loss;
  /** A numeric column that weighs rows; not negative. */
  readonly weight?: keyof C & string;
  readonly training?: TrainingOptions;
  /** Where it is trained. 'auto' takes a CUDA card where there is one. Default 'auto'. */
  readonly device?: 'auto' | 'cpu' | 'cuda';
}

/**
 * Fits a network on the train split and keeps the epoch with the lowest validation loss.
 * Statistics of the inputs come from the train split alone and travel inside the model.
 *
 * @param options.label - a bool (binary), a string (multiclass), a float (regression), or an int together with `task`;
 *   several float or int columns are a regression with several targets.
 * @throws CONFIG_INVALID, NETWORK_SHAPE, NETWORK_INVALID - every problem at once, while the pipeline is built.
 * @throws DATA_NOT_FINITE, DATA_SINGLE_CLASS, SPLIT_EMPTY, TRAIN_DIVERGED - while it runs.
 */
export function fit<C, L extends keyof C & string, I extends keyof C & string, T extends TasksFor<KindOf<C[L]>> = TasksFor<KindOf<C[L]>>>(
  data: Split<C>,
  options: { readonly label: L & LabelCheck<C, L> } & FitOptions<C, L, I> & TaskIfInt<KindOf<C[L]>, T>,
): Model<T, Pick<C, L | I>>;
export function fit<C, L extends keyof C & string, I extends keyof C & string>(
  data: Split<C>,
  options: { readonly label: readonly L[]; readonly task?: 'regression' } & FitOptions<C, L, I>,
): Model<'regression', Pick<C, L | I>>;
export function fit(
  data: Split<unknown>,
  options: {
    readonly label: string | readonly string[];
    readonly task?: TaskKind;
    readonly inputs: Readonly<Record<string, unknown>>;
    readonly network: Network;
    readonly loss?: Loss;
    readonly weight?: string;
    readonly training?: TrainingOptions;
    readonly device?: 'auto' | 'cpu' | 'cuda';
  },
): Model<TaskKind, unknown> {
  const split = nodeOf(data, ['split'], 'fit.data');
  const columns = split.dataset.columns ?? [];
  checkKeys(options);
  const labels = typeof options.label === 'string' ? [options.label] : [...options.label];
  checkColumns(columns, labels, options);
  const task = taskOf(columns, labels, options.task);
  const device = options.device ?? 'auto';
  if (!['auto', 'cpu', 'cuda'].includes(device)) {
    throw new MillraceError('CONFIG_INVALID', { path: 'fit.device', expected: "'auto', 'cpu' or 'cuda'", received: `'${String(device)}'` });
  }
  const training = resolveTraining(options.training ?? {}, 'fit.training');
  const traced = traceFit({
    columns,
    label: labels.length === 1 ? labels[0]! : labels,
    task,
    inputs: options.inputs as Readonly<Record<string, Input<never>>>,
    network: options.network,
    loss: options.loss ?? null,
    weight: options.weight ?? null,
  });
  return attachNode(
    { stage: 'model' as const, task },
    { kind: 'fit', split, fit: traced, inputs: Object.keys(options.inputs), labels, training, device },
  ) as unknown as Model<TaskKind, unknown>;
}

const knownKeys = ['label', 'task', 'inputs', 'network', 'loss', 'weight', 'training', 'device'];

function checkKeys(options: object): void {
  throwProblems(
    Object.keys(options)
      .filter((key) => !knownKeys.includes(key))
      .map((key) => {
        const nearest = nearestName(key, knownKeys);
        return new MillraceError('CONFIG_INVALID', { path: `fit.${key}`, expected: `one of the keys ${knownKeys.join(', ')}`, received: `'${key}'`, hint: nearest === null ? 'Remove it.' : `Did you mean '${nearest}'?` });
      }),
  );
}

function checkColumns(columns: readonly Column[], labels: readonly string[], options: { readonly inputs: Readonly<Record<string, unknown>>; readonly weight?: string }): void {
  const names = columns.map((column) => column.name);
  const problems: MillraceError[] = [];
  const check = (name: string, path: string): void => {
    if (names.includes(name)) return;
    const nearest = nearestName(name, names);
    problems.push(new MillraceError('CONFIG_INVALID', { path, expected: `a column of the dataset (${names.join(', ')})`, received: `'${name}'`, ...(nearest === null ? {} : { hint: `Did you mean '${nearest}'?` }) }));
  };
  if (labels.length === 0) problems.push(new MillraceError('CONFIG_INVALID', { path: 'fit.label', expected: 'at least one column', received: 'none' }));
  labels.forEach((label) => {
    check(label, 'fit.label');
  });
  const inputs = Object.keys(options.inputs ?? {});
  if (inputs.length === 0) problems.push(new MillraceError('CONFIG_INVALID', { path: 'fit.inputs', expected: 'at least one input', received: 'none' }));
  for (const name of inputs) {
    check(name, `fit.inputs.${name}`);
    if (labels.includes(name)) problems.push(new MillraceError('CONFIG_INVALID', { path: `fit.inputs.${name}`, expected: 'features other than the label', received: `'${name}', which is the label`, hint: 'Remove it: the model would only copy it.' }));
  }
  if (options.weight !== undefined) check(options.weight, 'fit.weight');
  throwProblems(problems);
}

function taskOf(columns: readonly Column[], labels: readonly string[], given: TaskKind | undefined): TaskKind {
  const kinds = labels.map((label) => columns.find((column) => column.name === label)!.type.kind);
  const allowed = (kind: Kind): TaskKind[] => {
    if (kind === 'bool') return ['binary'];
    if (kind === 'string') return ['multiclass', 'binary'];
    if (kind === 'float32' || kind === 'float64') return ['regression'];
    if (/^u?int/.test(kind)) return ['binary', 'multiclass', 'regression'];
    return [];
  };
  if (labels.length > 1) {
    const wrong = labels.find((_, index) => !allowed(kinds[index]!).includes('regression'));
    if (wrong !== undefined) throw new MillraceError('CONFIG_INVALID', { path: 'fit.label', expected: 'int or float columns where there are several', received: `'${wrong}', which is ${kinds[labels.indexOf(wrong)]}` });
    return 'regression';
  }
  const tasks = allowed(kinds[0]!);
  if (tasks.length === 0) throw new MillraceError('CONFIG_INVALID', { path: 'fit.label', expected: 'a bool, int, float or string column', received: `'${labels[0]}', which is ${kinds[0]}` });
  if (given !== undefined && !tasks.includes(given)) {
    throw new MillraceError('CONFIG_INVALID', { path: 'fit.task', expected: tasks.map((task) => `'${task}'`).join(' or '), received: `'${given}' for a label of kind ${kinds[0]}` });
  }
  if (given === undefined && tasks.length === 3) {
    throw new MillraceError('CONFIG_INVALID', { path: 'fit.task', expected: "'binary', 'multiclass' or 'regression' for an integer label", received: 'nothing' });
  }
  return given ?? tasks[0]!;
}
