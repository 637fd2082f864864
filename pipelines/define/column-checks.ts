import { MillraceError, nearestName } from '../contracts/errors.js';
import type { Column } from '../types/column-type.js';

const shownNames = 20;

/** The problem of a name that is no column, or nothing where it is one. */
export function unknownColumn(name: unknown, columns: readonly Column[], path: string): readonly MillraceError[] {
  const known = columns.map((column) => column.name);
  if (typeof name === 'string' && known.includes(name)) return [];
  const nearest = typeof name === 'string' ? nearestName(name, known) : null;
  return [
    new MillraceError('CONFIG_INVALID', {
      path,
      expected: `a column of the dataset (${listed(known)})`,
      received: typeof name === 'string' ? `'${name}'` : name === undefined ? 'nothing' : `a ${typeof name}`,
      ...(nearest === null ? {} : { hint: `Did you mean '${nearest}'?` }),
    }),
  ];
}

/** The columns of a dataset that has declared them. @throws PIPELINE_INVALID - for one that has not. */
export function declaredColumnsOf(
  dataset: { readonly columns: readonly Column[] | null },
  path: string,
): readonly Column[] {
  if (dataset.columns !== null) return dataset.columns;
  throw new MillraceError('PIPELINE_INVALID', {
    path,
    expected: 'a dataset with declared columns',
    received: 'an undeclared one',
    hint: 'Declare them with .as({ … }).',
  });
}

function listed(names: readonly string[]): string {
  const rest = names.length - shownNames;
  return rest <= 0 ? names.join(', ') : `${names.slice(0, shownNames).join(', ')} and ${rest} more`;
}
