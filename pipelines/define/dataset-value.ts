import { MillraceError } from '../contracts/errors.js';
import type { Column } from '../types/column-type.js';
import { type ColumnsOf, columnsFromTypes } from '../types/type.js';
import { attachNode, type DatasetNode, replaceNode } from './build-node.js';
import type { AsOptions, Dataset, UndeclaredDataset } from './stage-values.js';

/** The value users hold for a dataset whose columns are known. */
export function datasetValue<C>(node: DatasetNode, columns: readonly Column[]): Dataset<C> {
  return attachNode({ stage: 'dataset' as const, columns }, node) as unknown as Dataset<C>;
}

/** The value users hold for a dataset whose columns are not declared yet. */
export function undeclaredValue(node: DatasetNode): UndeclaredDataset {
  const value = {
    stage: 'dataset' as const,
    as<C extends ColumnsOf<C>>(columns: C, options: AsOptions<C> = {}): Dataset<C> {
      const declared = declareColumns(columns, options.key ?? [], 'as');
      replaceNode(node);
      return datasetValue({ ...node, ...declared }, declared.columns);
    },
  };
  return attachNode(value, node);
}

/** Columns and key as data. @throws CONFIG_INVALID */
export function declareColumns(
  columns: Readonly<Record<string, unknown>>,
  key: string | readonly string[],
  path: string,
): { readonly columns: readonly Column[]; readonly key: readonly string[] } {
  const declared = columnsFromTypes(columns);
  if (declared.length === 0) {
    throw new MillraceError('CONFIG_INVALID', { path: `${path}.columns`, expected: 'at least one column', received: 'none' });
  }
  for (const column of declared) {
    if (column.type === undefined) {
      throw new MillraceError('CONFIG_INVALID', { path: `${path}.columns.${column.name}`, expected: 'a type such as t.int64', received: 'another value', hint: "Import t from 'millrace/types'." });
    }
  }
  const names = typeof key === 'string' ? [key] : [...key];
  for (const name of names) {
    if (!declared.some((column) => column.name === name)) {
      throw new MillraceError('CONFIG_INVALID', { path: `${path}.key`, expected: `one of the declared columns ${declared.map((column) => column.name).join(', ')}`, received: `'${name}'` });
    }
  }
  return { columns: declared, key: names };
}
