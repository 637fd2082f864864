import { MillraceError, nearestName, throwProblems } from '../../pipelines/contracts/errors.js';
import { quoteLiteral } from '../../pipelines/contracts/sql.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { escapeGlob } from './escape-glob.js';

/** Every declared column must be in the file. @throws DATA_COLUMN_MISSING - one problem a column, with the nearest name. */
export function checkColumns(declared: readonly Column[] | null, found: readonly string[], file: string): void {
  throwProblems(
    (declared ?? [])
      .filter((column) => !found.includes(column.name))
      .map((column) => {
        const near = nearestName(column.name, found);
        return new MillraceError('DATA_COLUMN_MISSING', {
          path: file,
          expected: `a column '${column.name}'`,
          received: `the columns ${found
            .slice(0, 12)
            .map((name) => `'${name}'`)
            .join(', ')}${found.length > 12 ? ' …' : ''}`,
          ...(near === null ? {} : { hint: `Did you mean '${near}'?` }),
          details: { column: column.name, nearest: near },
        });
      }),
  );
}

/** A list of files as DuckDB reads it: names are taken as they are, not as globs. */
export function fileList(files: readonly string[]): string {
  return `[${files.map((file) => quoteLiteral(escapeGlob(file))).join(', ')}]`;
}
