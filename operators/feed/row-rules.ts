import { quoteIdentifier } from '../../pipelines/contracts/sql.js';
import type { EncodedColumn } from '../../pipelines/encode/encode-to-sql.js';
import { encodeInputs, hiddenRules, rawRules } from '../../pipelines/encode/encode-to-sql.js';
import type { TensorGraph } from '../../pipelines/network/graph.js';
import type { Column } from '../../pipelines/types/column-type.js';
import type { ColumnProblemKind } from '../statistics/column-problems.js';

/** What a row has to obey. */
export interface RowRule {
  readonly column: string;
  readonly kind: ColumnProblemKind;
  /** BOOLEAN over the dataset's columns, never NULL. */
  readonly sql: string;
}

export interface RowRules {
  /** Those whose breach no encoded value shows: checked while rows are written. */
  readonly written: readonly RowRule[];
  /** All of them, most telling first: asked for where something was found. */
  readonly all: readonly RowRule[];
}

/** Whether the label is numbers that are scaled (by a mean and a deviation), and not classes. */
export function isRegressionLabel(label: TensorGraph): boolean {
  return label.nodes.some((node) => node.op === 'slot' && node.shape.length === 0);
}

export function rowRules(
  graph: TensorGraph,
  label: TensorGraph | null,
  encoded: readonly EncodedColumn[],
  columns: readonly Column[],
): RowRules {
  const hidden: RowRule[] = [...hiddenRules(graph, columns)];
  const raw: RowRule[] = [...rawRules(graph, columns)];
  const labels: RowRule[] = [];
  const nulls: RowRule[] = [];
  if (label !== null) {
    hidden.push(...hiddenRules(label, columns));
    raw.push(...rawRules(label, columns));
    for (const name of encodeInputs(label)) {
      const column = quoteIdentifier(name);
      const isText = columns.find((each) => each.name === name)?.type.kind === 'string';
      nulls.push({
        column: name,
        kind: 'null',
        sql: isText ? `coalesce(${column} <> '', FALSE)` : `(${column} IS NOT NULL)`,
      });
    }
    for (const { name, sql, reads } of encoded.filter(({ name }) => name === 'label' || name === 'weight')) {
      if (name === 'weight')
        labels.push({ column: reads[0] ?? 'weight', kind: 'negativeWeight', sql: `coalesce(${sql} >= 0, TRUE)` });
      else if (!isRegressionLabel(label))
        labels.push({ column: reads[0] ?? 'label', kind: 'unseenClass', sql: `coalesce(${sql} >= 0, TRUE)` });
    }
  }
  return { written: [...unique(hidden), ...labels], all: [...unique(raw), ...nulls, ...labels] };
}

function unique(rules: readonly RowRule[]): RowRule[] {
  return [...new Map(rules.map((rule) => [`${rule.kind} ${rule.column}`, rule])).values()];
}
