import { MillraceError } from '../contracts/errors.js';
import type { StatisticsDocument } from '../contracts/training.js';
import type { TensorGraph } from '../network/graph.js';
import type { Column } from '../types/column-type.js';
import { primitiveSql } from './primitive-sql.js';
import { columnOf, type RawRule, rawRule } from './raw-input.js';
import { showsIn } from './shows-in.js';

/** A feed column as SQL over the dataset's columns: FLOAT for float32, BIGINT for int64. */
export interface EncodedColumn {
  readonly name: string;
  readonly dtype: 'float32' | 'int64';
  readonly sql: string;
  /** The raw columns that it reads. */
  readonly reads: readonly string[];
}

/**
 * The encode region's SQL reader: one expression for every feed column, in order.
 *
 * Gives the bytes that the ONNX form gives, for every row that obeys {@link rawRules}; a row that does not gives NULL, NaN
 * or infinity in a column, or breaks one of {@link hiddenRules}. NULL in a result says that the row has no float32.
 *
 * @param columns - the dataset's columns; types decide casts.
 * @throws DATA_COLUMN_MISSING - with the nearest name. @throws NETWORK_INVALID - a primitive without SQL.
 */
export function encodeToSql(
  graph: TensorGraph,
  statistics: Pick<StatisticsDocument, 'slots'>,
  columns: readonly Column[],
): EncodedColumn[] {
  const known = new Map<number, string>();
  const sqlOf = (index: number): string => {
    const found = known.get(index);
    if (found !== undefined) return found;
    const node = graph.nodes[index]!;
    const toSql = node.region === 'encode' ? primitiveSql[node.op] : undefined;
    if (toSql === undefined) {
      throw new MillraceError('NETWORK_INVALID', {
        path: node.name,
        expected: 'a primitive of the encode region',
        received: `'${node.op}' of the ${node.region} region`,
      });
    }
    const sql = toSql({ graph, node, columns, statistics, input: (input) => sqlOf(node.inputs[input]!), sqlOf });
    known.set(index, sql);
    return sql;
  };
  return graph.feed.map(({ name, node, dtype }) => {
    const value = sqlOf(node);
    const from = graph.nodes[node]!.dtype;
    const sql =
      dtype === 'int64'
        ? value
        : from === 'float32'
          ? value
          : from === 'float64'
            ? `TRY_CAST(${value} AS FLOAT)`
            : `CAST(${value} AS FLOAT)`;
    return { name, dtype, sql, reads: rawColumns(graph, node) };
  });
}

/** Names of the raw columns that a feed reads, in the order of the graph. */
export function encodeInputs(graph: TensorGraph): string[] {
  return [...new Set(graph.feed.flatMap(({ node }) => rawColumns(graph, node)))];
}

/** What every row of the raw columns has to obey. */
export function rawRules(graph: TensorGraph, columns: readonly Column[]): RawRule[] {
  return rulesOf(graph, columns).map(({ rule }) => rule);
}

/** The rules whose breach no result shows: they have to be checked on the raw columns. */
export function hiddenRules(graph: TensorGraph, columns: readonly Column[]): RawRule[] {
  return rulesOf(graph, columns)
    .filter(
      ({ rule, index }) => rule.kind === 'text' || !graph.feed.some((column) => showsIn(graph, column.node, index)),
    )
    .map(({ rule }) => rule);
}

function rulesOf(graph: TensorGraph, columns: readonly Column[]): { rule: RawRule; index: number }[] {
  const used = new Set(graph.feed.flatMap(({ node }) => [...reachable(graph, node)]));
  const isReadAsFloat = (index: number) =>
    graph.nodes.some(
      (node, at) =>
        used.has(at) &&
        node.op === 'cast' &&
        node.inputs[0] === index &&
        String(node.attributes['to']).startsWith('float'),
    );
  return [...used]
    .sort((a, b) => a - b)
    .flatMap((index) => {
      const node = graph.nodes[index]!;
      if (node.op !== 'input') return [];
      const rule = rawRule(node, columnOf(node, columns), isReadAsFloat(index));
      return rule === null ? [] : [{ rule, index }];
    });
}

function rawColumns(graph: TensorGraph, index: number): string[] {
  return [...reachable(graph, index)]
    .sort((a, b) => a - b)
    .map((at) => graph.nodes[at]!)
    .filter((node) => node.op === 'input')
    .map((node) => String(node.attributes['name']));
}

function reachable(graph: TensorGraph, index: number, seen: Set<number> = new Set()): Set<number> {
  if (!seen.has(index)) {
    seen.add(index);
    for (const input of graph.nodes[index]!.inputs) reachable(graph, input, seen);
  }
  return seen;
}
