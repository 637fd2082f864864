import { startServer } from '../../serving/server.js';
import { type CommonOptions, integerOption, openStore, printJson } from '../open.js';

/** Serves the deployed endpoints until SIGINT or SIGTERM; then what was accepted is answered. */
export async function serve(options: CommonOptions & { readonly host: string; readonly port: string }): Promise<void> {
  const port = integerOption(options.port, '--port', 0, 65_535);
  await using services = await openStore(options);
  const { metadata, artifacts, infer } = services;
  await using server = disposable(
    await startServer({
      registry: metadata.registry,
      artifacts,
      infer,
      host: options.host,
      port,
      log: (message) => process.stderr.write(`${message}\n`),
    }),
  );
  const endpoints = await metadata.registry.endpoints();
  if (options.json === true) printJson({ address: server.value.address, endpoints });
  else {
    process.stdout.write(`Serving on ${server.value.address}\n`);
    for (const { endpoint, model, alias } of endpoints)
      process.stdout.write(`  POST ${server.value.address}/endpoints/${endpoint}/predict  (${model}@${alias})\n`);
    if (endpoints.length === 0)
      process.stdout.write('  No endpoints yet: a pipeline with deploy() makes one, and it is served at once.\n');
  }
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
}

function disposable<T extends { close(): Promise<void> }>(value: T): { readonly value: T } & AsyncDisposable {
  return { value, [Symbol.asyncDispose]: () => value.close() };
}
