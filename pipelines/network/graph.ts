import type { Primitive } from './primitives.js';

/** Element types of tensors in a graph. `string` and `bool` live in the encode region and in masks. */
export type DType = 'float32' | 'float64' | 'int64' | 'bool' | 'string';

/**
 * A size: a number once known, else a linear form over symbols ("batch", "plan.vocabulary"),
 * for example `{ constant: 3, terms: { 'plan.vocabulary': 1 } }`.
 */
export type Dim = number | { readonly constant: number; readonly terms: Readonly<Record<string, number>> };

/** The symbol of the first axis of everything that is computed per row. */
export const BATCH: Dim = { constant: 0, terms: { batch: 1 } };

export type AttributeValue = null | boolean | number | string | readonly number[] | readonly string[] | Initializer;

/**
 * How a parameter begins. Uniform is over [-bound, bound); normal has mean 0.
 * Values are a function of (seed, parameter name, element index) alone.
 */
export type Initializer =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }
  | { readonly kind: 'constant'; readonly value: number }
  /** bound = gain / sqrt(fanIn); `fanIn` is the size of the named axis of the parameter's own shape. */
  | { readonly kind: 'fanInUniform'; readonly axis: number; readonly gain: number }
  /** As fanInUniform, for a bias: fan-in is the size of `axis` of the parameter named `of`. */
  | { readonly kind: 'fanInUniformOf'; readonly of: string; readonly axis: number; readonly gain: number }
  /** bound = gain * sqrt(6 / (shape[0] + shape[1])) (Glorot and Bengio 2010). */
  | { readonly kind: 'glorotUniform'; readonly gain: number }
  | { readonly kind: 'normal'; readonly standardDeviation: number };

/**
 * One computation. Nodes are listed in topological order and `inputs` are indices of earlier nodes.
 * Leaves are the ops `input`, `parameter`, `buffer`, `slot` and `constant`.
 */
