import { randomUUID } from 'node:crypto';
import type { Lease, MetadataStore } from '../../pipelines/contracts/metadata.js';
import type { Registry } from '../../pipelines/contracts/registry.js';
import { HeldLease } from './held-lease.js';
import { checkName } from './names.js';
import type { OperationCaller } from './operations.js';
import { currentOwner } from './process-owner.js';

/** The contract over any driver of the operations. Closing gives back the leases that are still held. */
export function createMetadataStore(namespace: string, caller: OperationCaller): MetadataStore {
  const leases = new Set<HeldLease>();
  return {
    namespace,
    createRun: (run) => caller.call('createRun', run),
    setRunStatus: (run, status, error) => caller.call('setRunStatus', run, status, error),
    run: (idOrPrefix) => caller.call('getRun', idOrPrefix),
    runs: (filter) => caller.call('listRuns', filter),
    putStage: (record) => caller.call('putStage', record),
    stages: (run) => caller.call('listStages', run),
    stage: (run, stage) => caller.call('getStage', run, stage),
    lastStage: (pipeline, stage, beforeRun) => caller.call('lastStage', pipeline, stage, beforeRun),
    cached: (key) => caller.call('getCached', key),
    insertCached: (key, outputs, summary) => caller.call('insertCached', key, outputs, summary),
    dropCached: (key) => caller.call('dropCached', key),
    memo: (scope, key) => caller.call('getMemo', scope, key),
    putMemo: (scope, key, value) => caller.call('putMemo', scope, key, value),
    putMetrics: (run, points) => caller.call('putMetrics', run, points),
    metrics: (run) => caller.call('listMetrics', run),
    async acquireLease(key, ttlMs): Promise<Lease | null> {
      const token = randomUUID();
      const askedAt = performance.now();
      if (!(await caller.call('acquireLease', key, token, currentOwner(), ttlMs))) return null;
      const lease = new HeldLease(caller, key, token, ttlMs, askedAt, (released) => leases.delete(released));
      leases.add(lease);
      return lease;
    },
    leaseHolder: (key) => caller.call('leaseHolder', key),
    async sweepLeases() {
      const dead = await caller.call('deadLeases');
      // By their tokens: who took one over meanwhile keeps it. What a busy store does not remove now goes next time.
      const released = await Promise.allSettled(dead.map(({ key, token }) => caller.call('releaseLease', key, token)));
      return released.filter(({ status }) => status === 'fulfilled').length;
    },
    registry: createRegistry(caller),
    async [Symbol.asyncDispose]() {
      // A store whose thread is gone has nothing to give back: its leases fall with the process.
      await Promise.allSettled([...leases].map((lease) => lease.release()));
      await caller.close();
    },
  };
}

function createRegistry(caller: OperationCaller): Registry {
  return {
    register: (act, version) => caller.call('registerVersion', act, version),
    models: () => caller.call('listModels'),
    versions: (model) => caller.call('listVersions', model),
    version: (model, selector) => caller.call('selectVersion', model, selector),
    alias: (model, alias) => caller.call('getAlias', model, alias),
    recordGate: (act, record) => caller.call('recordGate', act, record),
    gateRecords: (model, version) => caller.call('listGateRecords', model, version),
    moveAliases: (act, moves, decision) => caller.call('moveAliases', act, moves, decision),
    reject: (model, version, decision) => caller.call('rejectVersion', model, version, decision),
    rollback: (model, alias, decision) => caller.call('rollbackAlias', model, alias, decision),
    readmit: (model, version, decision) => caller.call('readmitVersion', model, version, decision),
    bindEndpoint: (act, binding, decision) => caller.call('bindEndpoint', act, binding, decision),
    endpoints: () => caller.call('listEndpoints'),
    history: (model) => caller.call('listHistory', model),
    verifyHistory: () => caller.call('verifyHistory'),
    revision: () => caller.call('getRevision'),
  };
}

/** Refuses a namespace that could not be a name. @throws NAME_INVALID */
export function checkNamespace(namespace: string): void {
  checkName('store.namespace', namespace);
}
