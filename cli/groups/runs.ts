import { Command } from 'commander';
import { command } from '../command.js';

/** `millrace runs …` */
export function runsGroup(): Command {
  const group = new Command('runs')
    .description('what ran: list, show, logs, resume, attach, cancel, diff')
    .exitOverride();
  group.addCommand(
    command('list', 'runs, newest first')
      .option('--limit <n>', 'how many', '20')
      .option('--pipeline <name>', 'of this pipeline alone')
      .action(async (options) => (await import('../commands/runs.js')).list(options)),
  );
  group.addCommand(
    command('show', 'one run: its stages, metrics and gates')
      .argument('<run>', 'id, or the beginning of one')
      .option('--why', 'what made each stage a hit or a miss')
      .action(async (id, options) => (await import('../commands/runs.js')).show(id, options)),
  );
  group.addCommand(
    command('logs', 'what a run told', 'print JSON lines to stdout, one object an event, and nothing else there')
      .argument('<run>', 'id, or the beginning of one')
      .option('-f, --follow', 'go on until the run ends')
      .action(async (id, options) => (await import('../commands/runs.js')).logs(id, options)),
  );
  group.addCommand(
    command('resume', 'go on with a run that was killed, failed or cancelled')
      .argument('<run>', 'id, or the beginning of one')
      .option('--threads <n>', 'cores to use (default: all)')
      .action(async (id, options) => (await import('../commands/run.js')).resume(id, options)),
  );
  group.addCommand(
    command('attach', 'follow a run that a Temporal server drives')
      .argument('<run>', 'id, or the beginning of one')
      .action(async (id, options) => (await import('../commands/temporal-run.js')).attach(id, options)),
  );
  group.addCommand(
    command('cancel', 'ask a running run to stop')
      .argument('<run>', 'id, or the beginning of one')
      .action(async (id, options) => (await import('../commands/runs.js')).cancel(id, options)),
  );
  group.addCommand(
    command('diff', 'what changed between two runs: parameters, code, data, engines, metrics')
      .argument('<a>', 'run')
      .argument('<b>', 'run')
      .action(async (a, b, options) => (await import('../commands/diff.js')).diff(a, b, options)),
  );
  return group;
}
