import { MillraceError, nearestName } from '../../pipelines/contracts/errors.js';
import type { DatasetView } from './read-dataset.js';

/**
 * Parts of a stage's key for an operator that reads some columns alone: the digest of each, and the dataset's key,
 * from which a split may take its columns.
 */
export function columnParts(dataset: DatasetView, names: readonly string[]): Record<string, string> {
  const result: Record<string, string> = {
    'dataset.rows': String(dataset.rows),
    'dataset.key': JSON.stringify(dataset.key),
  };
  for (const name of [...new Set(names)].sort()) {
    const column = dataset.columns.find((candidate) => candidate.name === name);
    if (column === undefined) {
      const known = dataset.columns.map((candidate) => candidate.name);
      const nearest = nearestName(name, known);
      throw new MillraceError('DATA_COLUMN_MISSING', {
        path: `column ${name}`,
        expected: 'a column of the dataset',
        received: `none of this name among ${known.join(', ')}`,
        ...(nearest === null ? {} : { hint: `Did you mean '${nearest}'?` }),
      });
    }
    // Types decide casts, so they count even where the bytes are equal.
    result[`dataset.column.${name}`] = `${column.digest} ${JSON.stringify(column.type)}`;
  }
  return result;
}
