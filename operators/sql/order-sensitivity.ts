import type { SqlSession, SqlValue } from '../../pipelines/contracts/sql.js';
import { quoteLiteral } from '../../pipelines/contracts/sql.js';

/** Exact over integers and decimals, whatever the order; sensitive over floats alone. */
const exactOverIntegers = new Set(['avg', 'mean', 'sum', 'sum_no_overflow']);
const floats = new Set(['FLOAT', 'DOUBLE']);

/**
 * What of a statement's order-sensitive parts remains once types are known: sums and averages of integers and decimals
 * are exact. Where the plan cannot be had they all stay.
 */
export async function remainingSensitivity(
  session: SqlSession,
  parts: readonly string[],
  sql: string,
  values: readonly SqlValue[],
): Promise<readonly string[]> {
  if (parts.length === 0 || parts.some((part) => !exactOverIntegers.has(part))) return parts;
  const plan = await boundPlan(session, sql, values);
  if (plan === null) return parts;
  const found = new Set<string>();
  collect(plan, found);
  return parts.filter((part) => found.has(part));
}

/** DuckDB's bound plan as JSON, or null. It takes no bound values, so that each is replaced by a NULL of its type. */
async function boundPlan(session: SqlSession, sql: string, values: readonly SqlValue[]): Promise<unknown> {
  const text = values.reduceRight<string>(
    (result, value, index) =>
      result.replaceAll(new RegExp(`(?<![\\w$])\\$${index + 1}(?!\\d)`, 'g'), `CAST(NULL AS ${typeOfValue(value)})`),
    sql,
  );
  try {
    const { rows } = await session.query(`SELECT json_serialize_plan(${quoteLiteral(text)})::VARCHAR AS plan`);
    const plan = JSON.parse(String(rows[0]?.['plan'])) as { readonly error: boolean };
    return plan.error ? null : plan;
  } catch {
    return null;
  }
}

function typeOfValue(value: SqlValue): string {
  if (value === null) return 'INTEGER';
  if (typeof value === 'boolean') return 'BOOLEAN';
  if (typeof value === 'number') return 'DOUBLE';
  if (typeof value === 'bigint') return 'BIGINT';
  if (typeof value === 'string') return 'VARCHAR';
  if (value.kind === 'bigint') return 'BIGINT';
  if (value.kind === 'list') return `${typeOfValue(value.items.find((item) => item !== null) ?? '')}[]`;
  return value.kind === 'date' ? 'DATE' : 'TIMESTAMP';
}

function collect(value: unknown, found: Set<string>): void {
  if (Array.isArray(value)) {
    for (const item of value) collect(item, found);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const node = value as { readonly [member: string]: unknown };
  if (node['expression_class'] === 'BOUND_AGGREGATE') {
    const types = (node['arguments'] as readonly { id: string }[] | undefined) ?? [];
    if (types.some((type) => floats.has(type.id))) {
      const name = String(node['name']).toLowerCase();
      found.add(name);
      if (name === 'avg') found.add('mean');
    }
  }
  for (const member of Object.values(node)) collect(member, found);
}