export interface GraphNode {
  readonly op: Primitive;
  /** A path of scopes, unique in the graph: `dense_1/linear`. */
  readonly name: string;
  readonly inputs: readonly number[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
  /** Which reader computes it while training: SQL (encode), or the tensor engine (tensor). */
  readonly region: 'encode' | 'tensor';
}

/** One value per row that the feed stores: the border between the regions. */
export interface FeedColumn {
  readonly name: string;
  /** The encode node whose value is stored; its shape is [batch]. */
  readonly node: number;
  /** float32 for numbers and masks, int64 for indices (stored as int32 in the feed). */
  readonly dtype: 'float32' | 'int64';
}

/** A traced computation. The same value is run with autograd, written as ONNX and drawn. */
export interface TensorGraph {
  readonly formatVersion: 1;
  readonly nodes: readonly GraphNode[];
  readonly feed: readonly FeedColumn[];
  /** Named results, for example `logits`, `probability`. */
  readonly outputs: Readonly<Record<string, number>>;
}

/** What fills a slot or a symbolic size: a statistic of the train split, computed by SQL. */
export interface SlotSpec {
  /** `age.mean`; the graph's `slot` node of this name takes the value. */
  readonly name: string;
  readonly column: string;
  /** Further columns whose values are counted as well: a vocabulary that several inputs share. */
  readonly alsoColumns?: readonly string[];
  readonly statistic: Statistic;
  readonly dtype: 'float64' | 'int64' | 'string';
  /** Empty for a scalar, one entry for a list. */
  readonly shape: readonly Dim[];
  /** The symbol that the list's length defines (`plan.vocabulary`), or null. */
  readonly size: string | null;
}

/**
 * A statistic of one column over the train split, missing values left out; computed in float64.
 * `transform` applies before: log1p is ln(1 + x).
 */
export type Statistic =
  | { readonly kind: 'mean'; readonly transform: 'none' | 'log1p' }
  /** Population standard deviation; 1 where it is 0, so that a constant column becomes 0. */
  | { readonly kind: 'standardDeviation'; readonly transform: 'none' | 'log1p' }
  | { readonly kind: 'minimum' }
  | { readonly kind: 'maximum' }
  /** Maximum minus minimum; 1 where it is 0. */
  | { readonly kind: 'range' }
  /** The distinct quantiles at 0, 1/bins, …, 1 (type 7, linear interpolation), ascending, at least two. */
  | { readonly kind: 'quantiles'; readonly bins: number }
  /**
   * The distinct values with at least `minCount` rows, the `maxSize` most frequent ones (ties by value),
   * listed in ascending order of value (strings by UTF-8 bytes).
   */
  | { readonly kind: 'vocabulary'; readonly minCount: number; readonly maxSize: number };

/** Everything that `fit` needs to encode, train and export: traced at compile time. */
export interface FitGraph {
  /** Both regions; what is served. Raw `input` nodes carry the column's name. */
  readonly graph: TensorGraph;
  /** Encode region only: label columns and sample weight to feed columns named `label` (or `label.0`, …) and `weight`. */
  readonly label: TensorGraph;
  /**
   * Inputs are the graph's outputs by name, `label` and `weight`; outputs are `loss` and `weight`, both [batch].
   * The objective is sum(loss) / sum(weight) over the batch.
   */
  readonly loss: TensorGraph;
  readonly slots: readonly SlotSpec[];
  readonly task: Task;
}

/** What is predicted. Output names by task: binary `logits` [batch], `probability` [batch]; multiclass `logits`
 * [batch, classes], `probabilities` [batch, classes]; regression `scaled` [batch, targets], `prediction` [batch, targets]. */
export type Task =
  | { readonly kind: 'binary'; readonly label: string }
  | { readonly kind: 'multiclass'; readonly label: string }
  | { readonly kind: 'regression'; readonly labels: readonly string[] };

export function addDims(a: Dim, b: Dim): Dim {
  const left = typeof a === 'number' ? { constant: a, terms: {} } : a;
  const right = typeof b === 'number' ? { constant: b, terms: {} } : b;
  const terms: Record<string, number> = { ...left.terms };
  for (const [symbol, factor] of Object.entries(right.terms)) {
    const sum = (terms[symbol] ?? 0) + factor;
    if (sum === 0) delete terms[symbol];
    else terms[symbol] = sum;
  }
  const constant = left.constant + right.constant;
  return Object.keys(terms).length === 0 ? constant : { constant, terms };
}

export function sizeOf(symbol: string, plus = 0): Dim {
  return { constant: plus, terms: { [symbol]: 1 } };
}

export function dimsEqual(a: Dim, b: Dim): boolean {
  return formatDim(a) === formatDim(b);
}

/** `3`, `batch`, `plan.vocabulary+2`. */
export function formatDim(dim: Dim): string {
  if (typeof dim === 'number') return String(dim);
  const parts = Object.entries(dim.terms)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([symbol, factor]) => (factor === 1 ? symbol : `${factor}*${symbol}`));
  if (dim.constant !== 0 || parts.length === 0) parts.push(String(dim.constant));
  return parts.join('+');
}

export function formatShape(shape: readonly Dim[]): string {
  return `[${shape.map(formatDim).join(', ')}]`;
}

/** Replaces the symbols that `sizes` knows; others stay. */
export function resolveDim(dim: Dim, sizes: Readonly<Record<string, number>>): Dim {
  if (typeof dim === 'number') return dim;
  let constant = dim.constant;
  const terms: Record<string, number> = {};
  for (const [symbol, factor] of Object.entries(dim.terms)) {
    const size = sizes[symbol];
    if (size === undefined) terms[symbol] = factor;
    else constant += factor * size;
  }
  return Object.keys(terms).length === 0 ? constant : { constant, terms };
}

/** The graph with every known symbol replaced by its size (`batch` usually stays). */
export function resolveGraph(graph: TensorGraph, sizes: Readonly<Record<string, number>>): TensorGraph {
  return {
    ...graph,
    nodes: graph.nodes.map((node) => ({ ...node, shape: node.shape.map((dim) => resolveDim(dim, sizes)) })),
  };
}
