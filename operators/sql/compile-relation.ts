import { isMillraceError, MillraceError, nearestName, throwProblems } from '../../pipelines/contracts/errors.js';
import { quoteIdentifier, type SqlEngine, type SqlSession, type SqlValue } from '../../pipelines/contracts/sql.js';
import { digestOf } from '../../pipelines/plan/digest.js';
import type { Relation } from '../../pipelines/plan/relation.js';
import type { Column } from '../../pipelines/types/column-type.js';
import { type ColumnCast, castColumn, castError, isCastable } from './checked-cast.js';
import { inspectRelation } from './inspect-relation.js';
import { withExcerpt } from './statement-excerpt.js';
import { placeholderName, substitute } from './statement-text.js';

/** A written dataset, or a stand-in for one, as a table of the session. */
export interface InputTable {
  /** A SELECT of {@link InputTable.columns}. */
  readonly sql: string;
  readonly columns: readonly Column[];
}

/** What compiling needs: an open session that may read the sources, and the stage's inputs in it. */
export interface CompileContext {
  readonly engine: SqlEngine;
  readonly session: SqlSession;
  readonly inputs: Readonly<Record<string, InputTable>>;
  /** Absolute paths of a source's files, by {@link sourceKey}. */
  readonly files: ReadonlyMap<string, readonly string[]>;
  /** Where errors point: the stage. */
  readonly path: string;
}

/** One step of the statement. */
interface Step {
  readonly name: string;
  readonly sql: string;
  readonly isMaterialized: boolean;
  /** The user's own text, so that errors can be found in it; null for steps of ours. */
  readonly text: string | null;
  /** Names of the steps that the text reads. */
  readonly reads: readonly string[];
  /** Casts that this step makes of the one before, for counting what they refuse. */
  readonly casts: readonly ColumnCast[];
}

/** A relation as one statement: steps in WITH, and the last one's columns. */
export interface CompiledRelation {
  readonly steps: readonly Step[];
  /** Quoted name of the last step. */
  readonly table: string;
  readonly values: readonly SqlValue[];
  readonly columns: readonly Column[];
  /** What makes it order-sensitive, over all texts. */
  readonly orderSensitive: readonly string[];
}

/** Names a source's files in {@link CompileContext.files}. */
export function sourceKey(relation: Extract<Relation, { kind: 'source' }>): string {
  return digestOf(relation.source);
}

/**
 * Compiles a tree of relations to the steps of one SELECT. Equal relations become one step.
 *
 * @throws SQL_INVALID, SQL_UNKNOWN_COLUMN (with line and column of the user's text), SQL_REFUSED, SOURCE_EMPTY,
 * SOURCE_MALFORMED, DATA_COLUMN_MISSING, DATA_TYPE
 */
export async function compileRelation(context: CompileContext, relation: Relation): Promise<CompiledRelation> {
  const compiler = new Compiler(context);
  const last = await compiler.add(relation, true);
  const columns = await compiler.columnsOf(last);
  return {
    steps: compiler.steps,
    table: quoteIdentifier(last),
    values: compiler.values,
    columns,
    orderSensitive: [...compiler.orderSensitive].sort(),
  };
}

/** `WITH …` for these steps, ending in a line break; empty where there are none. */
export function withClause(steps: readonly Step[]): string {
  if (steps.length === 0) return '';
  return `WITH ${steps.map((step) => `${quoteIdentifier(step.name)} AS ${step.isMaterialized ? '' : 'NOT MATERIALIZED '}(\n${step.sql}\n)`).join(',\n')}\n`;
}

class Compiler {
  readonly steps: Step[] = [];
  readonly values: SqlValue[] = [];
  readonly orderSensitive = new Set<string>();
  readonly #names = new Map<string, string>();

  constructor(readonly context: CompileContext) {}

  /** @param isLast - the outermost relation: its cast belongs to whoever writes it. */
  async add(relation: Relation, isLast: boolean): Promise<string> {
    const key = JSON.stringify([relation, isLast], (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : value,
    );
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const name = await this.#addNew(relation, isLast);
    this.#names.set(key, name);
    return name;
  }

  async columnsOf(name: string): Promise<readonly Column[]> {
    try {
      return await this.context.session.describe(
        `${withClause(this.steps)}SELECT * FROM ${quoteIdentifier(name)}`,
        this.values,
      );
    } catch (error) {
      throw await this.#located(error);
    }
  }

  async #addNew(relation: Relation, isLast: boolean): Promise<string> {
    switch (relation.kind) {
      case 'input': {
        const input = this.context.inputs[relation.input];
        if (input === undefined) {
          throw new MillraceError('INTERNAL', {
            path: this.context.path,
            expected: `an input '${relation.input}'`,
            received: `the inputs ${Object.keys(this.context.inputs).join(', ') || 'none'}`,
          });
        }
        return this.#step(input.sql, { isMaterialized: false });
      }
      case 'source': {
        const files = this.context.files.get(sourceKey(relation)) ?? [];
        const source = await this.context.session.source(relation.source, files, this.context.path);
        const name = this.#step(source.sql, { isMaterialized: relation.source.format !== 'parquet' });
        return source.needsCast && !isLast ? this.#cast(name, source.columns) : name;
      }
      case 'sql': {
        const info = await inspectRelation(this.context.engine, relation, this.context.path);
        for (const part of info.orderSensitive) this.orderSensitive.add(part);
        const names: string[] = [];
        for (const child of relation.relations) names.push(await this.add(child, false));
        const first = this.values.length;
        this.values.push(...relation.values);
        const text = substitute(relation.text, {
          relation: (index) => quoteIdentifier(names[index] ?? placeholderName(index)),
          value: (number) => first + number,
        });
        const name = this.#step(text, { text: relation.text, reads: names });
        return relation.columns !== null && !isLast ? this.#cast(name, relation.columns) : name;
      }
    }
  }

