import { fork } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { builtEntry } from '../../native/ts/package-root.js';
import type { ArtifactStore, DatasetMeta } from '../../pipelines/contracts/artifacts.js';
import { deserializeError, MillraceError, type SerializedError } from '../../pipelines/contracts/errors.js';
import type { Json } from '../../pipelines/contracts/json.js';
import type { CustomRunner } from '../../pipelines/contracts/operator.js';
import type { Column } from '../../pipelines/types/column-type.js';
import type { ExternalPackage } from '../bundle/bundle-pipeline.js';
import { parentArguments } from './end-with-parent.js';

export interface CustomRequest {
  /** The stage, for errors. */
  readonly path: string;
  readonly code: string;
  readonly file: string;
  readonly externals: readonly string[];
  readonly root: string;
  readonly inputs: Readonly<
    Record<
      string,
      { readonly directory: string; readonly files: readonly string[]; readonly columns: readonly Column[] }
    >
  >;
  readonly columns: readonly Column[];
  readonly options: Json;
  readonly output: string;
  /** Of the child's DuckDB. */
  readonly threads: number;
  readonly memoryLimitMb: number;
}

export type CustomResponse =
  | { readonly kind: 'done'; readonly rows: number; readonly file: string }
  | { readonly kind: 'error'; readonly error: SerializedError };

const graceMs = 2000;

/** Runs custom stages in child processes; a child ends with its parent, and on cancellation by SIGTERM, then SIGKILL. */
export function createCustomRunner(artifacts: ArtifactStore): CustomRunner {
  return {
    async run(request) {
      const bundle = await artifacts.open(request.bundle);
      const { externals } = bundle.manifest.meta as unknown as { externals: ExternalPackage[] };
      await mkdir(request.output, { recursive: true });
      const inputs = Object.fromEntries(
        Object.entries(request.inputs).map(([name, dataset]) => {
          const meta = dataset.manifest.meta as unknown as DatasetMeta;
          return [
            name,
            {
              directory: dataset.directory,
              files: meta.partitions.map((partition) => join(dataset.directory, partition.path)),
              columns: meta.columns.map(({ name: column, type }) => ({ name: column, type })),
            },
          ];
        }),
      );
      const response = await runChild(
        {
          path: request.path,
          code: await readFile(join(bundle.directory, 'bundle.cjs'), 'utf8'),
          file: join(bundle.directory, 'bundle.cjs'),
          externals: externals.map((external) => external.specifier),
          root: request.root,
          inputs,
          columns: request.columns,
          options: request.options,
          output: request.output,
          threads: request.placement.threads,
          memoryLimitMb: request.placement.memoryLimitMb,
        },
        request.signal,
      );
      if (response.kind === 'error') throw deserializeError(response.error);
      return { rows: response.rows, file: response.file };
    },
  };
}

async function runChild(request: CustomRequest, signal: AbortSignal): Promise<CustomResponse> {
  const cancelled = (): MillraceError =>
    new MillraceError('CANCELLED', { path: request.path, expected: 'to run to its end', received: 'a cancellation' });
  if (signal.aborted) throw cancelled();
  const child = fork(builtEntry('workflows/children/custom-main'), parentArguments(), {
    // What the user's code prints goes to stderr: stdout belongs to the command's answer.
    stdio: ['ignore', 2, 2, 'ipc'],
    serialization: 'advanced',
    execArgv: ['--enable-source-maps'],
  });
  let killTimer: NodeJS.Timeout | null = null;
  const onAbort = (): void => {
    child.kill('SIGTERM');
    killTimer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await new Promise<CustomResponse>((resolve, reject) => {
      let response: CustomResponse | null = null;
      child.once('message', (message) => {
        response = message as CustomResponse;
      });
      child.once('error', reject);
      child.once('exit', (code, by) => {
        if (signal.aborted) reject(cancelled());
        else if (response !== null) resolve(response);
        else
          reject(
            new MillraceError('CHILD_DIED', {
              path: request.path,
              expected: 'a child process that answers',
              received: by === null ? `exit code ${code}` : `signal ${by}`,
              hint:
                by === 'SIGKILL'
                  ? 'It may have run out of memory: read the batches one at a time.'
                  : 'Remove process.exit() from the function.',
            }),
          );
      });
      child.send(request);
    });
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (killTimer !== null) clearTimeout(killTimer);
  }
}
