/** Takes a lease for ten minutes, says so, and waits to be killed. Arguments: file or URL, key. */
import { openStore } from './open-store.js';

const [place = '', key = ''] = process.argv.slice(2);
const store = await openStore(place);
const lease = await store.acquireLease(key, 600_000);
process.stdout.write(`${lease?.isHeld}\n`);
setInterval(() => undefined, 1000);
