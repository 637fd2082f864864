#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command, CommanderError, Option } from 'commander';
import { packageRoot } from '../native/ts/package-root.js';
import { exitCodes, printError, reportError, usageError } from './exit.js';

/** What every command takes. */
function command(
  name: string,
  description: string,
  json = 'print one JSON object to stdout and nothing else there',
): Command {
  return new Command(name)
    .description(description)
    .addOption(
      new Option(
        '--store <directory>',
        'where artifacts and metadata are (default: $MILLRACE_STORE, else .millrace beside the nearest package.json)',
      ),
    )
    .addOption(new Option('--json', json))
    .exitOverride();
}

function paramOption(): Option {
  return new Option('-p, --param <name=value>', 'a parameter of the pipeline; may be given several times').argParser(
    (value: string, earlier: readonly string[] | undefined) => [...(earlier ?? []), value],
  );
}

const version = (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version;
const program = new Command('millrace')
  .description('From raw data to a served, watched model.')
  .version(version)
  .exitOverride()
  .showHelpAfterError('Run millrace --help to see the commands.')
  .addHelpText(
    'after',
    '\nExit codes: 0 done, 1 failed, 2 usage or configuration, 3 a gate blocked, 4 waiting for a decision, 130 cancelled.',
  );

program.addCommand(
  command('init', 'write a small pipeline with data that runs at once')
    .argument('[directory]', 'where to', '.')
    .action(async (directory, options) => (await import('./commands/init.js')).init(directory, options)),
);
program.addCommand(
  command('doctor', 'print versions, what is missing and how to mend it').action(async (options) =>
    (await import('./commands/doctor.js')).doctor(options),
  ),
);
program.addCommand(
  command('setup', 'find or fetch what is missing: libtorch with the native addon, or a Temporal server')
    .addArgument(new Argument('[what]', 'what to set up').choices(['native', 'temporal']).default('native'))
    .option('--force', 'build the addon again')
    .action(async (what, options) => (await import('./commands/setup.js')).setup(what, options)),
);
program.addCommand(
  command('check', 'compile a pipeline twice, check its SQL against its sources, and its types')
    .argument('<file>', 'the pipeline file')
    .addOption(paramOption())
    .action(async (file, options) => (await import('./commands/check.js')).check(file, options)),
);
program.addCommand(
  command('run', 'run a pipeline')
    .argument('<file>', 'the pipeline file')
    .addOption(paramOption())
    .option('--no-cache', 'compute every stage again')
    .option('--from <stage>', 'compute this stage and those behind it again')
    .option('--threads <n>', 'cores to use (default: all)')
    .option('--device <device>', "'auto', 'cpu' or 'cuda'", 'auto')
    .option('--temporal', 'submit it to the Temporal server of TEMPORAL_ADDRESS, and follow it')
    .option(
      '--queue <queue>',
      'with --temporal: the task queue of its workers (default: of millrace.config.ts, else millrace)',
    )
    .option('--detach', 'with --temporal: do not follow it')
    .action(async (file, options) => (await import('./commands/run.js')).run(file, options)),
);
const runs = new Command('runs').description('what ran: list, show, logs, resume, attach, cancel, diff').exitOverride();
runs.addCommand(
  command('list', 'runs, newest first')
    .option('--limit <n>', 'how many', '20')
    .option('--pipeline <name>', 'of this pipeline alone')
    .action(async (options) => (await import('./commands/runs.js')).list(options)),
);
runs.addCommand(
  command('show', 'one run: its stages, metrics and gates')
    .argument('<run>', 'id, or the beginning of one')
    .option('--why', 'what made each stage a hit or a miss')
    .action(async (id, options) => (await import('./commands/runs.js')).show(id, options)),
);
runs.addCommand(
  command('logs', 'what a run told', 'print JSON lines to stdout, one object an event, and nothing else there')
    .argument('<run>', 'id, or the beginning of one')
    .option('-f, --follow', 'go on until the run ends')
    .action(async (id, options) => (await import('./commands/runs.js')).logs(id, options)),
);
runs.addCommand(
  command('resume', 'go on with a run that was killed, failed or cancelled')
    .argument('<run>', 'id, or the beginning of one')
    .option('--threads <n>', 'cores to use (default: all)')
    .action(async (id, options) => (await import('./commands/run.js')).resume(id, options)),
);
runs.addCommand(
  command('attach', 'follow a run that a Temporal server drives')
    .argument('<run>', 'id, or the beginning of one')
    .action(async (id, options) => (await import('./commands/temporal-run.js')).attach(id, options)),
);
runs.addCommand(
  command('cancel', 'ask a running run to stop')
    .argument('<run>', 'id, or the beginning of one')
    .action(async (id, options) => (await import('./commands/runs.js')).cancel(id, options)),
);
runs.addCommand(
  command('diff', 'what changed between two runs: parameters, code, data, engines, metrics')
    .argument('<a>', 'run')
    .argument('<b>', 'run')
    .action(async (a, b, options) => (await import('./commands/diff.js')).diff(a, b, options)),
);
program.addCommand(runs);
const models = new Command('models')
  .description('registered models: list, show, promote, reject, rollback, history, export')
  .exitOverride();
models.addCommand(
  command('list', 'models with their aliases').action(async (options) =>
    (await import('./commands/models.js')).list(options),
  ),
);
models.addCommand(
  command('show', 'versions of a model')
    .argument('<model>')
    .action(async (model, options) => (await import('./commands/models.js')).show(model, options)),
);
models.addCommand(
  command('promote', 'point an alias at a version that passed its gates; admits a revoked one again')
    .argument('<model>')
    .argument('<version>', 'number')
    .requiredOption('--reason <text>', 'why; kept in the history')
    .option('--alias <alias>', 'which alias', 'champion')
    .action(async (model, version, options) => (await import('./commands/models.js')).promote(model, version, options)),
);
models.addCommand(
  command('reject', 'revoke a version: no run promotes it any more')
    .argument('<model>')
    .argument('<version>', 'number')
    .requiredOption('--reason <text>', 'why; kept in the history')
    .action(async (model, version, options) => (await import('./commands/models.js')).reject(model, version, options)),
);
models.addCommand(
  command('rollback', 'put an alias back to the version before')
    .argument('<model>')
    .requiredOption('--reason <text>', 'why; kept in the history')
    .option('--alias <alias>', 'which alias', 'champion')
    .action(async (model, options) => (await import('./commands/models.js')).rollback(model, options)),
);
models.addCommand(
  command('history', 'who was champion when, and why')
    .argument('[model]')
    .option('--verify', 'recompute the chain of digests')
    .action(async (model, options) => (await import('./commands/models.js')).history(model, options)),
);
models.addCommand(
  command('export', 'write the bundle of a version as a folder')
    .argument('<model>', '<model>, <model>@<alias> or <model>@<version>')
    .argument('<directory>')
    .action(async (model, directory, options) =>
      (await import('./commands/models.js')).exportBundle(model, directory, options),
    ),
);
program.addCommand(models);
program.addCommand(
  command('sql', 'query datasets and the outputs of runs by name, read-only')
    .argument('<query>', 'one SELECT')
    .option('--run <run>', 'the run whose outputs are named (default: the newest)')
    .addOption(new Option('--format <format>', 'how to print').choices(['table', 'csv', 'json']).default('table'))
    .action(async (query, options) => (await import('./commands/sql.js')).sql(query, options)),
);
program.addCommand(
  command('predict', 'score rows with a registered model, in this process')
    .argument('<model>', '<model>, <model>@<alias> or <model>@<version>')
    .argument('<rows>', "a JSON file with an array of rows, or '-' for stdin")
    .action(async (model, rows, options) => (await import('./commands/predict.js')).predict(model, rows, options)),
);
program.addCommand(
  command('serve', 'serve the deployed endpoints over HTTP')
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port; 0 takes a free one', '8080')
    .action(async (options) => (await import('./commands/serve.js')).serve(options)),
);
const worker = new Command('worker').description('a process that drives runs for a Temporal server').exitOverride();
worker.addCommand(
  command('start', 'drive runs and compute their stages until Ctrl-C')
    .option('--queue <queue>', 'task queue (default: of millrace.config.ts, else millrace)')
    .option('--concurrency <n>', 'stages that run at once (default: 4 a core, at least 16)')
    .option('--grace <seconds>', 'how long running stages may go on at the end', '30')
    .action(async (options) => (await import('./commands/worker.js')).start(options)),
);
program.addCommand(worker);
program.addCommand(
  command('dev', 'a Temporal server, a worker and the endpoint server on this machine; one Ctrl-C ends all')
    .option('--port <port>', 'of the endpoints; 0 takes a free one', '8080')
    .option('--temporal-port <port>', 'of the Temporal server; 0 takes a free one', '7233')
    .option('--ui-port <port>', "of Temporal's web pages; 0 for none", '8233')
    .option('--queue <queue>', 'task queue (default: of millrace.config.ts, else millrace)')
    .action(async (options) => (await import('./commands/dev.js')).dev(options)),
);
program.addCommand(
  command('tensorboard', "start TensorBoard on the store's records")
    .option('--run <run>', 'one run alone')
    .option('--port <port>', 'port', '6006')
    .action(async (options) => (await import('./commands/tensorboard.js')).tensorboard(options)),
);

// A reader that has seen enough (`| head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage;
    if (error.exitCode !== 0 && process.argv.includes('--json')) printError(usageError(error));
  } else {
    process.exitCode = reportError(error, process.argv.includes('--json'));
  }
}
