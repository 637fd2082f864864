import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { PostgresAddress } from './postgres-address.js';
import { commitMarksTable } from './postgres-commit-marks.js';
import { isMissingSchema } from './postgres-errors.js';
import type { PostgresSession } from './postgres-sessions.js';
import { migrations } from './schema.js';

/** Held while the schema is made or migrated; any number that is always the same. */
const migrationLock = 'SELECT pg_advisory_xact_lock(7811885331929104)';

/** Names and ids are compared by their bytes, as SQLite does: every order and prefix is the same in both. */
function inPostgres(statement: string): string {
  return statement.replaceAll(/\bTEXT\b/g, 'TEXT COLLATE "C"');
}

async function readVersion(session: PostgresSession): Promise<number> {
  const [newest] = await session.rows<{ version: number | null }>(
    'SELECT max(version) AS version FROM millrace.schema_version',
  );
  return newest?.version ?? 0;
}

/** Makes the schema `millrace` where it is missing, and brings an older one to this version. @throws STORE_VERSION */
export async function prepareSchema(session: PostgresSession, address: PostgresAddress): Promise<void> {
  let version = 0;
  try {
    version = await readVersion(session);
  } catch (error) {
    if (!isMissingSchema(error)) throw error;
  }
  checkVersion(version, address);
  if (version === migrations.length) return;
  await checkEncoding(session, address);
  await session.begin([migrationLock]);
  try {
    const [found] = await session.rows<{ schema: boolean; versions: boolean }>(`
      SELECT to_regnamespace('millrace') IS NOT NULL AS schema,
        to_regclass('millrace.schema_version') IS NOT NULL AS versions`);
    if (found?.schema !== true) await session.execute('CREATE SCHEMA millrace');
    if (found?.versions !== true) {
      await session.execute('CREATE TABLE millrace.schema_version (version BIGINT NOT NULL)');
    }
    await session.execute(commitMarksTable);
    const present = await readVersion(session);
    checkVersion(present, address);
    for (const [index, step] of migrations.entries()) {
      if (index < present) continue;
      await session.execute(step.map(inPostgres).join('; '));
      await session.execute(`INSERT INTO millrace.schema_version (version) VALUES (${index + 1})`);
    }
    await session.execute('COMMIT');
  } catch (error) {
    await session.execute('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

function checkVersion(version: number, address: PostgresAddress): void {
  if (version <= migrations.length) return;
  throw new MillraceError('STORE_VERSION', {
    path: address.shown,
    expected: `a store of schema version ${migrations.length} or older`,
    received: `version ${version}`,
    hint: 'Update millrace.',
  });
}

async function checkEncoding(session: PostgresSession, address: PostgresAddress): Promise<void> {
  const [found] = await session.rows<{ encoding: string }>("SELECT current_setting('server_encoding') AS encoding");
  if (found?.encoding === 'UTF8') return;
  throw new MillraceError('STORE_UNREADABLE', {
    path: address.shown,
    expected: 'a database in UTF8',
    received: `one in ${found?.encoding}`,
    hint: `Create another: CREATE DATABASE NAME ENCODING 'UTF8' TEMPLATE template0.`,
  });
}
