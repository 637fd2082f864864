import { z } from 'zod';
import { MillraceError, nearestName, throwProblems } from '../contracts/errors.js';
import type { Column } from '../types/column-type.js';
import { type AnyType, type ColumnsOf, columnsFromTypes, isType } from '../types/type.js';
import { attachNode, type DatasetNode, replaceNode } from './build-node.js';
import { describeValue } from './describe-value.js';
import { parseOptions } from './parse-options.js';
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
      parseOptions(asSchema, { ...options, key: undefined }, 'as');
      const declared = declareColumns(columns, options.key, 'as');
      replaceNode(node);
      return datasetValue({ ...node, ...declared }, declared.columns);
    },
  };
  return attachNode(value, node);
}

const asSchema = z.strictObject({ key: z.unknown().optional() });
const keySchema = z.union([z.string(), z.array(z.string())]);

/** Columns and key as data. @throws CONFIG_INVALID - every problem at once */
export function declareColumns(
  columns: unknown,
  key: unknown,
  path: string,
): { readonly columns: readonly Column[]; readonly key: readonly string[] } {
  if (typeof columns !== 'object' || columns === null || Array.isArray(columns)) {
    throw invalid(`${path}.columns`, 'an object of types', describeValue(columns), 'Write as { age: t.int32 }.');
  }
  const entries = Object.entries(columns);
  const names = entries.map(([name]) => name);
  const problems: MillraceError[] = [];
  if (entries.length === 0) problems.push(invalid(`${path}.columns`, 'at least one column', 'none'));
  for (const [index, [name, type]] of entries.entries()) {
    const at = `${path}.columns.${name}`;
    if (!isType(type)) {
      problems.push(invalid(at, 'a type such as t.int64', describeValue(type), "Import t from 'millrace/types'."));
    }
    if (name === '' || name.includes('\0')) {
      problems.push(invalid(at, 'a name of at least one character, without NUL', describeValue(name)));
    }
    const same = names.find((other, at) => at < index && other.toLowerCase() === name.toLowerCase());
    if (same !== undefined) {
      problems.push(
        invalid(
          at,
          'names that differ in more than their case, as SQL does not tell them apart',
          `'${same}' and '${name}'`,
        ),
      );
    }
  }
  const keyNames = keyOf(key, path, problems);
  for (const [index, name] of keyNames.entries()) {
    if (!names.includes(name)) {
      const nearest = nearestName(name, names);
      problems.push(
        invalid(
          `${path}.key`,
          `one of the declared columns ${names.join(', ')}`,
          `'${name}'`,
          nearest === null ? undefined : `Did you mean '${nearest}'?`,
        ),
      );
    }
    if (keyNames.indexOf(name) !== index) problems.push(invalid(`${path}.key`, 'each column once', `'${name}' again`));
  }
  throwProblems(problems);
  return { columns: columnsFromTypes(columns as Readonly<Record<string, AnyType>>), key: keyNames };
}

function keyOf(key: unknown, path: string, problems: MillraceError[]): readonly string[] {
  if (key === undefined) return [];
  const parsed = keySchema.safeParse(key);
  if (!parsed.success) problems.push(invalid(`${path}.key`, 'a column or an array of columns', describeValue(key)));
  return parsed.success ? [parsed.data].flat() : [];
}

function invalid(path: string, expected: string, received: string, hint?: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', { path, expected, received, ...(hint === undefined ? {} : { hint }) });
}
