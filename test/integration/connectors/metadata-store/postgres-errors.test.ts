import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPostgresMetadataStore } from '../../../../connectors/metadata-store/postgres-metadata-store.js';
import { errorOf } from '../../../conformance/stores/metadata-suite.js';
import { startPostgres, type TestPostgres } from '../../../support/postgres.js';

let server: TestPostgres;
let url: string;
let place: string;

beforeAll(async () => {
  server = await startPostgres();
  url = await server.createDatabase();
  place = `127.0.0.1:${server.port}${new URL(url).pathname}`;
  await server.execute(
    url,
    `CREATE ROLE guest LOGIN PASSWORD '${server.password}'; REVOKE CREATE ON DATABASE test_0 FROM PUBLIC`,
  );
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** The error of opening; nothing of it, its cause and stack included, shows the password. */
async function refusal(at: string): Promise<unknown> {
  const error = await errorOf(openPostgresMetadataStore({ url: at, namespace: 'default', busyTimeoutMs: 1000 }));
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(server.password);
  return error;
}

const as = (user: string, secret = server.password, at = url): string => {
  const changed = new URL(at);
  changed.username = user;
  changed.password = secret;
  return changed.href;
};

test('a server that does not answer is named with its port', async () => {
  const gone = new URL(url);
  gone.port = '1';
  expect(await refusal(gone.href)).toMatchObject({
    code: 'STORE_UNREADABLE',
    message: `postgres://owner@127.0.0.1:1/test_0: expected a PostgreSQL server on 127.0.0.1:1; received ECONNREFUSED. Start it, or check host and port; what was committed is whole.`,
    retryable: true,
  });
});

test('a wrong password, an unknown user and a missing password are told apart from the rest', async () => {
  for (const [user, secret] of [
    ['owner', 'wrong'],
    ['nobody', server.password],
  ] as const) {
    expect(await refusal(as(user, secret))).toMatchObject({
      code: 'STORE_UNREADABLE',
      message: `postgres://${user}@${place}: expected a user and a password that the server takes; received its refusal of user '${user}'. Check both in the URL (or PGPASSWORD), and the server's pg_hba.conf.`,
      retryable: false,
    });
  }
  expect(await refusal(as('owner', ''))).toMatchObject({
    code: 'STORE_UNREADABLE',
    message: `postgres://owner@${place}: expected a password for user 'owner'; received none. Give it in the URL, or in PGPASSWORD.`,
  });
});

test('a database that is not there is to be created', async () => {
  expect(await refusal(url.replace('test_0', 'nowhere'))).toMatchObject({
    code: 'STORE_UNREADABLE',
    message: `postgres://owner@127.0.0.1:${server.port}/nowhere: expected a database of this name on the server; received none. Create it (CREATE DATABASE "nowhere"), or name another.`,
  });
});

test('a user without rights is told what to grant, and works once that is granted', async () => {
  const text = (received: string): string =>
    `postgres://guest@${place}: expected a user with rights on the schema 'millrace'; received ${received}. Let the database's owner open the store once and run: GRANT USAGE ON SCHEMA millrace TO "guest"; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA millrace TO "guest".`;
  expect(await refusal(as('guest'))).toMatchObject({
    code: 'STORE_UNREADABLE',
    message: text('permission denied for database test_0'),
  });
  await (await openPostgresMetadataStore({ url, namespace: 'default' }))[Symbol.asyncDispose]();
  expect(await refusal(as('guest'))).toMatchObject({ message: text('permission denied for schema millrace') });
  await server.execute(
    url,
    'GRANT USAGE ON SCHEMA millrace TO "guest"; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA millrace TO "guest"',
  );
  await using store = await openPostgresMetadataStore({ url: as('guest'), namespace: 'default' });
  await store.putMemo('s', 'k', 1);
  expect(await store.memo('s', 'k')).toBe(1);
});

test('a server without room for a session is to be relieved', async () => {
  await server.execute(url, 'ALTER ROLE guest CONNECTION LIMIT 0');
  expect(await refusal(as('guest'))).toMatchObject({
    code: 'STORE_LOCKED',
    message: `postgres://guest@${place}: expected room for one more session on the server; received none. End other processes, or raise max_connections of the server.`,
    retryable: true,
  });
  await server.execute(url, 'ALTER ROLE guest CONNECTION LIMIT -1');
});

test('a database that takes no writes, or not every character, is refused', async () => {
  const readOnly = await server.createDatabase();
  const { pathname } = new URL(readOnly);
  await server.execute(url, `ALTER DATABASE ${pathname.slice(1)} SET default_transaction_read_only = on`);
  expect(await refusal(readOnly)).toMatchObject({
    code: 'STORE_UNREADABLE',
    message: `postgres://owner@127.0.0.1:${server.port}${pathname}: expected a server that takes writes; received a read-only one. Name the primary in the URL.`,
  });
  const latin = await server.createDatabase(`ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'`);
  expect(await refusal(latin)).toMatchObject({
    code: 'STORE_UNREADABLE',
    message: `postgres://owner@127.0.0.1:${server.port}${new URL(latin).pathname}: expected a database in UTF8; received one in LATIN1. Create another: CREATE DATABASE NAME ENCODING 'UTF8' TEMPLATE template0.`,
  });
});

test('a server without TLS is refused where the URL asks for TLS', async () => {
  expect(await refusal(`${url}?sslmode=verify-full`)).toMatchObject({
    code: 'STORE_UNREADABLE',
    message: `postgres://owner@${place}: expected a server with TLS; received one without. Switch TLS on there, or remove sslmode from the URL.`,
  });
});

test('a text that is no URL of PostgreSQL is refused without showing it', async () => {
  for (const [text, received] of [
    [`owner:${server.password}@host`, 'one of another scheme'],
    [`//${server.password}`, 'text that is no URL'],
    [`mysql://owner:${server.password}@host/db`, 'one of another scheme'],
    [`postgres://owner:${server.password}%zz@host/db`, 'a URL whose percent-encoding cannot be read'],
  ] as const) {
    expect(await refusal(text)).toMatchObject({
      code: 'CONFIG_INVALID',
      message: `store.url: expected a URL like postgres://USER:PASSWORD@HOST:PORT/DATABASE; received ${received}. Write special characters of user and password percent-encoded.`,
    });
  }
});

test('a server that stops is told of, and the store goes on once it is back', async () => {
  await using store = await openPostgresMetadataStore({ url, namespace: 'default', busyTimeoutMs: 300 });
  await store.putMemo('s', 'k', 1);
  await server.kill();
  const error = await errorOf(store.memo('s', 'k'));
  expect(error).toMatchObject({
    code: 'STORE_UNREADABLE',
    message: `postgres://owner@${place}: expected a PostgreSQL server on 127.0.0.1:${server.port}; received ECONNREFUSED. Start it, or check host and port; what was committed is whole.`,
    retryable: true,
  });
  expect(inspect(error, { depth: 10 })).not.toContain(server.password);
  await server.start();
  expect(await store.memo('s', 'k')).toBe(1);
});
