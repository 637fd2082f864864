/** Takes a lease for ten minutes, says so, and waits to be killed. Arguments: file, key. */
import { openSqliteMetadataStore } from '../../../../connectors/metadata-store/sqlite-metadata-store.js';

const [file = '', key = ''] = process.argv.slice(2);
const store = await openSqliteMetadataStore({ file, namespace: 'default' });
const lease = await store.acquireLease(key, 600_000);
process.stdout.write(`${lease?.isHeld}\n`);
setInterval(() => undefined, 1000);
