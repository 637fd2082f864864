import { buildAddon } from '../../connectors/libtorch/build-addon.js';
import { type CommonOptions, printJson } from '../open.js';

/** Finds or fetches libtorch and builds the addon, or gets a Temporal server; says what it does, and takes a moment the second time. */
export async function setup(
  what: 'native' | 'temporal',
  options: CommonOptions & { readonly force?: boolean },
): Promise<void> {
  let last = '';
  const onProgress = (message: string): void => {
    if (message === last) return;
    last = message;
    process.stderr.write(`${message}\n`);
  };
  if (what === 'temporal') {
    const { setupTemporal } = await import('../../connectors/temporal/fetch-server.js');
    const found = await setupTemporal({ onProgress });
    onProgress(`temporal: ${found.path}`);
    if (options.json === true) printJson(found);
    return;
  }
  const result = await buildAddon({ force: options.force === true, onProgress });
  if (options.json === true) printJson(result);
}
