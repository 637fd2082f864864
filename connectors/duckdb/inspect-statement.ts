import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { StatementInfo } from '../../pipelines/contracts/sql.js';
import {
  allowedTableFunctions,
  functionLikeNames,
  isRefusedFunction,
  orderSensitiveAggregates,
  orderSensitiveWindows,
  volatileFunctions,
} from './statement-functions.js';

interface SerializedStatements {
  readonly error: boolean;
  readonly error_type?: string;
  readonly error_message?: string;
  readonly position?: string;
  readonly statements?: readonly Node[];
}

type Node = { readonly [member: string]: unknown };

/** Checks what `json_serialize_sql` made of a user's text, and says what a key and the operator need of it. */
export function inspectStatement(json: string, text: string, path: string): StatementInfo {
  const serialized = JSON.parse(json) as SerializedStatements;
  if (serialized.error) throw notParsed(serialized, text, path);
  const statements = serialized.statements ?? [];
  const [statement] = statements;
  if (statements.length !== 1 || statement === undefined) {
    throw new MillraceError(statements.length === 0 ? 'SQL_INVALID' : 'SQL_REFUSED', {
      path,
      expected: 'exactly one SELECT statement',
      received: statements.length === 0 ? 'none' : `${statements.length} statements`,
      ...(statements.length === 0 ? {} : { hint: 'Write one SELECT; WITH names the steps before it.' }),
    });
  }
  const walk = new StatementWalk(text, path);
  walk.visit(statement, new Set());
  return {
    canonical: withoutPositions(json),
    functions: [...walk.functions].sort(),
    tables: [...walk.tables].sort(),
    isOrderSensitive: walk.sensitive.size > 0,
    orderSensitive: [...walk.sensitive].sort(),
    volatileFunctions: [...walk.volatile].sort(),
  };
}

function notParsed(serialized: SerializedStatements, text: string, path: string): MillraceError {
  if (serialized.error_type === 'parser') {
    const at = serialized.position === undefined ? path : `${path}:${lineAndColumn(text, Number(serialized.position))}`;
    return new MillraceError('SQL_INVALID', {
      path: at,
      expected: 'one SELECT statement',
      received: (serialized.error_message ?? 'something else').replace(/[.!]$/, ''),
    });
  }
  return new MillraceError('SQL_REFUSED', {
    path,
    expected: 'one SELECT statement',
    received: 'a statement of another kind',
    hint: 'COPY, ATTACH, CREATE, INSERT, SET, PRAGMA, CALL, PIVOT and the like are not for datasets; a PIVOT is written as aggregates with FILTER.',
  });
}

/** `line:column` of a byte position, both from 1; columns count characters. */
export function lineAndColumn(text: string, position: number): string {
  const before = Buffer.from(text, 'utf8').subarray(0, position).toString('utf8');
  const lines = before.split('\n');
  return `${lines.length}:${[...(lines.at(-1) ?? '')].length + 1}`;
}

class StatementWalk {
  readonly functions = new Set<string>();
  readonly tables = new Set<string>();
  readonly volatile = new Set<string>();
  /** What makes it order-sensitive, in words. */
  readonly sensitive = new Set<string>();

  constructor(
    readonly text: string,
    readonly path: string,
  ) {}

  /** @param scope - names of the CTEs around. */
  visit(value: unknown, scope: ReadonlySet<string>): void {
    if (Array.isArray(value)) {
      for (const item of value) this.visit(item, scope);
      return;
    }
    if (typeof value !== 'object' || value === null) return;
    const node = value as Node;
    const inner = this.#withCtes(node, scope);
    this.#check(node, inner);
    for (const [name, member] of Object.entries(node)) {
      // A constant holds data of the user's, never structure.
      if (name === 'value' && node['class'] === 'CONSTANT') continue;
      this.visit(member, inner);
    }
  }

