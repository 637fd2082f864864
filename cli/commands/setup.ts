import { buildAddon } from '../../connectors/libtorch/build-addon.js';
import { type CommonOptions, printJson } from '../open.js';

/** Finds or fetches libtorch and builds the addon; says what it does, and takes a moment the second time. */
export async function setup(options: CommonOptions & { readonly force?: boolean }): Promise<void> {
  let last = '';
  const result = await buildAddon({
    force: options.force === true,
    onProgress: (message: string) => {
      if (message === last) return;
      last = message;
      process.stderr.write(`${message}\n`);
    },
  });
  if (options.json === true) printJson(result);
}
