import { z } from 'zod';
import { isMillraceError, MillraceError, MillraceErrors } from '../contracts/errors.js';
import type { Column, Kind } from '../types/column-type.js';
import { unknownColumn } from './column-checks.js';
import { describeValue, oneOf } from './describe-value.js';
import type { WrittenFitOptions } from './fit-types.js';
import { parseOptions } from './parse-options.js';
import type { TaskKind } from './stage-values.js';
import { resolveTraining } from './training-options.js';

// Inputs, network and loss are checked where they are traced.
const schema = z.strictObject({
  label: z.union([z.string(), z.array(z.string()).min(1)]),
  task: z.enum(['binary', 'multiclass', 'regression']).optional(),
  inputs: z.custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), {
    error: 'an object of inputs by column',
  }),
  network: z.unknown(),
  loss: z.unknown().optional(),
  weight: z.string().optional(),
  training: z.unknown().optional(),
  device: z.enum(['auto', 'cpu', 'cuda']).optional(),
});

/** Every problem of the options of `fit`, before anything is traced. */
export function checkFit(options: WrittenFitOptions, columns: readonly Column[]): readonly MillraceError[] {
  const shape = problemsThrown(() =>
    parseOptions(schema, { ...options, network: null, loss: null, training: null }, 'fit'),
  );
  const training = problemsThrown(() => resolveTraining(options?.training ?? {}, 'fit.training'));
  if (shape.length > 0) return [...shape, ...training];
  const labels = typeof options.label === 'string' ? [options.label] : options.label;
  const inputs = Object.keys(options.inputs);
  const problems = [
    ...labels.flatMap((label) => unknownColumn(label, columns, 'fit.label')),
    ...inputs.flatMap((name) => unknownColumn(name, columns, `fit.inputs.${name}`)),
    ...(options.weight === undefined ? [] : checkWeight(options.weight, columns)),
    ...training,
  ];
  if (new Set(labels).size < labels.length) {
    problems.push(
      new MillraceError('CONFIG_INVALID', {
        path: 'fit.label',
        expected: 'each column once',
        received: labels.map((label) => `'${label}'`).join(', '),
      }),
    );
  }
  if (inputs.length === 0) {
    problems.push(
      new MillraceError('CONFIG_INVALID', { path: 'fit.inputs', expected: 'at least one input', received: 'none' }),
    );
  }
  for (const name of inputs.filter((input) => labels.includes(input))) {
    problems.push(
      new MillraceError('CONFIG_INVALID', {
        path: `fit.inputs.${name}`,
        expected: 'features other than the label',
        received: `'${name}', which is the label`,
        hint: 'Remove it: the model would only copy it.',
      }),
    );
  }
  if (labels.every((label) => columns.some((column) => column.name === label))) {
    problems.push(...problemsThrown(() => taskOf(columns, labels, options.task)));
  }
  return problems;
}

function checkWeight(weight: string, columns: readonly Column[]): readonly MillraceError[] {
  const kind = columns.find((column) => column.name === weight)?.type.kind;
  if (kind === undefined) return unknownColumn(weight, columns, 'fit.weight');
  if (isNumber(kind)) return [];
  return [
    new MillraceError('CONFIG_INVALID', {
      path: 'fit.weight',
      expected: 'an int or float column',
      received: `'${weight}', which is ${kind}`,
    }),
  ];
}

/** The task of the labels. @throws CONFIG_INVALID - a kind that has none, or another task than the kind allows. */
export function taskOf(columns: readonly Column[], labels: readonly string[], given: TaskKind | undefined): TaskKind {
  const kinds = labels.map((label) => columns.find((column) => column.name === label)!.type.kind);
  if (labels.length > 1) return severalTargets(labels, kinds, given);
  const kind = kinds[0]!;
  const tasks = tasksFor(kind);
  if (tasks.length === 0) {
    throw new MillraceError('CONFIG_INVALID', {
      path: 'fit.label',
      expected: 'a bool, int, float or string column',
      received: `'${labels[0]}', which is ${kind}`,
    });
  }
  if (given !== undefined && !tasks.includes(given)) {
    throw new MillraceError('CONFIG_INVALID', {
      path: 'fit.task',
      expected: oneOf(tasks.map((task) => `'${task}'`)),
      received: `'${given}' for a label of kind ${kind}`,
    });
  }
  if (given === undefined && isInteger(kind)) {
    throw new MillraceError('CONFIG_INVALID', {
      path: 'fit.task',
      expected: "'binary', 'multiclass' or 'regression' for an integer label",
      received: 'nothing',
      hint: 'Say what its numbers are: classes or amounts.',
    });
  }
  return given ?? tasks[0]!;
}

function severalTargets(labels: readonly string[], kinds: readonly Kind[], given: TaskKind | undefined): 'regression' {
  const wrong = kinds.findIndex((kind) => !isNumber(kind));
  if (wrong >= 0) {
    throw new MillraceError('CONFIG_INVALID', {
      path: 'fit.label',
      expected: 'int or float columns where there are several',
      received: `'${labels[wrong]}', which is ${kinds[wrong]}`,
    });
  }
  if (given !== undefined && given !== 'regression') {
    throw new MillraceError('CONFIG_INVALID', {
      path: 'fit.task',
      expected: "'regression' for several labels",
      received: describeValue(given),
    });
  }
  return 'regression';
}

/** The first is the default; an integer has none. */
function tasksFor(kind: Kind): readonly TaskKind[] {
  if (kind === 'bool') return ['binary'];
  if (kind === 'string') return ['multiclass', 'binary'];
  if (isInteger(kind)) return ['binary', 'multiclass', 'regression'];
  return isNumber(kind) ? ['regression'] : [];
}

function isInteger(kind: Kind): boolean {
  return /^u?int/.test(kind);
}

function isNumber(kind: Kind): boolean {
  return isInteger(kind) || kind === 'float32' || kind === 'float64';
}

function problemsThrown(body: () => unknown): readonly MillraceError[] {
  try {
    body();
    return [];
  } catch (error) {
    if (error instanceof MillraceErrors) return error.problems;
    if (isMillraceError(error)) return [error];
    throw error;
  }
}
