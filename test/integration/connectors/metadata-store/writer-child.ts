/** One of several processes on one store: creates runs and writes lines, each awaited. Arguments: file or URL, name, rounds. */
import { openStore } from './open-store.js';

const [place = '', name = '', rounds = '0'] = process.argv.slice(2);
await using store = await openStore(place);
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
