import { MillraceError } from '../contracts/errors.js';
import type { Json } from '../contracts/json.js';
import type { SqlValue } from '../contracts/sql.js';
import type { ResolvedTraining } from '../contracts/training.js';
import type { FitGraph } from '../network/graph.js';
import type { SourceSpec, SplitSpec } from '../plan/relation.js';
import type { Column } from '../types/column-type.js';
import { describeValue, oneOf } from './describe-value.js';

interface DatasetFacts {
  /** Declared columns, or null where only the data knows. */
  readonly columns: readonly Column[] | null;
  readonly key: readonly string[];
}

export type DatasetNode =
  | ({ readonly kind: 'source'; readonly source: SourceSpec } & DatasetFacts)
  | ({
      readonly kind: 'sql';
      readonly text: string;
      readonly values: readonly SqlValue[];
      readonly datasets: readonly DatasetNode[];
    } & DatasetFacts)
  | ({
      readonly kind: 'custom';
      readonly function: (...values: never[]) => unknown;
      readonly datasets: Readonly<Record<string, DatasetNode>>;
      readonly options: Json;
    } & DatasetFacts)
  | ({
      readonly kind: 'predict';
      readonly onnx: OnnxNode;
      /** The promotion that has to go well first, or null. */
      readonly after: PromoteNode | null;
      readonly dataset: DatasetNode;
      readonly keep: readonly string[];
    } & DatasetFacts);

export interface SplitNode {
  readonly kind: 'split';
  readonly dataset: DatasetNode;
  readonly spec: SplitSpec;
}

export interface FitNode {
  readonly kind: 'fit';
  readonly split: SplitNode;
  readonly fit: FitGraph;
  readonly inputs: readonly string[];
  readonly labels: readonly string[];
  /** Classes that the loss weights by name; the data says whether the label has them. */
  readonly weightedClasses: readonly string[];
  readonly training: ResolvedTraining;
  readonly device: 'auto' | 'cpu' | 'cuda';
}

export interface OnnxNode {
  readonly kind: 'exportOnnx';
  readonly model: FitNode;
}

export interface EvaluateNode {
  readonly kind: 'evaluate';
  readonly onnx: OnnxNode;
  readonly split: SplitNode;
  readonly options: Readonly<Record<string, Json>>;
}

export interface RegisterNode {
  readonly kind: 'register';
  readonly onnx: OnnxNode;
  readonly report: EvaluateNode;
  readonly model: string;
}

export interface GateNode {
  readonly kind: 'gate';
  readonly version: RegisterNode;
  readonly conditions: readonly Json[];
  readonly contaminated: 'block' | 'allow';
}

export interface PromoteNode {
  readonly kind: 'promote';
  readonly gates: readonly GateNode[];
  readonly alias: string;
}

export interface DeployNode {
  readonly kind: 'deploy';
  readonly promotion: PromoteNode;
  readonly model: string;
  readonly endpoint: string;
}

/** What a constructor call describes. Frozen; equal objects are one stage. */
export type BuildNode =
  | DatasetNode
  | SplitNode
  | FitNode
  | OnnxNode
  | EvaluateNode
  | RegisterNode
  | GateNode
  | PromoteNode
  | DeployNode;

const nodes = new WeakMap<object, BuildNode>();
let building: BuildNode[] | null = null;

/** Ties a value that users hold to the node it stands for, and notes it in the running build. */
export function attachNode<V extends object>(value: V, node: BuildNode): V {
  nodes.set(value, Object.freeze(node));
  building?.push(node);
  return Object.freeze(value);
}

/** A declared form replaces the undeclared one: the latter no longer counts as unused. */
export function replaceNode(node: BuildNode): void {
  const index = building?.indexOf(node) ?? -1;
  if (index >= 0) building?.splice(index, 1);
}

/**
 * The node behind a value.
 * @throws PIPELINE_INVALID - the value was not made by a constructor of Millrace.
 */
export function nodeOf<K extends BuildNode['kind']>(
  value: unknown,
  kinds: readonly K[],
  path: string,
): Extract<BuildNode, { kind: K }> {
  const node = typeof value === 'object' && value !== null ? nodes.get(value) : undefined;
  if (node === undefined || !(kinds as readonly string[]).includes(node.kind)) {
    throw new MillraceError('PIPELINE_INVALID', {
      path,
      expected:
        kinds.length === Object.keys(constructorOf).length
          ? 'a stage that a constructor such as sql`…` or fit() returned'
          : `what ${oneOf(kinds.map((kind) => constructorOf[kind]))} returned`,
      received: node === undefined ? describeValue(value) : `what ${constructorOf[node.kind]} returned`,
    });
  }
  return node as Extract<BuildNode, { kind: K }>;
}

export const constructorOf: Readonly<Record<BuildNode['kind'], string>> = {
  source: 'csv(), parquet(), json(), arrow()',
  sql: 'sql`…`',
  custom: 'custom()',
  predict: 'predict()',
  split: 'split()',
  fit: 'fit()',
  exportOnnx: 'exportOnnx()',
  evaluate: 'evaluate()',
  register: 'register()',
  gate: 'gate()',
  promote: 'promote()',
  deploy: 'deploy()',
};

export const datasetKinds = ['source', 'sql', 'custom', 'predict'] as const;

/** Runs a build and returns what it returned together with every node that was made in it. */
export function recordBuild<T>(body: () => T): { readonly result: T; readonly made: readonly BuildNode[] } {
  if (building !== null) {
    throw new MillraceError('PIPELINE_INVALID', {
      path: 'definePipeline.build',
      expected: 'no build inside a build',
      received: 'a nested one',
    });
  }
  building = [];
  try {
    const result = body();
    return { result, made: building };
  } finally {
    building = null;
  }
}
