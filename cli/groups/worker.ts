import { Command } from 'commander';
import { command } from '../command.js';

/** `millrace worker …` */
export function workerGroup(): Command {
  const group = new Command('worker').description('a process that drives runs for a Temporal server').exitOverride();
  group.addCommand(
    command('start', 'drive runs and compute their stages until Ctrl-C')
      .option('--queue <queue>', 'task queue (default: of millrace.config.ts, else millrace)')
      .option('--concurrency <n>', 'stages that run at once (default: 4 a core, at least 16)')
      .option('--grace <seconds>', 'how long running stages may go on at the end', '30')
      .action(async (options) => (await import('../commands/worker.js')).start(options)),
  );
  return group;
}
