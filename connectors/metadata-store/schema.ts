/**
 * The schema's numbered steps, each run once and in order, in one transaction with its line in `schema_version`.
 * Written in what SQLite and PostgreSQL have in common. A step that was released never changes.
 * The version is also the format version of every JSON document in these tables.
 */
export const migrations: readonly (readonly string[])[] = [
  [
    `CREATE TABLE sequences (
      namespace TEXT NOT NULL, name TEXT NOT NULL, value BIGINT NOT NULL,
      PRIMARY KEY (namespace, name))`,
    `CREATE TABLE runs (
      namespace TEXT NOT NULL, id TEXT NOT NULL, sequence BIGINT NOT NULL, pipeline TEXT NOT NULL,
      status TEXT NOT NULL, plan TEXT NOT NULL, bundle TEXT, params TEXT NOT NULL, root TEXT NOT NULL,
      parent_run TEXT, parent_stage TEXT, created_at BIGINT NOT NULL, finished_at BIGINT, error TEXT,
      options TEXT NOT NULL,
      PRIMARY KEY (namespace, id))`,
    'CREATE UNIQUE INDEX runs_by_sequence ON runs (namespace, sequence)',
    'CREATE INDEX runs_by_pipeline ON runs (namespace, pipeline, sequence)',
    'CREATE INDEX runs_by_parent ON runs (namespace, parent_run, sequence)',
    `CREATE TABLE stages (
      namespace TEXT NOT NULL, run TEXT NOT NULL, stage TEXT NOT NULL, ordinal BIGINT NOT NULL,
      pipeline TEXT NOT NULL, run_sequence BIGINT NOT NULL, attempt BIGINT NOT NULL, status TEXT NOT NULL,
      key TEXT, document TEXT NOT NULL,
      PRIMARY KEY (namespace, run, stage))`,
    'CREATE INDEX stages_by_pipeline ON stages (namespace, pipeline, stage, run_sequence)',
    `CREATE TABLE cache (
      namespace TEXT NOT NULL, key TEXT NOT NULL, outputs TEXT NOT NULL, summary TEXT NOT NULL,
      created_at BIGINT NOT NULL,
      PRIMARY KEY (namespace, key))`,
    `CREATE TABLE cache_conflicts (
      namespace TEXT NOT NULL, key TEXT NOT NULL, outputs TEXT NOT NULL, summary TEXT NOT NULL,
      created_at BIGINT NOT NULL,
      PRIMARY KEY (namespace, key, outputs))`,
    `CREATE TABLE memos (
      namespace TEXT NOT NULL, scope TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
      PRIMARY KEY (namespace, scope, key))`,
    `CREATE TABLE metrics (
      namespace TEXT NOT NULL, run TEXT NOT NULL, stage TEXT NOT NULL, name TEXT NOT NULL, value DOUBLE PRECISION,
      PRIMARY KEY (namespace, run, stage, name))`,
    `CREATE TABLE leases (
      namespace TEXT NOT NULL, key TEXT NOT NULL, token TEXT NOT NULL, boot_id TEXT NOT NULL, pid BIGINT NOT NULL,
      process_start TEXT NOT NULL, expires_at BIGINT NOT NULL,
      PRIMARY KEY (namespace, key))`,
    `CREATE TABLE versions (
      namespace TEXT NOT NULL, model TEXT NOT NULL, version BIGINT NOT NULL, bundle TEXT NOT NULL,
      state TEXT NOT NULL, report TEXT, lineage TEXT NOT NULL, created_at BIGINT NOT NULL,
      PRIMARY KEY (namespace, model, version))`,
    'CREATE UNIQUE INDEX versions_by_bundle ON versions (namespace, model, bundle)',
    `CREATE TABLE version_runs (
      namespace TEXT NOT NULL, model TEXT NOT NULL, version BIGINT NOT NULL, run TEXT NOT NULL,
      ordinal BIGINT NOT NULL,
      PRIMARY KEY (namespace, model, version, run))`,
    `CREATE TABLE aliases (
      namespace TEXT NOT NULL, model TEXT NOT NULL, alias TEXT NOT NULL, version BIGINT NOT NULL,
      PRIMARY KEY (namespace, model, alias))`,
    `CREATE TABLE endpoints (
      namespace TEXT NOT NULL, endpoint TEXT NOT NULL, model TEXT NOT NULL, alias TEXT NOT NULL,
      PRIMARY KEY (namespace, endpoint))`,
    `CREATE TABLE gates (
      namespace TEXT NOT NULL, model TEXT NOT NULL, version BIGINT NOT NULL, run TEXT NOT NULL, stage TEXT NOT NULL,
      ordinal BIGINT NOT NULL, passed BIGINT NOT NULL, verdict TEXT NOT NULL,
      PRIMARY KEY (namespace, model, version, run, stage))`,
    `CREATE TABLE acts (
      namespace TEXT NOT NULL, run TEXT NOT NULL, stage TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
      outcome TEXT NOT NULL,
      PRIMARY KEY (namespace, run, stage, kind, subject))`,
    `CREATE TABLE history (
      namespace TEXT NOT NULL, sequence BIGINT NOT NULL, model TEXT NOT NULL, kind TEXT NOT NULL, version BIGINT,
      alias TEXT, from_version BIGINT, endpoint TEXT, actor TEXT NOT NULL, reason TEXT NOT NULL, evidence TEXT,
      at BIGINT NOT NULL, digest TEXT NOT NULL, previous_digest TEXT,
      PRIMARY KEY (namespace, sequence))`,
    'CREATE INDEX history_by_model ON history (namespace, model, sequence)',
    `CREATE TABLE history_heads (
      namespace TEXT NOT NULL, sequence BIGINT NOT NULL, digest TEXT NOT NULL,
      PRIMARY KEY (namespace))`,
  ],
];
