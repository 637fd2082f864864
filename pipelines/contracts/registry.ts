import type { Json } from './json.js';

export type VersionState = 'registered' | 'rejected' | 'rolledBack';

export interface ModelVersion {
  readonly model: string;
  /** 1, 2, 3 … by order of registration. */
  readonly version: number;
  /** Digest of the `onnx` artifact: what a version is. */
  readonly bundle: string;
  readonly state: VersionState;
  /** The newest report's digest, or null. */
  readonly report: string | null;
  readonly runs: readonly string[];
  readonly lineage: Json;
  /** ISO 8601, from the store's clock; for people only. */
  readonly createdAt: string;
  readonly aliases: readonly string[];
}

export interface AliasMove {
  readonly model: string;
  readonly alias: string;
  /** The version that the mover saw: null for none. Another one is a REGISTRY_CONFLICT. */
  readonly expected: number | null;
  /** null takes the alias away. */
  readonly version: number | null;
  /** A person admits a version that was rejected or rolled back, in the same transaction. */
  readonly readmit?: true;
}

export interface Decision {
  /** Who: a run and stage ("run:<id>/<stage>") or a person ("user:<name>"). */
  readonly actor: string;
  readonly reason: string;
  /** Digest of the verdict that allows it, or null for a decision by hand. */
  readonly evidence: string | null;
}

export interface HistoryEntry {
  readonly sequence: number;
  readonly model: string;
  /** `refused`: a move of aliases that was turned down; `decision.reason` begins with the error's code. */
  readonly kind: 'register' | 'gate' | 'promote' | 'refused' | 'reject' | 'rollback' | 'readmit' | 'deploy';
  readonly version: number | null;
  readonly alias: string | null;
  readonly fromVersion: number | null;
  /** Of a `deploy`; null otherwise. */
  readonly endpoint: string | null;
  readonly decision: Decision;
  readonly at: string;
  /** sha256 of the entry's canonical JSON together with the previous entry's digest. */
  readonly digest: string;
  readonly previousDigest: string | null;
}

export interface EndpointBinding {
  readonly endpoint: string;
  readonly model: string;
  readonly alias: string;
}

export interface GateRecord {
  readonly run: string;
  readonly stage: string;
  readonly model: string;
  readonly version: number;
  readonly passed: boolean;
  /** Digest of the `verdict` artifact. */
  readonly verdict: string;
}

/** An idempotency key: an act found again under it returns its recorded outcome and changes nothing. */
export interface ActKey {
  readonly run: string;
  readonly stage: string;
}

export interface Registry {
  /** Equal bundle digests are one version: registering it again adds run and report (`created: false`). */
  register(
    act: ActKey,
    version: {
      readonly model: string;
      readonly bundle: string;
      readonly report: string | null;
      readonly lineage: Json;
    },
  ): Promise<{ readonly version: ModelVersion; readonly created: boolean }>;
  models(): Promise<
    readonly { readonly model: string; readonly versions: number; readonly aliases: Readonly<Record<string, number>> }[]
  >;
  versions(model: string): Promise<readonly ModelVersion[]>;
  /** By number ("3"), alias ("champion"), or bundle digest. @throws MODEL_NOT_FOUND with the nearest name */
  version(model: string, selector: string): Promise<ModelVersion>;
  /** null where the model or the alias does not exist. */
  alias(model: string, alias: string): Promise<ModelVersion | null>;
  recordGate(act: ActKey, record: GateRecord): Promise<void>;
  gateRecords(model: string, version: number): Promise<readonly GateRecord[]>;
  /**
   * Moves aliases, all in one transaction, compare-and-set.
   * @throws REGISTRY_CONFLICT - an alias is not at `expected`; nothing moved.
   * @throws GATE_VERSION_REVOKED - a version that was rejected or rolled back.
   * @throws GATE_REQUIRED - no passing gate record for a version.
   */
  moveAliases(
    act: ActKey | null,
    moves: readonly AliasMove[],
    decision: Decision,
  ): Promise<{ readonly moved: readonly AliasMove[] }>;
  reject(model: string, version: number, decision: Decision): Promise<void>;
  /** Puts the alias back to the version before (that is not revoked), or takes it away; marks the current one rolledBack. */
  rollback(
    model: string,
    alias: string,
    decision: Decision,
  ): Promise<{ readonly from: number; readonly to: number | null }>;
  /** Admits a revoked version again. @throws GATE_REQUIRED */
  readmit(model: string, version: number, decision: Decision): Promise<void>;
  bindEndpoint(
    act: ActKey | null,
    binding: EndpointBinding,
    decision: Decision,
  ): Promise<{ readonly changed: boolean }>;
  endpoints(): Promise<readonly EndpointBinding[]>;
  history(model: string | null): Promise<readonly HistoryEntry[]>;
  /** Recomputes the chain; returns the sequence of the first altered entry, or null. */
  verifyHistory(): Promise<number | null>;
  /** Grows with every change of aliases, endpoints and the states of versions: what followers poll. */
  revision(): Promise<number>;
}
