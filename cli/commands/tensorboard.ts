import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import { type CommonOptions, integerOption, openStore, printJson } from '../open.js';

/** Starts the TensorBoard of the machine on the records of the store, or of one run. */
export async function tensorboard(
  options: CommonOptions & { readonly run?: string; readonly port: string },
): Promise<void> {
  const port = integerOption(options.port, '--port', 1, 65_535);
  const logs = await logDirectory(options);
  if (options.json === true) {
    printJson({ logs });
    return;
  }
  process.stderr.write(`Logs: ${logs}\n`);
  process.exitCode = await runTensorBoard(logs, port);
}

const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs TensorBoard until it ends or this command is stopped, which stops it too: 0 then, else its own exit code. */
async function runTensorBoard(logs: string, port: number): Promise<number> {
  const child = spawn('tensorboard', ['--logdir', logs, '--port', String(port)], { stdio: 'inherit' });
  let isStopped = false;
  const stop = (): void => {
    isStopped = true;
    child.kill('SIGTERM');
  };
  for (const signal of stopSignals) process.on(signal, stop);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', () =>
        reject(
          new MillraceError('TOOL_MISSING', {
            path: 'tensorboard',
            expected: 'the command tensorboard',
            received: 'none on the PATH',
            hint: `Install it with: pip install tensorboard. The logs are in ${logs}.`,
          }),
        ),
      );
      // Without a code a signal ended it: one of ours, or another's.
      child.once('exit', (code) => resolve(isStopped ? 0 : (code ?? 1)));
    });
  } finally {
    for (const signal of stopSignals) process.off(signal, stop);
  }
}

async function logDirectory(options: CommonOptions & { readonly run?: string }): Promise<string> {
  await using services = await openStore(options);
  const root = join(services.directory, 'records');
  const logs = options.run === undefined ? root : join(root, (await services.metadata.run(options.run)).id);
  if (!existsSync(logs))
    throw new MillraceError('RUN_NOT_FOUND', {
      path: logs,
      expected: 'records of a run',
      received: 'no such directory',
      hint: 'Run a pipeline that fits a model first.',
    });
  return logs;
}
