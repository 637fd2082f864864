import { z } from 'zod';
import { MillraceError, throwProblems } from '../contracts/errors.js';
import type { SqlValue } from '../contracts/sql.js';
import { type DatasetNode, datasetKinds, nodeOf } from './build-node.js';
import { undeclaredValue } from './dataset-value.js';
import { describeValue } from './describe-value.js';
import { type OpenPart, openPart } from './sql-position.js';
import type { AnyDataset, UndeclaredDataset } from './stage-values.js';

declare const boundKind: unique symbol;

/** A date or timestamp to bind into SQL. */
export interface BoundValue {
  readonly kind: 'date' | 'timestamp';
  readonly iso: string;
  readonly [boundKind]?: true;
}

/** What may stand in `${…}`: a dataset (as a table), or a value, which is bound and carries its type. */
export type SqlPart = AnyDataset | BoundValue | null | boolean | number | bigint | string | readonly SqlPart[];

/** A date to bind into SQL: `date('2026-01-01')`. @throws CONFIG_INVALID */
export function date(iso: string): BoundValue {
  if (!z.iso.date().safeParse(iso).success) {
    throw new MillraceError('CONFIG_INVALID', {
      path: 'date',
      expected: 'a date as YYYY-MM-DD',
      received: describeValue(iso),
    });
  }
  return Object.freeze({ kind: 'date', iso });
}

/** A point in time to bind into SQL: `timestamp('2026-01-01T00:00:00Z')`; µs, UTC. @throws CONFIG_INVALID */
export function timestamp(iso: string): BoundValue {
  if (!z.iso.datetime({ offset: true }).safeParse(iso).success) {
    throw new MillraceError('CONFIG_INVALID', {
      path: 'timestamp',
      expected: 'a time as ISO 8601 with a zone, such as 2026-01-01T00:00:00Z',
      received: describeValue(iso),
    });
  }
  return Object.freeze({ kind: 'timestamp', iso });
}

/**
 * One SELECT (DuckDB's dialect) over other datasets. Lazy: SQL over SQL fuses into one statement.
 * Declare its columns with `.as(columns, { key })` before `split`, `fit` or `evaluate` read it.
 *
 * @throws SQL_INVALID, SQL_REFUSED, SQL_UNKNOWN_COLUMN - when the plan is checked, before anything runs.
 */
export function sql(strings: TemplateStringsArray, ...parts: readonly SqlPart[]): UndeclaredDataset {
  const values: SqlValue[] = [];
  const datasets: DatasetNode[] = [];
  let text = strings[0] ?? '';
  parts.forEach((part, index) => {
    const path = `sql.\${${index}}`;
    const open = openPart(text);
    if (open !== null) throw insideOf(open, path);
    text += placeholder(part, path, values, datasets) + (strings[index + 1] ?? '');
  });
  if (text.trim() === '')
    throw new MillraceError('SQL_INVALID', {
      path: 'sql',
      expected: 'one SELECT statement',
      received: 'an empty text',
    });
  return undeclaredValue({ kind: 'sql', text, values, datasets, columns: null, key: [] });
}

/** SQL from a text without datasets or values in it, for example out of a file; `{{0}}` stands for `datasets[0]`. @throws SQL_INVALID */
export function sqlText(text: string, datasets: readonly AnyDataset[] = []): UndeclaredDataset {
  const nodes = datasets.map((dataset, index) => nodeOf(dataset, datasetKinds, `sqlText.datasets.${index}`));
  throwProblems(textProblems(text, nodes.length));
  return undeclaredValue({ kind: 'sql', text, values: [], datasets: nodes, columns: null, key: [] });
}

function placeholder(part: SqlPart, path: string, values: SqlValue[], datasets: DatasetNode[]): string {
  if (typeof part === 'object' && part !== null && 'stage' in part) {
    const node = nodeOf(part, datasetKinds, path);
    const known = datasets.indexOf(node);
    if (known >= 0) return `{{${known}}}`;
    datasets.push(node);
    return `{{${datasets.length - 1}}}`;
  }
  values.push(boundValue(part, path));
  return `$${values.length}`;
}

function boundValue(part: SqlPart, path: string): SqlValue {
  if (part === null || typeof part === 'boolean' || typeof part === 'string' || typeof part === 'bigint') return part;
  if (typeof part === 'number') {
    if (Number.isFinite(part)) return part;
    throw new MillraceError('CONFIG_INVALID', { path, expected: 'a finite number', received: String(part) });
  }
  if (Array.isArray(part))
    return { kind: 'list', items: part.map((item, index) => boundValue(item, `${path}.${index}`)) };
  if (typeof part === 'object' && 'kind' in part && (part.kind === 'date' || part.kind === 'timestamp'))
    return { kind: part.kind, iso: part.iso };
  throw new MillraceError('CONFIG_INVALID', {
    path,
    expected: 'a dataset, null, boolean, number, bigint, string, array, date(…) or timestamp(…)',
    received: describeValue(part),
  });
}

function insideOf(open: NonNullable<OpenPart>, path: string): MillraceError {
  return new MillraceError('SQL_INVALID', {
    path,
    expected: 'values and datasets outside of quotes and comments',
    received: open === 'comment' ? 'one in a comment' : `one between ${open}`,
    hint: open === 'comment' ? 'Take it out of the comment.' : 'Take the quotes away: a value is bound with its type.',
  });
}

/** Placeholders without a dataset, and datasets without a placeholder. */
function textProblems(text: unknown, count: number): readonly MillraceError[] {
  const invalid = (path: string, expected: string, received: string): MillraceError =>
    new MillraceError('SQL_INVALID', { path, expected, received });
  if (typeof text !== 'string' || text.trim() === '') {
    const received = typeof text === 'string' ? 'an empty text' : describeValue(text);
    return [invalid('sqlText.text', 'one SELECT statement', received)];
  }
  const used = new Set([...text.matchAll(/\{\{(\d+)\}\}/g)].map((match) => Number(match[1])));
  const unread = Array.from({ length: count }, (_, index) => index).filter((index) => !used.has(index));
  return [
    ...[...used]
      .filter((index) => index >= count)
      .map((index) => invalid('sqlText.text', `placeholders of the ${count} datasets`, `{{${index}}}`)),
    ...unread.map((index) =>
      invalid(`sqlText.datasets.${index}`, `a text that reads {{${index}}}`, 'one that does not'),
    ),
  ];
}
