/**
 * Writes artifacts and metadata until it is killed, and says on stdout what was confirmed:
 * `ready`, then `<index> <digest>` for every round. Arguments: root, first index.
 */
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDiskArtifactStore } from '../../../../connectors/artifact-store/disk-artifact-store.js';
import { openSqliteMetadataStore } from '../../../../connectors/metadata-store/sqlite-metadata-store.js';

const [root = '', first = '0'] = process.argv.slice(2);
const artifacts = await openDiskArtifactStore(root);
const store = await openSqliteMetadataStore({ file: join(root, 'metadata.sqlite'), namespace: 'default' });
const run = `run-${first}`;
await store.createRun({
  id: run,
  pipeline: 'p',
  plan: 'd',
  bundle: null,
  params: {},
  root: '/',
  parent: null,
  options: {},
});
await artifacts.sweep();
process.stdout.write('ready\n');

let champion = (await store.registry.alias('m', 'champion'))?.version ?? null;
for (let index = Number(first); ; index++) {
  const writer = await artifacts.create('value');
  await mkdir(join(writer.directory, 'parts'));
  for (let part = 0; part < 4; part++) {
    await writeFile(join(writer.directory, 'parts', String(part)), Buffer.alloc(50_000, `${index}.${part}.`));
  }
  const { digest } = await writer.commit({ index });
  const outputs = [{ name: 'out', digest }];
  const key = createHash('sha256').update(String(index)).digest('hex');
  const act = { run, stage: `stage-${index}` };
  const [, , registered] = await Promise.all([
    store.insertCached(key, outputs, { index }),
    store.putStage({
      ...act,
      operator: 'sql',
      status: 'succeeded',
      attempt: 1,
      key,
      keyParts: {},
      reason: null,
      outputs,
      summary: {},
      startedAt: new Date().toISOString(),
      durationMs: 1,
      error: null,
    }),
    store.registry.register(act, { model: 'm', bundle: digest, report: null, lineage: {} }),
  ]);
  const { version } = registered.version;
  await store.registry.recordGate(act, { ...act, model: 'm', version, passed: true, verdict: digest });
  const decision = { actor: 'user:child', reason: 'next', evidence: null };
  await store.registry.moveAliases(act, [{ model: 'm', alias: 'champion', expected: champion, version }], decision);
  champion = version;
  process.stdout.write(`${index} ${digest}\n`);
}
