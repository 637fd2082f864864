import { MillraceError } from '../contracts/errors.js';
import { quoteIdentifier } from '../contracts/sql.js';
import type { SlotValue, StatisticsDocument } from '../contracts/training.js';
import type { DType, GraphNode, TensorGraph } from '../network/graph.js';
import type { Primitive } from '../network/primitives.js';
import type { Column } from '../types/column-type.js';
import { type LookupAttributes, lookupSql } from './lookup-sql.js';
import { columnOf, exactSql, rawInputSql } from './raw-input.js';
import { doubleLiteral, scalarLiteral, sqlNaN, sqlTypes } from './sql-literal.js';

/** What a primitive's SQL is made from. */
export interface NodeScope {
  readonly graph: TensorGraph;
  readonly node: GraphNode;
  readonly columns: readonly Column[];
  readonly statistics: Pick<StatisticsDocument, 'slots'>;
  /** SQL of the node's input `index`. */
  readonly input: (index: number) => string;
  /** SQL of any node. */
  readonly sqlOf: (node: number) => string;
}

type ToSql = (scope: NodeScope) => string;

/**
 * The SQL of every primitive of the encode region. Missing is NULL where ONNX has NaN or ''; apart from that each gives
 * what IEEE 754 and ONNX give: DuckDB orders NaN above all numbers and calls it equal to itself, takes no root or
 * logarithm of what has none, and rounds where ONNX cuts.
 */
export const primitiveSql: Readonly<Partial<Record<Primitive, ToSql>>> = {
  input: ({ node, columns }) => rawInputSql(node, columnOf(node, columns)),
  constant: ({ node }) => scalarLiteral(node.attributes['value'] as number | string, node.dtype, node.name),
  slot: (scope) => scalarLiteral(slotOf(scope, scope.node).values[0]!, scope.node.dtype, scope.node.name),

  add: infix('+'),
  subtract: infix('-'),
  multiply: infix('*'),
  divide: (scope) => (inputNode(scope, 0).dtype === 'int64' ? infix('//')(scope) : infix('/')(scope)),
  minimum: extreme('<'),
  maximum: extreme('>'),
  sqrt: guarded(
    (x) => `${x} >= 0`,
    (x) => `sqrt(${x})`,
  ),
  negate: ({ input }) => `(-${input(0)})`,
  abs: ({ input }) => `abs(${input(0)})`,
  log1p: guarded(
    (x) => `${x} > -1`,
    (x) => `ln(CAST(1 AS DOUBLE) + ${x})`,
  ),

  equal: comparison('='),
  greater: comparison('>'),
  greaterOrEqual: comparison('>='),
  not: ({ input }) => `(NOT ${input(0)})`,
  where: whereSql,
  cast: castSql,

  isMissing: (scope) => {
    const x = scope.input(0);
    const source = inputNode(scope, 0);
    if (source.dtype === 'string') return `coalesce(${x} = '', TRUE)`;
    // A raw NaN is an error in training data, not a missing value: it goes on and shows.
    return source.op === 'input' || !isFloat(source.dtype) ? `(${x} IS NULL)` : `coalesce(isnan(${x}), TRUE)`;
  },
  lookup: (scope) =>
    lookupSql(
      scope.input(0),
      slotOf(scope, inputNode(scope, 1)),
      scope.node.attributes as unknown as LookupAttributes,
      scope.node.name,
    ),
  bucketIndex: (scope) => {
    const edges = slotOf(scope, inputNode(scope, 1)).values.map((edge) => doubleLiteral(Number(edge)));
    if (edges.length === 0) return 'CAST(0 AS BIGINT)';
    const x = scope.input(0);
    const reached = balancedSum(edges.map((edge) => `CAST(${x} >= ${edge} AS BIGINT)`));
    const none = mayBeNaN(scope.graph, scope.node.inputs[0]!)
      ? `CASE WHEN isnan(${x}) THEN 0 ELSE ${reached} END`
      : reached;
    return `coalesce(${none}, CAST(0 AS BIGINT))`;
  },
};

function inputNode({ graph, node }: NodeScope, index: number): GraphNode {
  return graph.nodes[node.inputs[index]!]!;
}

function slotOf({ statistics }: NodeScope, node: GraphNode): SlotValue {
  const name = String(node.attributes['name']);
  const slot = statistics.slots[name];
  if (slot !== undefined) return slot;
  throw new MillraceError('INTERNAL', {
    path: `statistics.slots.${name}`,
    expected: 'a value for every slot of the graph',
    received: 'none',
  });
}

function isFloat(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float64';
}

function infix(operator: string): ToSql {
  return ({ input }) => `(${input(0)} ${operator} ${input(1)})`;
}

