import { createWriteStream } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { makeFolder } from '../tools/cache-folder.js';
import { lastLines, runTool } from '../tools/run-tool.js';
import { cachedTemporal, locateTemporal, pinnedTemporal, type TemporalBinary } from './locate-server.js';

const connectTimeoutMs = 10_000;
const goModule = `github.com/temporalio/cli/cmd/temporal@v${pinnedTemporal}`;

export interface FetchOptions {
  readonly onProgress?: (message: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Finds the `temporal` command or puts it into the user's cache: the official archive, else `go install` of the same release.
 *
 * @throws DOWNLOAD_FAILED - neither could be had, with what each said; retryable.
 */
export async function setupTemporal(options: FetchOptions = {}): Promise<TemporalBinary> {
  const found = locateTemporal();
  if (found !== null) return found;
  const path = cachedTemporal();
  await makeFolder(dirname(path), async (folder) => {
    try {
      await download(folder, options);
    } catch (error) {
      options.onProgress?.(
        `no download (${reasonOf(error)}); building temporal ${pinnedTemporal} with go, some minutes`,
      );
      await buildWithGo(folder, reasonOf(error), options);
    }
    await chmod(join(folder, 'temporal'), 0o755);
  });
  return { path, source: 'cache' };
}

async function download(folder: string, { onProgress, signal }: FetchOptions): Promise<void> {
  const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const name = `temporal_cli_${pinnedTemporal}_${process.platform}_${arch}.tar.gz`;
  const url = `https://github.com/temporalio/cli/releases/download/v${pinnedTemporal}/${name}`;
  onProgress?.(`fetching temporal ${pinnedTemporal}`);
  const connecting = AbortSignal.timeout(connectTimeoutMs);
  const response = await fetch(url, {
    signal: signal === undefined ? connecting : AbortSignal.any([signal, connecting]),
  });
  if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status} from ${url}`);
  const total = Number(response.headers.get('content-length') ?? 0);
  let bytes = 0;
  let shown = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes - shown > 5e6) {
        shown = bytes;
        onProgress?.(`fetching temporal ${pinnedTemporal}: ${megabytes(bytes)} of ${megabytes(total)} MB`);
      }
      done(null, chunk);
    },
  });
  const archive = join(folder, name);
  await pipeline(Readable.fromWeb(response.body as never), count, createWriteStream(archive));
  const { code, output } = await runTool('tar', ['-xzf', archive, '-C', folder, 'temporal'], {
    install: 'sudo apt-get install tar',
    signal,
  });
  if (code !== 0) throw new Error(lastLines(output));
  await rm(archive);
}

async function buildWithGo(folder: string, before: string, { signal }: FetchOptions): Promise<void> {
  const failed = (received: string): MillraceError =>
    new MillraceError('DOWNLOAD_FAILED', {
      path: 'setup.temporal',
      expected: `temporal ${pinnedTemporal} from its releases, or go to build it`,
      received: `${before}; ${received}`,
      hint: 'Install it from https://docs.temporal.io/cli and set TEMPORAL_CLI_PATH, or check the network and run `millrace setup temporal` again.',
      retryable: true,
    });
  let result: Awaited<ReturnType<typeof runTool>>;
  try {
    result = await runTool('env', [`GOBIN=${folder}`, 'go', 'install', goModule], {
      install: 'sudo apt-get install golang',
      signal,
    });
  } catch (error) {
    throw failed(reasonOf(error));
  }
  if (result.code === 127) throw failed('no go on the PATH');
  if (result.code !== 0) throw failed(`go install: ${lastLines(result.output)}`);
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return `${error.message}${cause}`.replace(/\.$/, '');
}
