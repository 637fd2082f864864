import {
  bindEndpoint,
  getAlias,
  getRevision,
  listEndpoints,
  moveAliases,
  readmitVersion,
  rejectVersion,
  rollbackAlias,
} from './alias-operations.js';
import { dropCached, getCached, getMemo, insertCached, putMemo } from './cache-operations.js';
import { listHistory, verifyHistory } from './history-operations.js';
import { acquireLease, deadLeases, leaseHolder, releaseLease, renewLease } from './lease-operations.js';
import { createRun, getRun, listRuns, setRunStatus } from './run-operations.js';
import { getStage, lastStage, listMetrics, listStages, putMetrics, putStage } from './stage-operations.js';
import type { Operation, Refusal } from './statement.js';
import {
  listGateRecords,
  listModels,
  listVersions,
  recordGate,
  registerVersion,
  selectVersion,
} from './version-operations.js';

/** Operations that write: a driver gives them the write lock before their first statement. */
export const writingOperations = {
  createRun,
  setRunStatus,
  putStage,
  putMetrics,
  insertCached,
  dropCached,
  putMemo,
  acquireLease,
  renewLease,
  releaseLease,
  registerVersion,
  recordGate,
  moveAliases,
  rejectVersion,
  rollbackAlias,
  readmitVersion,
  bindEndpoint,
} as const;

export const readingOperations = {
  getRun,
  listRuns,
  listStages,
  getStage,
  lastStage,
  listMetrics,
  getCached,
  getMemo,
  deadLeases,
  leaseHolder,
  listModels,
  listVersions,
  selectVersion,
  getAlias,
  listGateRecords,
  listEndpoints,
  listHistory,
  verifyHistory,
  getRevision,
} as const;

export type Operations = typeof writingOperations & typeof readingOperations;
export type OperationName = keyof Operations;

type WithoutNamespace<P extends readonly unknown[]> = P extends readonly [string, ...infer Rest] ? Rest : never;

/** An operation's arguments behind the namespace. */
export type OperationArguments<N extends OperationName> = WithoutNamespace<Parameters<Operations[N]>>;

/** What a caller gets: a refusal reaches it as an error. */
export type OperationResult<N extends OperationName> =
  ReturnType<Operations[N]> extends Operation<infer T> ? Exclude<T, Refusal> : never;

/** Runs operations in transactions: SQLite's worker today. Every write is durable when its promise resolves. */
export interface OperationCaller {
  call<N extends OperationName>(name: N, ...args: OperationArguments<N>): Promise<OperationResult<N>>;
  close(): Promise<void>;
}
