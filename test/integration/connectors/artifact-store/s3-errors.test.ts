import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  openS3ArtifactStore,
  type S3ArtifactStoreOptions,
} from '../../../../connectors/artifact-store/s3-artifact-store.js';
import type { MillraceError } from '../../../../pipelines/contracts/errors.js';
import { write } from '../../../conformance/stores/artifact-suite.js';
import { errorOf } from '../../../conformance/stores/metadata-suite.js';
import { startS3, stranger, type TestS3 } from '../../../support/s3.js';

let root: string;
let s3: TestS3;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-s3-errors-'));
  s3 = await startS3(root);
  await s3.createBucket('team');
});

afterAll(async () => {
  await s3[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

async function options(changes: Partial<S3ArtifactStoreOptions> = {}): Promise<S3ArtifactStoreOptions> {
  const cacheDirectory = await mkdtemp(join(root, 'cache-'));
  return { url: 's3://team/store', endpoint: s3.endpoint, cacheDirectory, ...changes };
}

/** Runs with other variables of the environment; null takes one away. */
async function withEnvironment<T>(changes: Record<string, string | null>, task: () => Promise<T>): Promise<T> {
  const before = Object.keys(changes).map((name) => [name, process.env[name]] as const);
  const set = (name: string, value: string | null | undefined): void => {
    if (value === null || value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  for (const [name, value] of Object.entries(changes)) set(name, value);
  try {
    return await task();
  } finally {
    for (const [name, value] of before) set(name, value);
  }
}

/** The error with all that a log could show of it holds no key. */
async function refusalOf(promise: Promise<unknown>): Promise<MillraceError> {
  const error = await errorOf(promise);
  const all = inspect(error, { depth: 10, showHidden: true });
  for (const secret of [...Object.values(s3.env), ...Object.values(stranger), 'wrong-secret', 'NOBODY']) {
    expect(all).not.toContain(secret);
  }
  return error;
}

async function listen(server: Server | ReturnType<typeof createSocketServer>): Promise<string> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('an address of another form is refused with all that is wrong', async () => {
  const refused = (changes: Partial<S3ArtifactStoreOptions>) => options(changes).then(openS3ArtifactStore);
  expect(
    await errorOf(refused({ url: 'http://team/store', endpoint: 'localhost:9000', region: 'Frankfurt' })),
  ).toMatchObject({
    code: 'CONFIG_INVALID',
    message: [
      "artifacts.url: expected a bucket with a prefix, such as s3://team-artifacts/millrace; received 'http://team/store'. A bucket has 3 to 63 small letters, digits, dots and dashes; names of the prefix have no spaces and are not . or ...",
      "artifacts.endpoint: expected an http or https address, such as http://127.0.0.1:9000; received 'localhost:9000'. Remove it to use Amazon's.",
      "artifacts.region: expected the name of a region, such as eu-central-1; received 'Frankfurt'. Correct it.",
    ].join('\n'),
  });
  for (const url of [
    's3://team/../other',
    's3://team/a//b',
    's3://Team',
    's3://',
    's3://team/a b',
    's3://team/a?x=1',
  ]) {
    expect(await errorOf(refused({ url }))).toMatchObject({ code: 'CONFIG_INVALID', received: `'${url}'` });
  }
  expect(await refusalOf(refused({ endpoint: 'http://me:wrong-secret@127.0.0.1:9000' }))).toMatchObject({
    code: 'CONFIG_INVALID',
    message:
      'artifacts.endpoint: expected an address without credentials; received one of 127.0.0.1:9000 with credentials in it. Put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
  });
});

test('no bucket, no rights, unknown and missing credentials and another region are told apart', async () => {
  expect(await refusalOf(openS3ArtifactStore(await options({ url: 's3://nobody-has/it' })))).toMatchObject({
    code: 'STORE_UNREADABLE',
    retryable: false,
    message: `s3://nobody-has/it: expected a bucket that exists at ${s3.endpoint}; received NoSuchBucket. Create it, or check its name and the endpoint.`,
  });
  const opened = await options();
  const as = (changes: Record<string, string | null>, region?: string) =>
    withEnvironment(changes, () =>
      refusalOf(openS3ArtifactStore({ ...opened, ...(region === undefined ? {} : { region }) })),
    );
  expect(
    await as({ AWS_ACCESS_KEY_ID: stranger.accessKeyId, AWS_SECRET_ACCESS_KEY: stranger.secretAccessKey }),
  ).toMatchObject({
    code: 'STORE_UNREADABLE',
    message:
      's3://team/store: expected credentials that may list the bucket, and read and write below the prefix; received AccessDenied. Grant them s3:ListBucket, s3:ListBucketMultipartUploads, s3:GetObject, s3:PutObject and s3:AbortMultipartUpload.',
  });
  const unknown = (received: string) => ({
    code: 'STORE_UNREADABLE',
    message: `s3://team/store: expected credentials that are known at ${s3.endpoint}; received ${received}. Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile that AWS_PROFILE names.`,
  });
  expect(await as({ AWS_ACCESS_KEY_ID: 'NOBODY' })).toMatchObject(unknown('InvalidAccessKeyId'));
  expect(await as({ AWS_SECRET_ACCESS_KEY: 'wrong-secret' })).toMatchObject(unknown('SignatureDoesNotMatch'));
  const none = {
    AWS_ACCESS_KEY_ID: null,
    AWS_SECRET_ACCESS_KEY: null,
    AWS_EC2_METADATA_DISABLED: 'true',
    HOME: root,
    AWS_PROFILE: null,
  };
  expect(await as(none)).toMatchObject({
    code: 'STORE_UNREADABLE',
    message:
      's3://team/store: expected credentials for S3; received none. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role is attached.',
  });
  expect(await as({}, 'eu-west-1')).toMatchObject({
    code: 'STORE_UNREADABLE',
    message: 's3://team/store: expected the region of the bucket; received another one. Set the region to us-east-1.',
  });
  const { endpoint: _, ...amazon } = opened;
  const noRegion = { AWS_REGION: null, AWS_DEFAULT_REGION: null, HOME: root, AWS_PROFILE: null };
  expect(await withEnvironment(noRegion, () => refusalOf(openS3ArtifactStore(amazon)))).toMatchObject({
    code: 'CONFIG_INVALID',
    message: 's3://team/store: expected a region; received none. Name the region of the bucket, or set AWS_REGION.',
  });
});

test('an endpoint where nobody answers, or something else does, is named', async () => {
  const empty = createSocketServer();
  const closed = await listen(empty);
  await new Promise((resolve) => empty.close(resolve));
  expect(await refusalOf(openS3ArtifactStore(await options({ endpoint: closed })))).toMatchObject({
    code: 'SERVER_UNREACHABLE',
    retryable: true,
    message: `s3://team/store: expected an S3 server that answers at ${closed}; received ECONNREFUSED. Start it, or check the endpoint and the network.`,
  });
  for (const [status, body, received, expected] of [
    [404, '<html><body>no such page</html>', 'HTTP 404 in another form than that of S3', 'an S3 server'],
    [200, '{"hello":"world"}', 'HTTP 200 in another form than that of S3', 'an S3 server'],
    [200, '<Answer><Name>another</Name></Answer>', 'an answer of another kind', 'an S3 server'],
  ] as const) {
    const web = createServer((_request, response) => response.writeHead(status).end(body));
    const endpoint = await listen(web);
    expect(await refusalOf(openS3ArtifactStore(await options({ endpoint })))).toMatchObject({
      code: 'SERVER_UNREACHABLE',
      retryable: false,
      message: `s3://team/store: expected ${expected} at ${endpoint}; received ${received}. Check the endpoint.`,
    });
    web.closeAllConnections();
    await new Promise((resolve) => web.close(resolve));
  }
  const secure = s3.endpoint.replace('http:', 'https:');
  expect(await refusalOf(openS3ArtifactStore(await options({ endpoint: secure })))).toMatchObject({
    code: 'SERVER_UNREACHABLE',
    message: `s3://team/store: expected an S3 server that answers at ${secure}; received EPROTO. Start it, or check the endpoint and the network.`,
  });
});

test('a prefix that is an object, on a server that keeps files, is refused by its name', async () => {
  await s3.client.send(new PutObjectCommand({ Bucket: 'team', Key: 'object', Body: 'x' }));
  const store = await openS3ArtifactStore(await options({ url: 's3://team/object' }));
  expect(await refusalOf(write(store, { a: 'abc' }))).toMatchObject({
    code: 'STORE_UNREADABLE',
    retryable: false,
    message:
      's3://team/object: expected a bucket that can be read and written; received ObjectParentIsFile, HTTP 409. Check bucket, region, endpoint and the rights of the credentials.',
  });
});

test('a cache directory that is a file is refused', async () => {
  const cacheDirectory = join(root, 'file');
  await writeFile(cacheDirectory, '');
  expect(await errorOf(openS3ArtifactStore(await options({ cacheDirectory })))).toMatchObject({
    code: 'STORE_UNREADABLE',
    message: `${join(cacheDirectory, 'artifacts')}: expected a store that can be read and written; received ENOTDIR. Check the path and its permissions.`,
  });
});

test('sweep gives up uploads in parts that are a day old, below the prefix, and no others', async () => {
  const store = await openS3ArtifactStore(await options());
  const begin = async (Key: string): Promise<string> => {
    const { UploadId } = await s3.client.send(new CreateMultipartUploadCommand({ Bucket: 'team', Key }));
    return UploadId!;
  };
  const old = await begin('store/blobs/old');
  await begin('store/blobs/new');
  const other = await begin('elsewhere/old');
  const yesterday = new Date(Date.now() - 25 * 60 * 60 * 1000);
  for (const entry of await readdir(s3.folderOf('team'), { recursive: true, withFileTypes: true })) {
    if (entry.name === old || entry.name === other)
      await utimes(join(entry.parentPath, entry.name), yesterday, yesterday);
  }
  expect(await store.sweep()).toBe(1);
  const { Uploads = [] } = await s3.client.send(new ListMultipartUploadsCommand({ Bucket: 'team' }));
  expect(Uploads.map(({ Key }) => Key).sort()).toEqual(['elsewhere/old', 'store/blobs/new']);
  expect(await store.sweep()).toBe(0);
});

test('a store on a bucket lists what lies below its own prefix', async () => {
  const one = await openS3ArtifactStore(await options({ url: 's3://team/one/' }));
  const two = await openS3ArtifactStore(await options({ url: 's3://team' }));
  const artifact = await write(one, { a: 'only here' });
  const listed: string[] = [];
  for await (const digest of one.list()) listed.push(digest);
  expect(listed).toEqual([artifact.digest]);
  for await (const digest of two.list()) listed.push(digest);
  expect(listed).toEqual([artifact.digest]);
  expect(await two.isWhole(artifact.digest)).toBe(false);
});
