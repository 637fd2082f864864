import { MillraceError } from '../../pipelines/contracts/errors.js';

/** Where a store is, and how to name it in errors: never with its password. */
export interface PostgresAddress {
  /** For the driver, with its password and our session settings. */
  readonly connectionString: string;
  /** `postgres://user@host:port/database` */
  readonly shown: string;
  readonly user: string;
  readonly host: string;
  readonly database: string;
}

/** Settings of every session: our tables are found first, and a confirmed write is on the disk. */
const sessionSettings = '-c search_path=millrace -c synchronous_commit=on';

/** @throws CONFIG_INVALID - which shows nothing of the text, since it may hold a password. */
export function parsePostgresUrl(url: string): PostgresAddress {
  const fail = (received: string): MillraceError =>
    new MillraceError('CONFIG_INVALID', {
      path: 'store.url',
      expected: 'a URL like postgres://USER:PASSWORD@HOST:PORT/DATABASE',
      received,
      hint: 'Write special characters of user and password percent-encoded.',
    });
  if (!URL.canParse(url)) throw fail('text that is no URL');
  const parsed = new URL(url);
  if (parsed.protocol !== 'postgres:' && parsed.protocol !== 'postgresql:') throw fail('one of another scheme');
  try {
    const settings = parsed.searchParams;
    settings.set('options', `${settings.get('options') ?? ''} ${sessionSettings}`.trim());
    const user = decodeURIComponent(parsed.username) || settings.get('user') || process.env.PGUSER || '';
    const host = settings.get('host') ?? (parsed.hostname || 'localhost');
    const port = settings.get('port') ?? (parsed.port || '5432');
    decodeURIComponent(parsed.password);
    const database = decodeURIComponent(parsed.pathname.slice(1)) || user;
    const who = user === '' ? '' : `${user}@`;
    return {
      connectionString: parsed.href,
      shown: `postgres://${who}${host}:${port}/${database}`,
      user,
      host: `${host}:${port}`,
      database,
    };
  } catch {
    throw fail('a URL whose percent-encoding cannot be read');
  }
}
