#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command, CommanderError, Option } from 'commander';
import { packageRoot } from '../native/ts/package-root.js';
import { command, paramOption } from './command.js';
import { exitCodes, printError, reportError, usageError } from './exit.js';
import { modelsGroup } from './groups/models.js';
import { runsGroup } from './groups/runs.js';
import { workerGroup } from './groups/worker.js';

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
program.addCommand(runsGroup());
program.addCommand(modelsGroup());
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
program.addCommand(workerGroup());
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