/** NaN and NULL go through; of equal values the second one is taken, as onnxruntime does. */
function extreme(relation: '<' | '>'): ToSql {
  return (scope) => {
    const [a, b] = [scope.input(0), scope.input(1)];
    const nan = isFloat(scope.node.dtype) ? ` WHEN isnan(${a}) THEN ${a} WHEN isnan(${b}) THEN ${b}` : '';
    return `(CASE WHEN ${a} IS NULL OR ${b} IS NULL THEN NULL${nan} WHEN ${a} ${relation} ${b} THEN ${a} ELSE ${b} END)`;
  };
}

function guarded(isDefined: (x: string) => string, result: (x: string) => string): ToSql {
  return ({ node, input }) => {
    const x = input(0);
    const nan = node.dtype === 'float32' ? `CAST(${sqlNaN} AS FLOAT)` : sqlNaN;
    return `(CASE WHEN ${isDefined(x)} THEN ${result(x)} WHEN ${x} IS NOT NULL THEN ${nan} END)`;
  };
}

/** False where a side is missing or NaN; a missing string is ''. */
function comparison(operator: '=' | '>' | '>='): ToSql {
  return (scope) => {
    const sides = [0, 1].map((index) => {
      const x = scope.input(index);
      return inputNode(scope, index).dtype === 'string' && inputNode(scope, index).op === 'input'
        ? `coalesce(${x}, '')`
        : x;
    });
    const nan =
      isFloat(inputNode(scope, 0).dtype) && mayBeNaN(scope.graph, scope.node.inputs[0]!)
        ? ` AND NOT isnan(${sides[0]})`
        : '';
    return `coalesce(${sides[0]} ${operator} ${sides[1]}${nan}, FALSE)`;
  };
}

/** Whether finite inputs can give NaN here. NaN on the right never compares true in DuckDB, unless the left is NaN too. */
function mayBeNaN(graph: TensorGraph, index: number): boolean {
  const node = graph.nodes[index]!;
  switch (node.op) {
    case 'input':
    case 'slot':
    case 'constant':
      return false;
    case 'cast':
      return isFloat(graph.nodes[node.inputs[0]!]!.dtype) && mayBeNaN(graph, node.inputs[0]!);
    case 'where':
      return mayBeNaN(graph, node.inputs[1]!) || mayBeNaN(graph, node.inputs[2]!);
    default:
      return true;
  }
}

/**
 * A chain of choices is one CASE, so that a thousand of them stay below the parser's depth.
 * onnxruntime merges its two masked branches by `a ? a : b`, which makes a chosen -0 of the first one a 0.
 */
function whereSql(scope: NodeScope): string {
  const { graph, sqlOf } = scope;
  const zero = isFloat(scope.node.dtype) ? ` + ${scalarLiteral(0, scope.node.dtype, scope.node.name)}` : '';
  const arms: string[] = [];
  let at = scope.node;
  for (;;) {
    const [condition, chosen, rest] = at.inputs as [number, number, number];
    arms.push(`WHEN ${sqlOf(condition)} THEN ${sqlOf(chosen)}${zero}`);
    const next = graph.nodes[rest]!;
    if (next.op !== 'where') return `(CASE ${arms.join(' ')} ELSE ${sqlOf(rest)} END)`;
    at = next;
  }
}

function castSql(scope: NodeScope): string {
  const from = inputNode(scope, 0);
  const to = scope.node.attributes['to'] as DType;
  const x = scope.input(0);
  if (from.dtype === to) return x;
  if (from.dtype === 'string' || (to === 'string' && from.dtype !== 'int64')) {
    throw new MillraceError('NETWORK_INVALID', {
      path: scope.node.name,
      expected: 'a cast between numbers and bools, or from int64 to string',
      received: `one from ${from.dtype} to ${to}`,
    });
  }
  if (isFloat(to) && from.op === 'input' && from.dtype === 'int64') {
    const column = columnOf(from, scope.columns);
    if (column.type.kind === 'int64' || column.type.kind === 'uint64')
      return exactSql(quoteIdentifier(column.name), to === 'float32' ? 'FLOAT' : 'DOUBLE');
  }
  // NULL where it does not fit: the feed's writer reports a NULL that it gets.
  if (to === 'float32' && from.dtype === 'float64') return `TRY_CAST(${x} AS FLOAT)`;
  if (to === 'int64' && isFloat(from.dtype)) return `TRY_CAST(trunc(${x}) AS BIGINT)`;
  if (to === 'bool') return isFloat(from.dtype) ? `coalesce(${x} <> 0, TRUE)` : `(${x} <> 0)`;
  return `CAST(${x} AS ${sqlTypes[to]})`;
}

/** A sum of any length whose depth stays below the parser's limit. */
function balancedSum(terms: readonly string[]): string {
  if (terms.length === 1) return terms[0]!;
  const half = Math.ceil(terms.length / 2);
  return `(${balancedSum(terms.slice(0, half))} + ${balancedSum(terms.slice(half))})`;
}
