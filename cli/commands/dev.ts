import { join } from 'node:path';
import { startDevServer } from '../../connectors/temporal/dev-server.js';
import { setupTemporal } from '../../connectors/temporal/fetch-server.js';
import { startServer } from '../../serving/server.js';
import { type CommonOptions, integerOption, openStore, printJson } from '../open.js';
import { configuredQueue } from './temporal-config.js';
import { openWorker } from './worker.js';

interface DevOptions extends CommonOptions {
  readonly port: string;
  readonly temporalPort: string;
  readonly uiPort: string;
  readonly queue?: string;
}

/** A Temporal server, a worker and the endpoint server, all on this machine, until one Ctrl-C. */
export async function dev(options: DevOptions): Promise<void> {
  const port = integerOption(options.port, '--port', 0, 65_535);
  const temporalPort = integerOption(options.temporalPort, '--temporal-port', 0, 65_535);
  const uiPort = integerOption(options.uiPort, '--ui-port', 0, 65_535);
  const say = (message: string): void => void process.stderr.write(`${message}\n`);
  const binary = await setupTemporal({ onProgress: say });
  // Before anyone hears that it works: a signal that comes at once ends it too.
  const asked = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  await using services = await openStore(options);
  const temporal = await startDevServer({
    executable: binary.path,
    port: temporalPort,
    uiPort: uiPort === 0 ? null : uiPort,
    file: join(services.directory, 'temporal.sqlite'),
  });
  await using _temporal = atEnd(() => temporal.stop());
  const worker = await openWorker(
    services,
    { address: temporal.address, namespace: 'default' },
    { queue: await configuredQueue(options.queue), graceMs: 2000 },
  );
  await using _worker = atEnd(() => worker.drain());
  const { registry } = services.metadata;
  const server = await startServer({ registry, artifacts: services.artifacts, infer: services.infer, port, log: say });
  await using _server = atEnd(() => server.close());
  if (options.json === true) {
    printJson({ temporal: temporal.address, queue: worker.queue, endpoints: server.address, pid: process.pid });
  } else {
    process.stdout.write(
      [
        `Temporal    ${temporal.address}${uiPort === 0 ? '' : `  (pages on http://127.0.0.1:${uiPort})`}`,
        `Worker      queue ${worker.queue}`,
        `Endpoints   ${server.address}`,
        `Run a pipeline with: TEMPORAL_ADDRESS=${temporal.address} millrace run FILE --temporal`,
        'Ctrl-C stops all.\n',
      ].join('\n'),
    );
  }
  await Promise.race([asked, temporal.ended, worker.stopped]);
}

/** Ends in the opposite order of starting. */
function atEnd(end: () => Promise<void>): AsyncDisposable {
  return { [Symbol.asyncDispose]: end };
}
