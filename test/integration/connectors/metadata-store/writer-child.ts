/** One of several processes on one file: creates runs and writes lines, each awaited. Arguments: file, name, rounds. */
import { openSqliteMetadataStore } from '../../../../connectors/metadata-store/sqlite-metadata-store.js';

const [file = '', name = '', rounds = '0'] = process.argv.slice(2);
await using store = await openSqliteMetadataStore({ file, namespace: 'default' });
for (let index = 0; index < Number(rounds); index++) {
  const run = `${name}-${index}`;
  await store.createRun({
    id: run,
    pipeline: name,
    plan: 'd',
    bundle: null,
    params: {},
    root: '/',
    parent: null,
    options: {},
  });
  await store.insertCached(`shared-${index}`, [{ name: 'out', digest: name }], {});
  await store.registry.register({ run, stage: 's' }, { model: 'm', bundle: run, report: null, lineage: {} });
}
