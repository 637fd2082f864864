import { z } from 'zod';
import type { Relation } from '../../pipelines/plan/relation.js';
import type { Column } from '../../pipelines/types/column-type.js';

/** Resolved options of the `sql` operator. The plan's schema has checked that they are JSON; builders made them. */
export interface SqlOptions {
  readonly relation: Relation;
  /** Declared columns: a checked cast to them, in this order; null takes what the relation gives. */
  readonly columns: readonly Column[] | null;
  /** Columns that are proven unique together, and order the rows; empty: all columns order them. */
  readonly key: readonly string[];
}

const relation: z.ZodType<Relation> = z.custom<Relation>(
  (value) =>
    typeof value === 'object' && value !== null && ['input', 'source', 'sql'].includes((value as Relation).kind),
  'expected a relation: an input, a source or sql',
);
const column: z.ZodType<Column> = z.custom<Column>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Column).name === 'string' &&
    typeof (value as Column).type === 'object',
  'expected a column: a name and a type',
);

export const sqlOptions: z.ZodType<SqlOptions> = z.strictObject({
  relation,
  columns: z.array(column).nullable(),
  key: z.array(z.string()),
});
