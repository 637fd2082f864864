import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'libsql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { currentOwner } from '../../connectors/metadata-store/process-owner.js';
import { digestsOf, type RunObject, runJson, startCli } from './cli.js';
import { violationsOf } from './invariants.js';
import { plantedSecret } from './secret.js';
import { changedWorkflow, startTemporal, startWorker } from './temporal.js';
import { type Project, visitorsProject } from './visitors.js';

/** Each invariant, broken by hand in a copy of a store that a real run left whole. */
describe('the checker of invariants', () => {
  let project: Project;
  let untouched: string;
  let run: RunObject;
  let digests: Readonly<Record<string, string>>;
  beforeAll(async () => {
    project = await visitorsProject(300);
    run = await project.run();
    expect(run.status).toBe('succeeded');
    digests = digestsOf(run);
    // Before anything opens it: SQLite takes its log away while a database is closed.
    untouched = join(project.directory, '..', 'untouched');
    await cp(project.store, untouched, { recursive: true });
  });
  afterAll(() => project[Symbol.asyncDispose]());

  let copies = 0;
  async function copyOfStore(): Promise<string> {
    const copy = join(project.directory, '..', `copy-${copies++}`);
    await cp(untouched, copy, { recursive: true });
    return copy;
  }
  const placeOf = (store: string, digest: string): string => join(store, 'artifacts', digest.slice(0, 2), digest);

  function change(store: string, ...statements: readonly string[]): void {
    const database = new Database(join(store, 'metadata.sqlite'));
    for (const statement of statements) database.exec(statement);
    database.close();
  }

  /** Changes the middle byte of an artifact's file; its size stays. */
  async function flip(store: string, digest: string, name: string): Promise<void> {
    const file = join(placeOf(store, digest), name);
    const bytes = await readFile(file);
    bytes[bytes.length >> 1]! ^= 1;
    await chmod(file, 0o644);
    await writeFile(file, bytes);
  }

  test('finds nothing in a whole store, in a copy of it, and in none', async () => {
    expect(await violationsOf(project.store)).toEqual([]);
    expect(await violationsOf(await copyOfStore())).toEqual([]);
    expect(await violationsOf(join(project.directory, 'none'))).toEqual([]);
  });

  test('I1: an alias that names what its history does not tell of, no version, two versions', async () => {
    const gone = await copyOfStore();
    change(gone, 'DELETE FROM aliases');
    expect(await violationsOf(gone)).toEqual(['I1: visitors@champion names version none, its history ends at 1']);
    const stray = await copyOfStore();
    change(stray, 'UPDATE aliases SET version = 7');
    expect(await violationsOf(stray)).toEqual([
      'I1: visitors@champion names version 7, which does not exist',
      'I1: visitors@champion names version 7, its history ends at 1',
    ]);
    const two = await copyOfStore();
    change(
      two,
      'ALTER TABLE aliases RENAME TO one',
      'CREATE TABLE aliases AS SELECT * FROM one UNION ALL SELECT * FROM one',
    );
    expect(await violationsOf(two)).toEqual(['I1: visitors@champion names 2 versions: 1, 1']);
    const altered = await copyOfStore();
    change(altered, "UPDATE history SET reason = 'another' WHERE sequence = 3");
    expect(await violationsOf(altered)).toEqual(['I1: the history was altered at entry 3']);
  });

  test('I2: a registered bundle with a changed byte', async () => {
    const store = await copyOfStore();
    await flip(store, digests['onnx.onnx']!, 'model.onnx');
    expect(await violationsOf(store)).toEqual([
      expect.stringMatching(/^I2: visitors version 1: artifact [0-9a-f]+.*: expected model.onnx of sha256 /),
      expect.stringMatching(/^I4: artifact [0-9a-f]+.*: expected model.onnx of sha256 /),
    ]);
  });

  test('I2: a server that serves another bundle than the registry names', async () => {
    const store = await copyOfStore();
    const { child, done } = startCli(['serve', '--port', '0', '--json', '--store', store]);
    const [line] = (await once(child.stdout!, 'data')) as [Buffer];
    const { address: serving } = JSON.parse(line.toString()) as { readonly address: string };
    try {
      const scenario = { serving, live: [child.pid!] };
      expect(await violationsOf(store, scenario)).toEqual([]);
      // Behind the back of the server: the revision that it follows stays.
      change(store, 'DELETE FROM aliases');
      expect(await violationsOf(store, scenario)).toContain(
        `I2: endpoint visitors serves ${digests['onnx.onnx']}, visitors@champion names nothing`,
      );
    } finally {
      child.kill('SIGTERM');
      await done;
    }
  });

  test('I3: a promotion without a record, without an entry before it, by a verdict of something else', async () => {
    const unrecorded = await copyOfStore();
    change(unrecorded, 'DELETE FROM gates');
    expect(await violationsOf(unrecorded)).toEqual([
      'I3: visitors version 1 was promoted without a passing gate record',
    ]);
    const blocked = await copyOfStore();
    change(blocked, "UPDATE history SET reason = 'blocked' WHERE kind = 'gate'");
    expect(await violationsOf(blocked)).toContain('I3: visitors version 1 was promoted before a gate let it pass');
    const foreign = await copyOfStore();
    change(foreign, `UPDATE versions SET bundle = '${digests['model.model']}'`);
    expect(await violationsOf(foreign)).toEqual(['I3: visitors version 1: its verdict judged another bundle']);
  });

  test('I4: an artifact that is gone, torn, without a manifest, or none', async () => {
    const gone = await copyOfStore();
    await rm(placeOf(gone, digests['rows.dataset']!), { recursive: true, force: true });
    expect(await violationsOf(gone)).toEqual([expect.stringMatching(/^I4: rows\.dataset of run .*received none of/)]);
    const bare = await copyOfStore();
    await rm(join(placeOf(bare, digests['report.report']!), 'manifest.json'), { force: true });
    expect(await violationsOf(bare)).toEqual([
      expect.stringMatching(/^I4: artifact .*received none of this digest/),
      expect.stringMatching(/^I4: report\.report of run .*received none of this digest/),
    ]);
    const stray = await copyOfStore();
    await mkdir(join(stray, 'artifacts/ab/half-written'), { recursive: true });
    expect(await violationsOf(stray)).toEqual(['I4: artifacts/ab/half-written is no artifact']);
  });

  test('I5: a key that was computed to two results', async () => {
    const store = await copyOfStore();
    change(
      store,
      `INSERT INTO cache_conflicts (namespace, key, outputs, summary, created_at) VALUES ('default', 'k', '[]', '{}', 0)`,
    );
    expect(await violationsOf(store)).toEqual(['I5: the key k was computed to different bytes']);
  });

  test('I6: a process that uses the store, an orphan, a lease of the dead, scratch and temporary files', async () => {
    const store = await copyOfStore();
    const idle = 'setTimeout(() => {}, 600000)';
    const user = spawn(process.execPath, ['-e', idle, store], { stdio: 'ignore' });
    // Its parent ends at once, and it inherits the environment alone.
    const parent = spawn(
      process.execPath,
      [
        '-e',
        `console.log(require('child_process').spawn(process.execPath, ['-e', '${idle}'], { detached: true, stdio: 'ignore' }).pid); process.exit()`,
      ],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const orphan = Number(line.toString());
    try {
      const found = await violationsOf(store);
      expect(found).toHaveLength(2);
      expect(found).toContainEqual(expect.stringMatching(`^I6: process ${user.pid} lives on: `));
      expect(found).toContainEqual(expect.stringMatching(`^I6: process ${orphan} lives on: `));
      expect(await violationsOf(store, { live: [user.pid!, orphan] })).toEqual([]);
    } finally {
      user.kill('SIGKILL');
      process.kill(orphan, 'SIGKILL');
      await once(user, 'exit');
    }
    await mkdir(join(store, 'scratch/left'), { recursive: true });
    await mkdir(join(store, 'tmp/left'), { recursive: true });
    await writeFile(join(store, 'records/events.partial'), '');
    const lease = (key: string, bootId: string): string =>
      `INSERT INTO leases VALUES ('default', '${key}', 't', '${bootId}', 1, 'gone', 9000000000000)`;
    change(store, lease('ours', currentOwner().bootId), lease('theirs', 'elsewhere'));
    expect(await violationsOf(store)).toEqual([
      'I6: tmp/left was left',
      'I6: scratch/left was left',
      'I6: records/events.partial was left',
      'I6: the lease ours of the dead process 1 was left',
      'I6: the lease theirs of process 1 was left',
    ]);
  });

  test('I8: the planted secret in a log, an artifact, a name, a row', async () => {
    const store = await copyOfStore();
    await writeFile(join(store, 'records', run.run, 'run.log'), `{"message":"${plantedSecret}"}\n`);
    await writeFile(join(store, 'records', plantedSecret), '');
    change(store, `UPDATE runs SET params = '{"token":"${plantedSecret}"}'`);
    const found = await violationsOf(store);
    expect(found).toContain(`I8: records/${run.run}/run.log holds the planted secret`);
    expect(found).toContain('I8: records/<secret> holds the planted secret');
    expect(found).toContain('I8: a row of runs holds the planted secret');
    expect(found.join()).not.toContain(plantedSecret);
  });

  test('I7: a history that does not replay', async () => {
    const store = join(project.directory, '..', 'store-temporal');
    await using temporal = await startTemporal(join(project.directory, '..'));
    const worker = await startWorker(temporal, store);
    const args = ['run', join(project.directory, 'pipeline.ts'), '--store', store, '--temporal'];
    expect((await runJson<RunObject>(args, { env: temporal.env })).status).toBe('succeeded');
    await worker.stop();
    const scenario = { temporal: temporal.address };
    expect(await violationsOf(store, scenario)).toEqual([]);
    const workflowCode = changedWorkflow(project.directory);
    expect(await violationsOf(store, { ...scenario, workflowCode })).toEqual([
      expect.stringMatching(/^I7: the history of run \S+ does not replay: .*[Nn]ondeterminism/s),
    ]);
  });
});
