import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startServer } from '../../serving/server.js';
import { openWorld, writeBundle } from '../integration/serving/world.js';
import { benchSignature, namedModel } from './serving-model.js';

/** The served side of the benchmark, a process of its own: the port of our server, and of a bare one as the limit. */
async function main(): Promise<void> {
  const world = await openWorld();
  const { digest } = await writeBundle(world.artifacts, namedModel(), benchSignature);
  const { version } = await world.register('churn', digest);
  await world.promote('churn', version);
  await world.bind('churn', 'churn');
  const server = await startServer({ ...world.sources, port: 0 });
  // The least that any HTTP server in this runtime does: takes the body, answers the same bytes each time.
  const answers = new Map<number, string>();
  const bare = createServer((request, response) => {
    request.on('data', () => {});
    request.on('end', () => {
      const rows = Number(request.headers['x-rows']);
      let answer = answers.get(rows);
      if (answer === undefined) {
        const predictions = Array.from({ length: rows }, () => ({ probability: 0.8765432238578796, class: 'true' }));
        answer = JSON.stringify({ model: 'churn', version: 1, predictions });
        answers.set(rows, answer);
      }
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length });
      response.end(answer);
    });
  });
  bare.listen(0, '127.0.0.1', () => {
    process.send?.({ port: server.port, barePort: (bare.address() as AddressInfo).port });
  });
  process.once('message', () => {
    bare.closeAllConnections();
    bare.close();
    void server
      .close()
      .then(() => world[Symbol.asyncDispose]())
      .then(() => process.exit(0));
  });
}

await main();