  #withCtes(node: Node, scope: ReadonlySet<string>): ReadonlySet<string> {
    const map = (node['cte_map'] as { map?: readonly { key: string }[] } | undefined)?.map ?? [];
    const own = map.map((entry) => entry.key.toLowerCase());
    const recursive = node['type'] === 'RECURSIVE_CTE_NODE' ? [String(node['cte_name']).toLowerCase()] : [];
    return own.length + recursive.length === 0 ? scope : new Set([...scope, ...own, ...recursive]);
  }

  #check(node: Node, scope: ReadonlySet<string>): void {
    switch (node['class']) {
      case 'FUNCTION':
        this.#function(node);
        break;
      case 'WINDOW':
        this.#window(node);
        break;
      case 'COLUMN_REF':
        this.#columnReference(node);
        break;
    }
    switch (node['type']) {
      case 'BASE_TABLE':
        this.#table(node, scope);
        break;
      case 'TABLE_FUNCTION':
        this.#tableFunction(node);
        break;
      case 'SHOW_REF':
        this.#refuse('DESCRIBE, SHOW or SUMMARIZE', node, 'Select from the dataset itself.');
        break;
      case 'JOIN':
        if (node['ref_type'] === 'ASOF' || node['ref_type'] === 'POSITIONAL')
          this.sensitive.add(`${node['ref_type']} join`);
        break;
      case 'LIMIT_MODIFIER':
      case 'LIMIT_PERCENT_MODIFIER':
        this.sensitive.add('LIMIT');
        break;
      case 'DISTINCT_MODIFIER':
        if (((node['distinct_on_targets'] as readonly unknown[] | undefined) ?? []).length > 0)
          this.sensitive.add('DISTINCT ON');
        break;
    }
    const sample = node['sample'] as { is_percentage?: boolean; seed?: unknown } | null | undefined;
    if (sample !== null && typeof sample === 'object') {
      this.sensitive.add('TABLESAMPLE');
      if (!hasSeed(sample)) this.volatile.add('tablesample');
    }
  }

  #function(node: Node): void {
    const name = String(node['function_name']).toLowerCase();
    this.functions.add(name);
    this.#checkName(name, node);
    const orders = (node['order_bys'] as { orders?: readonly unknown[] } | null)?.orders ?? [];
    if (orderSensitiveAggregates.has(name) && orders.length === 0) this.sensitive.add(name);
  }

  #window(node: Node): void {
    const name = String(node['function_name']).toLowerCase();
    this.functions.add(name);
    this.#checkName(name, node);
    if (orderSensitiveWindows.has(String(node['type'])) || orderSensitiveAggregates.has(name))
      this.sensitive.add(`${name} OVER`);
  }

  #columnReference(node: Node): void {
    const names = node['column_names'] as readonly string[];
    const [only] = names;
    if (names.length !== 1 || only === undefined) return;
    const name = only.toLowerCase();
    if (!functionLikeNames.has(name)) return;
    this.functions.add(name);
    this.#checkName(name, node);
  }

  #checkName(name: string, node: Node): void {
    if (volatileFunctions.has(name)) this.volatile.add(name);
    else if (isRefusedFunction(name)) {
      this.#refuse(
        `the function '${name}'`,
        node,
        'It reaches outside the datasets: files, settings, the catalog or the machine.',
      );
    }
  }

  #tableFunction(node: Node): void {
    const call = node['function'] as Node | undefined;
    const name = String(call?.['function_name'] ?? '').toLowerCase();
    if (allowedTableFunctions.has(name)) return;
    this.#refuse(
      `the table function '${name}'`,
      node,
      /^(read_|parquet_scan|glob|sniff)/.test(name)
        ? 'Name files by csv(), parquet(), json() or arrow().'
        : 'It reaches outside the datasets.',
    );
  }

  #table(node: Node, scope: ReadonlySet<string>): void {
    const name = String(node['table_name']);
    const schema = String(node['schema_name'] ?? '');
    const catalog = String(node['catalog_name'] ?? '');
    const isSystem = /^(duckdb_|pg_|sqlite_|pragma_)/i.test(name);
    if (schema !== '' || catalog !== '' || isSystem) {
      this.#refuse(
        `the table '${[catalog, schema, name].filter((part) => part !== '').join('.')}'`,
        node,
        'Only datasets and WITH names can be read.',
      );
    }
    if (
      /[/\\]|:\/\/|\.(csv|tsv|parquet|json|jsonl|ndjson|arrow|txt|gz|zst|db|duckdb|xlsx)$/i.test(name) ||
      /[*?[\]\0]/.test(name)
    ) {
      this.#refuse('a file name as a table', node, 'Name files by csv(), parquet(), json() or arrow().');
    }
    if (!scope.has(name.toLowerCase())) this.tables.add(name);
  }

  #refuse(received: string, node: Node, hint: string): never {
    const location = Number(node['query_location']);
    const path = Number.isSafeInteger(location) ? `${this.path}:${lineAndColumn(this.text, location)}` : this.path;
    throw new MillraceError('SQL_REFUSED', { path, expected: 'a SELECT over datasets alone', received, hint });
  }
}

function hasSeed(sample: { seed?: unknown }): boolean {
  const seed =
    typeof sample.seed === 'object' && sample.seed !== null ? (sample.seed as { value?: unknown }).value : sample.seed;
  return typeof seed === 'number' && seed >= 0 && Number.isSafeInteger(seed);
}

/**
 * The statement without positions: layout and comments do not count. The text is cut, not parsed and printed again:
 * JavaScript's numbers would fold large constants into one. Inside a string of the JSON every quote is escaped, so
 * that the pattern cannot match there.
 */
function withoutPositions(json: string): string {
  return json.replace(/"query_location":\d+/g, '"query_location":0');
}
