import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { cacheFolder, makeFolder } from '../../connectors/tools/cache-folder.js';

const run = promisify(execFile);

/** Versity's gateway (Apache-2.0): a whole S3 server on a directory, in one program. */
const pinned = '1.8.0';

const access = { accessKeyId: 'MILLRACETEST', secretAccessKey: 'not-a-secret-of-anybody' };
/** Somebody whom the server knows, with no right to any bucket. */
export const stranger = { accessKeyId: 'STRANGER', secretAccessKey: 'not-a-secret-either' };

/** A real S3 server of this test's own. */
export interface TestS3 extends AsyncDisposable {
  readonly endpoint: string;
  readonly client: S3Client;
  /** Environment of processes that use it. */
  readonly env: Readonly<Record<string, string>>;
  /** Where a bucket's objects lie on the disk. */
  folderOf(bucket: string): string;
  createBucket(name: string): Promise<void>;
  kill(): Promise<void>;
  restart(): Promise<void>;
}

/** Makes this process, too, one that may use it. @param directory - where it keeps its state. */
export async function startS3(directory: string): Promise<TestS3> {
  const executable = await setupS3Server();
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const data = join(directory, 'buckets');
  const iam = join(directory, 'iam');
  await Promise.all([mkdir(data, { recursive: true }), mkdir(iam, { recursive: true })]);
  const keys = ['--access', access.accessKeyId, '--secret', access.secretAccessKey];
  const begin = async (): Promise<ChildProcess> => {
    const args = ['--port', `127.0.0.1:${port}`, '--health', '/healthz', '--quiet', '--iam-dir', iam, 'posix', data];
    const child = spawn(executable, [...keys, ...args], { stdio: 'ignore' });
    for (let tries = 0; tries < 500; tries++) {
      if (child.exitCode !== null) throw new Error(`the S3 server ended with ${child.exitCode}`);
      const answer = await fetch(`${endpoint}/healthz`).catch(() => null);
      if (answer?.ok === true) return child;
      await delay(20);
    }
    throw new Error('the S3 server did not start within 10 s');
  };
  let server = await begin();
  const kill = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await ended;
  };
  await run(executable, [
    ...['admin', ...keys, '--endpoint-url', endpoint, 'create-user', '--role', 'user'],
    ...['--access', stranger.accessKeyId, '--secret', stranger.secretAccessKey],
  ]);
  const env = { AWS_ACCESS_KEY_ID: access.accessKeyId, AWS_SECRET_ACCESS_KEY: access.secretAccessKey };
  Object.assign(process.env, env, { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' });
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: access });
  return {
    endpoint,
    client,
    env,
    folderOf: (bucket) => join(data, bucket),
    async createBucket(name) {
      await client.send(new CreateBucketCommand({ Bucket: name }));
    },
    kill,
    async restart() {
      server = await begin();
    },
    async [Symbol.asyncDispose]() {
      client.destroy();
      await kill();
    },
  };
}

/** The server's program: from the PATH, from the user's cache, from its releases, or built by go. */
export async function setupS3Server(): Promise<string> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder !== '' && existsSync(join(folder, 'versitygw'))) return join(folder, 'versitygw');
  }
  const path = join(cacheFolder(), 'versitygw', pinned, 'versitygw');
  if (existsSync(path)) return path;
  await makeFolder(dirname(path), async (folder) => {
    await download(folder).catch(async (cause: Error) => {
      await buildWithGo(folder, cause);
    });
    await chmod(join(folder, 'versitygw'), 0o755);
  });
  return path;
}

async function download(folder: string): Promise<void> {
  const name = `versitygw_v${pinned}_Linux_${process.arch === 'arm64' ? 'arm64' : 'x86_64'}`;
  const url = `https://github.com/versity/versitygw/releases/download/v${pinned}/${name}.tar.gz`;
  const response = await fetch(url, { signal: AbortSignal.timeout(60_000) });
  if (!response.ok) throw new Error(`HTTP ${response.status} from ${url}`);
  const archive = join(folder, 'archive.tar.gz');
  await writeFile(archive, Buffer.from(await response.arrayBuffer()));
  await run('tar', ['-xzf', archive, '-C', folder]);
  await rename(join(folder, name, 'versitygw'), join(folder, 'versitygw'));
  await rm(join(folder, name), { recursive: true });
  await rm(archive);
}

async function buildWithGo(folder: string, cause: Error): Promise<void> {
  try {
    await run('go', ['install', `github.com/versity/versitygw/cmd/versitygw@v${pinned}`], {
      env: { ...process.env, GOBIN: folder },
    });
  } catch (error) {
    throw new Error(
      `tests of S3 need versitygw ${pinned}: ${cause.message}; ${(error as Error).message}. ` +
        'Put it on the PATH, or install go (sudo apt-get install golang) and run again.',
    );
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
