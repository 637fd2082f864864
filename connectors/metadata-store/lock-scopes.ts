import { type OperationArguments, type OperationName, writingOperations } from './operations.js';

type Scopes<N extends OperationName> = (...args: OperationArguments<N>) => readonly string[];

const run = (id: string): string => `run/${id}`;
const registry = ['registry'] as const;

/**
 * What each writing operation reads and then writes: two that share a scope go one after the other, on any host.
 * A row that is written outside of these scopes (the number of the newest run) is the last lock of its transaction,
 * so that no two transactions can wait for each other.
 */
const written: { readonly [N in keyof typeof writingOperations]: Scopes<N> } = {
  createRun: ({ id }) => [run(id)],
  setRunStatus: (id) => [run(id)],
  putStage: (record) => [run(record.run)],
  putMetrics: (id) => [run(id)],
  insertCached: (key) => [`cache/${key}`],
  dropCached: (key) => [`cache/${key}`],
  putMemo: (scope, key) => [`memo/${scope}/${key}`],
  acquireLease: (key) => [`lease/${key}`],
  renewLease: (key) => [`lease/${key}`],
  releaseLease: (key) => [`lease/${key}`],
  registerVersion: () => registry,
  recordGate: () => registry,
  moveAliases: () => registry,
  rejectVersion: () => registry,
  rollbackAlias: () => registry,
  readmitVersion: () => registry,
  bindEndpoint: () => registry,
};

/** Reading operations whose several statements must see one state of the registry. */
const readTogether: ReadonlySet<string> = new Set<OperationName>([
  'listModels',
  'listVersions',
  'selectVersion',
  'getAlias',
  'verifyHistory',
]);

export function isWriting(name: OperationName): boolean {
  return name in writingOperations;
}

/** Whether the statements of a reading operation must see one state of the database. */
export function needsSnapshot(name: OperationName): boolean {
  return readTogether.has(name);
}

/** What has to be locked before the first statement, for writing or so that nobody writes. */
export function lockScopes(
  name: OperationName,
  args: readonly unknown[],
): { readonly exclusive: readonly string[]; readonly shared: readonly string[] } {
  const scopes = (written as Readonly<Record<string, (...values: readonly unknown[]) => readonly string[]>>)[name];
  if (scopes !== undefined) return { exclusive: scopes(...args), shared: [] };
  return { exclusive: [], shared: needsSnapshot(name) ? registry : [] };
}
