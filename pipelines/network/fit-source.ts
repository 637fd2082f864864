import { MillraceError } from '../contracts/errors.js';
import type { TaskKind } from '../define/stage-values.js';
import type { Column } from '../types/column-type.js';
import type { Input } from './inputs/define-input.js';
import { numberKinds } from './inputs/missing.js';
import { checkLayers } from './layers/define-layer.js';
import type { Network } from './layers/network.js';
import type { Loss } from './losses/loss.js';

/** What `traceFit` traces; columns are known to exist. */
export interface FitSource {
  /** The dataset's columns. */
  readonly columns: readonly Column[];
  /** One column, or several for a regression with several targets. */
  readonly label: string | readonly string[];
  readonly task: TaskKind;
  /** By column, in the order in which they stand side by side. */
  readonly inputs: Readonly<Record<string, Input<never>>>;
  readonly network: Network;
  /** null: the task's default. */
  readonly loss: Loss | null;
  readonly weight: string | null;
}

export function columnOf(source: FitSource, name: string): Column {
  const column = source.columns.find((candidate) => candidate.name === name);
  if (column !== undefined) return column;
  throw new MillraceError('NETWORK_INVALID', {
    path: 'fit',
    expected: 'a column of the dataset',
    received: `'${name}'`,
  });
}

/** What can be told before anything is traced. */
export function checkSource(source: FitSource): MillraceError[] {
  const problems: MillraceError[] = [];
  for (const [name, input] of Object.entries(source.inputs)) {
    const path = `fit.inputs.${name}`;
    const column = columnOf(source, name);
    if (typeof input !== 'object' || input === null || typeof input.encode !== 'function') {
      problems.push(
        new MillraceError('NETWORK_INVALID', {
          path,
          expected: 'an input such as standardize() or embed({ dimension: 4 })',
          received: typeof input,
        }),
      );
    } else if (!input.kinds.includes(column.type.kind)) {
      const received = `${input.kind} for a column of kind ${column.type.kind}`;
      problems.push(
        new MillraceError('NETWORK_INVALID', {
          path,
          expected: `an input that takes ${column.type.kind}`,
          received,
          hint: `${input.kind} takes ${input.kinds.join(', ')}.`,
        }),
      );
    } else {
      problems.push(...input.check(path, column));
    }
  }
  if (source.network?.kind !== 'network') {
    problems.push(
      new MillraceError('NETWORK_INVALID', {
        path: 'fit.network',
        expected: 'network(…) of layers',
        received: typeof source.network,
      }),
    );
  } else if (source.network.layers.length === 0) {
    problems.push(
      new MillraceError('NETWORK_INVALID', {
        path: 'fit.network',
        expected: 'at least one layer',
        received: 'none',
        hint: 'End the network with output().',
      }),
    );
  } else {
    problems.push(...checkLayers(source.network.layers, 'fit.network'));
  }
  if (source.weight !== null) {
    const { type } = columnOf(source, source.weight);
    if (!numberKinds.some((kind) => kind === type.kind) || type.nullable) {
      problems.push(
        new MillraceError('NETWORK_INVALID', {
          path: 'fit.weight',
          expected: 'a column of numbers that is never null',
          received: `'${source.weight}', which is ${type.kind}${type.nullable ? ' and nullable' : ''}`,
          hint: 'Cast or fill it in the SQL that makes the dataset.',
        }),
      );
    }
  }
  if (source.loss !== null) {
    if (source.loss.tasks.includes(source.task)) problems.push(...source.loss.check('fit.loss'));
    else
      problems.push(
        new MillraceError('NETWORK_INVALID', {
          path: 'fit.loss',
          expected: `a loss for ${source.task}`,
          received: `${source.loss.kind}, for ${source.loss.tasks.join(', ')}`,
        }),
      );
  }
  return problems;
}
