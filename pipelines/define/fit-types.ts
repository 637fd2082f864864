import type { Network } from '../network/layers/network.js';
import type { Loss } from '../network/losses/loss.js';
import type { FloatKind, IntegerKind, Kind } from '../types/column-type.js';
import type { KindOf } from '../types/type.js';
import type { Input } from './inputs.js';
import type { IsUnion, Mend, TaskKind } from './stage-values.js';
import type { TrainingOptions } from './training-options.js';

/** The tasks that a label's kind allows. */
export type TasksFor<K extends Kind> = K extends 'bool'
  ? 'binary'
  : K extends 'string'
    ? 'binary' | 'multiclass'
    : K extends FloatKind
      ? 'regression'
      : K extends IntegerKind
        ? 'binary' | 'multiclass' | 'regression'
        : never;

/**
 * The tasks that labels allow: several are a regression with several targets. On a typo the compiler infers every
 * column: then all tasks, so that what follows the mistake is not called one too.
 */
export type TasksOf<C, L extends keyof C> = [keyof C] extends [L]
  ? TaskKind
  : IsUnion<L> extends true
    ? 'regression'
    : TasksFor<KindOf<C[L]>>;

/** The task where none is named: a string is multiclass. An int has none. */
export type DefaultTask<C, L extends keyof C> = Extract<
  TasksOf<C, L>,
  [keyof C] extends [L] ? TaskKind : KindOf<C[L]> extends 'string' ? 'multiclass' : TaskKind
>;

// On a typo the compiler infers every column: the check is silent then, or a false second error would appear.
// (One of several columns is checked by itself, so that the message names it.)
export type LabelCheck<C, L extends keyof C & string> = [keyof C & string] extends [L]
  ? unknown
  : IsUnion<L> extends true
    ? TargetMends<C, L>
    : KindOf<C[L]> extends 'bool' | 'string' | FloatKind | IntegerKind
      ? unknown
      : Mend<`'${L}' is ${KindOf<C[L]>}: a label is bool, an int, a float or a string`>;

type TargetMends<C, L extends keyof C & string> = [WrongTargets<C, L>] extends [never]
  ? unknown
  : Mend<`'${WrongTargets<C, L>}' is not an int or a float: several labels are a regression`>;

type WrongTargets<C, L extends keyof C & string> = L extends unknown
  ? KindOf<C[L]> extends FloatKind | IntegerKind
    ? never
    : L
  : never;

export type InputCheck<C, L extends string, P extends keyof C & string> = [keyof C & string] extends [L]
  ? Input<KindOf<C[P]>>
  : P extends L
    ? Mend<`'${P}' is the label`>
    : Input<KindOf<C[P]>>;

/** An int label needs `task`, since its numbers may be classes or amounts. */
export type TaskIfInt<C, L extends keyof C, T> =
  IsUnion<L> extends true
    ? { readonly task?: T }
    : KindOf<C[L]> extends IntegerKind
      ? { readonly task: T }
      : { readonly task?: T };

/** Options of `fit`, apart from `label` and `task`. */
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

/** Options of `fit` as they come at run time, checked for their keys alone. */
export interface WrittenFitOptions {
  readonly label: string | readonly string[];
  readonly task?: TaskKind;
  readonly inputs: Readonly<Record<string, Input<never>>>;
  readonly network: Network;
  readonly loss?: Loss;
  readonly weight?: string;
  readonly training?: TrainingOptions;
  readonly device?: 'auto' | 'cpu' | 'cuda';
}
