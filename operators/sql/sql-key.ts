import type { Artifact } from '../../pipelines/contracts/artifacts.js';
import type { KeyContext, OperatorStage, SourceFile } from '../../pipelines/contracts/operator.js';
import { digestOf } from '../../pipelines/plan/digest.js';
import type { Relation } from '../../pipelines/plan/relation.js';
import { datasetMeta } from './dataset-table.js';
import { inspectRelation } from './inspect-relation.js';
import type { SqlOptions } from './sql-options.js';

/**
 * The key of a dataset: what its statements mean, the bound values, the content of source files in their order (never
 * their paths), and of each input the digests of the columns that are read, where that can be told.
 */
export async function sqlKeyParts(
  context: KeyContext,
  stage: OperatorStage<SqlOptions>,
): Promise<Readonly<Record<string, string>>> {
  const reader = new KeyReader(context);
  const { relation, columns, key } = stage.options;
  const parts: Record<string, string> = {
    statement: digestOf([await reader.meaning(relation), columns, key]),
    files: digestOf(reader.files.map((file) => file.sha256)),
  };
  if (relation.kind === 'input') reader.reads(relation.input, null);
  for (const [name, input] of Object.entries(stage.inputs)) {
    const artifact = input.artifacts['dataset'] ?? Object.values(input.artifacts)[0];
    if (artifact !== undefined) parts[`input ${name}`] = inputPart(artifact, reader.readColumns.get(name) ?? null);
  }
  return parts;
}

/** @param names - lower case; null reads all. */
function inputPart(artifact: Artifact, names: ReadonlySet<string> | null): string {
  if (names === null) return artifact.digest;
  const meta = datasetMeta(artifact);
  const read = meta.columns.filter((column) => names.has(column.name.toLowerCase()));
  return digestOf([meta.rows, read.map((column) => [column.name, column.type, column.digest])]);
}

class KeyReader {
  readonly files: SourceFile[] = [];
  /** By input: names that may be its columns, lower case; null where all are read. */
  readonly readColumns = new Map<string, Set<string> | null>();

  constructor(readonly context: KeyContext) {}

  /** A relation without paths, positions and layout. */
  async meaning(relation: Relation): Promise<unknown> {
    switch (relation.kind) {
      case 'input':
        return ['input', relation.input];
      case 'source': {
        const { path, ...rest } = relation.source;
        const files = await this.context.sources(path, 'sql');
        this.files.push(...files);
        return ['source', rest, files.length];
      }
      case 'sql': {
        const info = await inspectRelation(this.context.sql, relation, 'sql');
        const names = namesRead(info.canonical);
        const children: unknown[] = [];
        for (const child of relation.relations) {
          children.push(await this.meaning(child));
          if (child.kind === 'input') this.reads(child.input, names);
        }
        return ['sql', info.canonical, relation.values.map(keyValue), children, relation.columns];
      }
    }
  }

  reads(input: string, names: ReadonlySet<string> | null): void {
    const known = this.readColumns.get(input);
    if (names === null || known === null) this.readColumns.set(input, null);
    else this.readColumns.set(input, new Set([...(known ?? []), ...names]));
  }
}

/** JSON has no bigint. */
function keyValue(value: unknown): unknown {
  if (typeof value === 'bigint') return { kind: 'bigint', text: String(value) };
  if (typeof value === 'object' && value !== null && 'items' in value)
    return { kind: 'list', items: (value.items as readonly unknown[]).map(keyValue) };
  return value;
}

/**
 * Every name that a column of the tables may have in a statement, lower case, or null where all may be read:
 * `*`, COLUMNS(…), `#1`, NATURAL joins, pivots, whole rows by a table's name.
 */
function namesRead(canonical: string): ReadonlySet<string> | null {
  const names = new Set<string>();
  const tables = new Set<string>();
  let readsAll = false;
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const item of value) visit(item);
      return;
    }
    if (typeof value !== 'object' || value === null) return;
    const node = value as { readonly [member: string]: unknown };
    // A pivot groups by every column that it does not name.
    if (node['class'] === 'STAR' || node['ref_type'] === 'NATURAL' || node['type'] === 'PIVOT') readsAll = true;
    // `#1` names no column.
    if (node['class'] === 'POSITIONAL_REFERENCE') readsAll = true;
    if (node['type'] === 'BASE_TABLE') {
      tables.add(String(node['table_name']).toLowerCase());
      if (node['alias'] !== '') tables.add(String(node['alias']).toLowerCase());
      if (((node['column_name_alias'] as readonly unknown[] | undefined) ?? []).length > 0) readsAll = true;
    }
    if (node['class'] === 'COLUMN_REF') {
      for (const name of (node['column_names'] as readonly string[] | undefined) ?? []) names.add(name.toLowerCase());
      const [only, ...more] = (node['column_names'] as readonly string[] | undefined) ?? [];
      if (only !== undefined && more.length === 0) singles.add(only.toLowerCase());
    }
    for (const name of (node['using_columns'] as readonly string[] | undefined) ?? [])
      names.add(String(name).toLowerCase());
    for (const member of Object.values(node)) visit(member);
  };
  const singles = new Set<string>();
  visit(JSON.parse(canonical));
  return readsAll || [...singles].some((name) => tables.has(name)) ? null : names;
}
