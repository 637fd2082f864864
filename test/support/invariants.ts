import { existsSync, realpathSync } from 'node:fs';
import { afterEach, expect } from 'vitest';
import { artifactViolations, stepViolations } from './invariants/artifacts.js';
import { historyViolations } from './invariants/histories.js';
import { fileViolations, leaseViolations, processViolations } from './invariants/leaks.js';
import { openForChecking } from './invariants/opened-store.js';
import { aliasViolations, bundleViolations, gateViolations, servedViolations } from './invariants/registry.js';
import { secretRowViolations, secretViolations } from './invariants/secrets.js';
import { plantedSecret } from './secret.js';
import { emptyProject, type Project, visitorsProject } from './visitors.js';

export interface Scenario {
  /** The Temporal server that drove runs of the store, where one did. */
  readonly temporal?: string;
  /** The workflow code that histories are replayed on. Default: today's. */
  readonly workflowCode?: string;
  /** Address of an endpoint server on the store, `http://127.0.0.1:8080`, where one runs; it is one of `live`. */
  readonly serving?: string;
  /** Processes that still work on the store; they may hold leases and files. */
  readonly live?: readonly number[];
}

/**
 * What in a store breaks an invariant, one line each, beginning with its number:
 * I1 one champion a model; I2 bytes as their manifest says; I3 no promotion without a passing gate; I4 no artifact without
 * a complete manifest; I5 no step counted twice; I6 nothing leaked; I7 histories replay; I8 no secret written down.
 * Reads the store as it is and sweeps nothing.
 */
export async function violationsOf(directory: string, scenario: Scenario = {}): Promise<readonly string[]> {
  const { temporal, workflowCode, serving, live = [] } = scenario;
  // A process is looked for by the path that the kernel knows.
  const place = existsSync(directory) ? realpathSync(directory) : directory;
  const found = [...(await processViolations(place, live)), ...(await fileViolations(place))];
  found.push(...(await secretViolations(place, plantedSecret)));
  await using store = await openForChecking(place);
  if (store === null) return found;
  for (const check of [aliasViolations, bundleViolations, gateViolations, artifactViolations, stepViolations])
    found.push(...(await check(store)));
  found.push(...leaseViolations(store, live), ...secretRowViolations(store, plantedSecret));
  if (serving !== undefined) found.push(...(await servedViolations(store, serving)));
  if (temporal !== undefined) found.push(...(await historyViolations(store, temporal, plantedSecret, workflowCode)));
  return found;
}

/** Stores that are held against the invariants once the test is over. */
export interface CheckedStores {
  /** A project whose store is checked; it goes afterwards. */
  project(rows?: number): Promise<Project>;
  emptyProject(): Promise<Project>;
  /** One more store of this test. */
  store(directory: string): string;
}

/** Registers an `afterEach` that checks every store of the test. Call it once where tests are declared. */
export function checkedAfterEach(scenario: () => Scenario = () => ({})): CheckedStores {
  const stores: string[] = [];
  const projects: Project[] = [];
  const checked = (project: Project): Project => {
    projects.push(project);
    stores.push(project.store);
    return project;
  };
  afterEach(async () => {
    try {
      for (const directory of stores.splice(0)) expect(await violationsOf(directory, scenario())).toEqual([]);
    } finally {
      stores.length = 0;
      for (const project of projects.splice(0)) await project[Symbol.asyncDispose]();
    }
  });
  return {
    project: async (rows) => checked(await visitorsProject(rows)),
    emptyProject: async () => checked(await emptyProject()),
    store(directory) {
      stores.push(directory);
      return directory;
    },
  };
}
