import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FeedRequest, writeFeed } from '../../../../native/ts/feed.js';
import { builtEntry } from '../../../../native/ts/package-root.js';
import { type Fixture, openFixture } from '../../../integration/operators/feed/feed-fixture.js';

let fixture: Fixture;
let data: string;
const rows = 3_000_000;
const directories: string[] = [];

beforeAll(async () => {
  fixture = await openFixture();
  const dataset = await fixture.dataset(`SELECT i AS id, i::FLOAT AS x FROM range(${rows}) t(i) ORDER BY i`);
  data = dataset.directory;
});
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
});

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-feed-fault-'));
  directories.push(directory);
  return directory;
}

async function request(overrides: Partial<FeedRequest> = {}): Promise<FeedRequest> {
  const scan = `read_parquet('${join(data, 'part-0.parquet')}', file_row_number = true)`;
  return {
    rows,
    readable: [data],
    threads: 1,
    memoryLimitMb: 512,
    partsSql: `SELECT sum(feed_part(file_row_number, CAST(CASE WHEN md5(id::VARCHAR) < 'c' THEN 1 ELSE 2 END AS TINYINT))) FROM ${scan}`,
    rowsSql: `SELECT sum(feed_row(file_row_number, x, TRUE)) FROM ${scan}`,
    tensors: [{ name: 'float', dtype: 'F32', width: 1, isFlat: false }],
    parts: [{ name: 'train', code: 1 }],
    directory: await temporaryDirectory(),
    digests: false,
    ...overrides,
  };
}

const never = new AbortController().signal;

/** The feed's children that `parent` started, by /proc. */
async function feedChildren(parent: number): Promise<number[]> {
  const text = await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8').catch(() => '');
  const found: number[] = [];
  for (const pid of text
    .trim()
    .split(' ')
    .filter((each) => each !== '')) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes('feed-main')) found.push(Number(pid));
  }
  return found;
}

async function feedChild(parent: number): Promise<number> {
  for (;;) {
    const [child] = await feedChildren(parent);
    if (child !== undefined) return child;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function isAlive(pid: number): Promise<boolean> {
  const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  return state !== null && !/\) Z /.test(state);
}

describe('writing a feed', () => {
  it('says that the child died, and that trying again may help', async () => {
    const running = writeFeed(await request(), { signal: never });
    process.kill(await feedChild(process.pid), 'SIGKILL');
    await expect(running).rejects.toMatchObject({
      code: 'CHILD_DIED',
      retryable: true,
      message:
        'feed: expected the child process to answer; received signal SIGKILL. The machine may have run out of memory: end other programs, then resume the run.',
    });
  });

  it('ends the child when its parent is killed', async () => {
    const script = `
      const child = require('node:child_process').fork(${JSON.stringify(builtEntry('native/ts/feed-main'))}, [], { serialization: 'advanced', execArgv: [] });
      child.send({ kind: 'write', request: ${JSON.stringify(await request())} });
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
    const child = await feedChild(parent.pid!);
    parent.kill('SIGKILL');
    const deadline = Date.now() + 5_000;
    while (await isAlive(child)) {
      expect(Date.now()).toBeLessThan(deadline);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });

  it.each([0, 5, 50, 200])('is cancelled %i ms after its start, and leaves no child', async (delay) => {
    const controller = new AbortController();
    const running = writeFeed(await request(), { signal: controller.signal });
    if (delay === 0) controller.abort();
    else setTimeout(() => controller.abort(), delay);
    const error = await running.catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'CANCELLED', message: 'feed: expected to finish; received a cancellation.' });
    expect(await feedChildren(process.pid)).toEqual([]);
  });

  it('reads no file but those of the dataset', async () => {
    const outside = join(tmpdir(), `millrace-outside-${process.pid}.csv`);
    await writeFile(outside, 'a\n1\n');
    const sql = `SELECT sum(feed_row(0, CAST(a AS FLOAT), TRUE)) FROM read_csv('${outside}')`;
    await expect(writeFeed(await request({ partsSql: null, rowsSql: sql }), { signal: never })).rejects.toMatchObject({
      code: 'INTERNAL',
      message: expect.stringMatching(
        /^feed: expected a statement that runs; received Permission Error: Cannot access file/,
      ) as string,
    });
    await rm(outside);
  });

  it('names a Parquet file that is torn', async () => {
    const directory = await temporaryDirectory();
    const whole = await readFile(join(data, 'part-0.parquet'));
    const torn = join(directory, 'part-0.parquet');
    whole.fill(0x5a, 1000, Math.floor(whole.length / 2));
    await writeFile(torn, whole);
    const sql = `SELECT sum(feed_row(file_row_number, x, TRUE)) FROM read_parquet('${torn}', file_row_number = true)`;
    await expect(
      writeFeed(await request({ readable: [directory], partsSql: null, rowsSql: sql }), { signal: never }),
    ).rejects.toMatchObject({ code: 'ARTIFACT_CORRUPT', path: 'dataset' });
  });

  it('notices that files hold other rows than the manifest says', async () => {
    for (const count of [rows - 1, rows + 1]) {
      await expect(writeFeed(await request({ rows: count, partsSql: null }), { signal: never })).rejects.toMatchObject({
        code: 'ARTIFACT_CORRUPT',
        expected: 'Parquet files as they were written',
      });
    }
  });

  it('leaves only shards in its directory', async () => {
    const asked = await request();
    const { counts, parts } = await writeFeed(asked, { signal: never });
    expect(counts!.reduce((sum, count) => sum + count, 0)).toBe(rows);
    expect(parts['train']!.shards.map(({ rows: count }) => count)).toEqual([
      1_048_576,
      1_048_576,
      counts![1]! - 2 * 1_048_576,
    ]);
    expect((await readdir(asked.directory)).sort()).toEqual([
      'train-00000.safetensors',
      'train-00001.safetensors',
      'train-00002.safetensors',
    ]);
  });
});
