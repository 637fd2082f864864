import type { Json } from '../contracts/json.js';
import type { BuildNode, DatasetNode } from '../define/build-node.js';

/** A function of the user's that a custom stage calls: where it is exported. */
export interface CustomExport {
  readonly module: string;
  readonly name: string;
}

/** Names the export that a function is, or null where it is not exported. Filled in by the bundler. */
export type FindExport = (run: (...values: never[]) => unknown) => CustomExport | null;

/** A stage before it is checked and sorted. */
export interface Draft {
  readonly id: string;
  readonly operator: string;
  readonly class: 'pure' | 'reads' | 'acts';
  readonly inputs: Readonly<Record<string, { readonly stage: string; readonly output: string }>>;
  readonly options: Json;
  readonly fused: boolean;
  readonly after: readonly string[];
}

export interface LowerContext {
  readonly ids: ReadonlyMap<BuildNode, string>;
  readonly isWritten: (node: DatasetNode) => boolean;
  readonly findExport: FindExport;
}

/** A stage that runs by itself and waits for its inputs alone. */
export function draft(
  id: string,
  operator: string,
  operatorClass: Draft['class'],
  inputs: Draft['inputs'],
  options: Json,
): Draft {
  return { id, operator, class: operatorClass, inputs, options, fused: false, after: [] };
}

export function reference(stage: string, output: string): { readonly stage: string; readonly output: string } {
  return { stage, output };
}

export function idOf(node: BuildNode, context: LowerContext): string {
  return context.ids.get(node)!;
}

/** A description as JSON: bigint values of SQL become tagged text (`SqlValue`), members that are undefined are left out. */
export function json(value: unknown): Json {
  if (typeof value === 'bigint') return { kind: 'bigint', text: value.toString() };
  if (Array.isArray(value)) return value.map(json);
  if (typeof value !== 'object' || value === null) return value as Json;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) => [name, json(member)]),
  );
}