  #step(
    sql: string,
    options: { isMaterialized?: boolean; text?: string; reads?: readonly string[]; casts?: readonly ColumnCast[] },
  ): string {
    const name = placeholderName(this.steps.length);
    this.steps.push({
      name,
      sql,
      isMaterialized: options.isMaterialized ?? true,
      text: options.text ?? null,
      reads: options.reads ?? [],
      casts: options.casts ?? [],
    });
    return name;
  }

  async #cast(from: string, targets: readonly Column[]): Promise<string> {
    const casts = castColumns(await this.columnsOf(from), targets, true, this.context.path);
    const fields = casts.map((cast) => `${cast.expression} AS ${quoteIdentifier(cast.target.name)}`);
    return this.#step(`SELECT ${fields.join(', ')} FROM ${quoteIdentifier(from)}`, { casts });
  }

  /** Finds the user's text that an error comes from, and its place in it. */
  async #located(error: unknown): Promise<unknown> {
    if (!isMillraceError(error)) return error;
    const column = error.code === 'DATA_TYPE' ? error.details['column'] : undefined;
    if (typeof column === 'string') return atPath(error, `${this.context.path}.columns.${column}`);
    if (!error.code.startsWith('SQL_')) return error;
    for (const [index, step] of this.steps.entries()) {
      if (step.text === null) continue;
      const before = `${withClause(this.steps.slice(0, index))}SELECT * FROM (\n`;
      try {
        await this.context.session.describe(`${before}${step.sql}\n)`, this.values);
      } catch (own) {
        // DESCRIBE itself puts the statement on its first line.
        if (!isMillraceError(own)) return own;
        const place = moved(own, before.split('\n').length - 1, this.context.path);
        return withExcerpt(await this.#withNearest(place, step), step.sql);
      }
    }
    return error;
  }

  /** DuckDB names no candidates for `alias.column`: those of the tables that the text reads stand in. */
  async #withNearest(error: MillraceError, step: Step): Promise<MillraceError> {
    if (error.code !== 'SQL_UNKNOWN_COLUMN' || error.hint !== null) return error;
    const names: string[] = [];
    for (const name of step.reads) {
      const columns = await this.context.session.describe(
        `${withClause(this.steps)}SELECT * FROM ${quoteIdentifier(name)}`,
        this.values,
      );
      names.push(...columns.map((column) => column.name));
    }
    const unknown = String(error.details['column'] ?? '');
    const near = nearestName(unknown, names);
    if (names.length === 0) return error;
    return new MillraceError('SQL_UNKNOWN_COLUMN', {
      path: error.path,
      expected: `a column of the tables it reads, such as ${[...new Set(names)]
        .slice(0, 8)
        .map((name) => `'${name}'`)
        .join(', ')}`,
      received: error.received,
      ...(near === null ? {} : { hint: `Did you mean '${near}'?` }),
      details: { column: unknown, nearest: near },
      cause: error.cause,
    });
  }
}

function moved(error: MillraceError, lines: number, path: string): MillraceError {
  const place = /:(\d+)(:\d+)?$/.exec(error.path);
  return atPath(error, place === null ? path : `${path}:${Number(place[1]) - lines}${place[2] ?? ''}`);
}

/** The same error somewhere else. */
export function atPath(error: MillraceError, path: string): MillraceError {
  return new MillraceError(error.code, {
    path,
    expected: error.expected,
    received: error.received,
    retryable: error.retryable,
    details: error.details,
    ...(error.hint === null ? {} : { hint: error.hint }),
    cause: error.cause ?? error,
  });
}

/**
 * The casts from the columns that a relation has to the declared ones.
 * @throws DATA_COLUMN_MISSING - every missing column, with the nearest name.
 */
export function castColumns(
  found: readonly Column[],
  targets: readonly Column[],
  raisesNull: boolean,
  path: string,
): readonly ColumnCast[] {
  const problems: MillraceError[] = [];
  const casts: ColumnCast[] = [];
  for (const target of targets) {
    const source =
      found.find((column) => column.name === target.name) ??
      found.find((column) => column.name.toLowerCase() === target.name.toLowerCase());
    if (source !== undefined) {
      if (isCastable(source.type, target.type)) casts.push(castColumn(source, target, raisesNull));
      else problems.push(castError(source.type, target, path));
      continue;
    }
    const names = found.map((column) => column.name);
    const near = nearestName(target.name, names);
    problems.push(
      new MillraceError('DATA_COLUMN_MISSING', {
        path: `${path}.columns.${target.name}`,
        expected: `a column '${target.name}' in the result`,
        received: `the columns ${names
          .slice(0, 12)
          .map((name) => `'${name}'`)
          .join(', ')}${names.length > 12 ? ' …' : ''}`,
        hint: near === null ? 'Select it, or take it out of the declared columns.' : `Did you mean '${near}'?`,
        details: { column: target.name, nearest: near },
      }),
    );
  }
  throwProblems(problems);
  return casts;
}
