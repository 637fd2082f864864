import { Command } from 'commander';
import { command } from '../command.js';

/** `millrace models …` */
export function modelsGroup(): Command {
  const group = new Command('models')
    .description('registered models: list, show, promote, reject, rollback, history, export')
    .exitOverride();
  group.addCommand(
    command('list', 'models with their aliases').action(async (options) =>
      (await import('../commands/models.js')).list(options),
    ),
  );
  group.addCommand(
    command('show', 'versions of a model')
      .argument('<model>')
      .action(async (model, options) => (await import('../commands/models.js')).show(model, options)),
  );
  group.addCommand(
    command('promote', 'point an alias at a version that passed its gates; admits a revoked one again')
      .argument('<model>')
      .argument('<version>', 'number')
      .requiredOption('--reason <text>', 'why; kept in the history')
      .option('--alias <alias>', 'which alias', 'champion')
      .action(async (model, version, options) =>
        (await import('../commands/models.js')).promote(model, version, options),
      ),
  );
  group.addCommand(
    command('reject', 'revoke a version: no run promotes it any more')
      .argument('<model>')
      .argument('<version>', 'number')
      .requiredOption('--reason <text>', 'why; kept in the history')
      .action(async (model, version, options) =>
        (await import('../commands/models.js')).reject(model, version, options),
      ),
  );
  group.addCommand(
    command('rollback', 'put an alias back to the version before')
      .argument('<model>')
      .requiredOption('--reason <text>', 'why; kept in the history')
      .option('--alias <alias>', 'which alias', 'champion')
      .action(async (model, options) => (await import('../commands/models.js')).rollback(model, options)),
  );
  group.addCommand(
    command('history', 'who was champion when, and why')
      .argument('[model]')
      .option('--verify', 'recompute the chain of digests')
      .action(async (model, options) => (await import('../commands/models.js')).history(model, options)),
  );
  group.addCommand(
    command('export', 'write the bundle of a version as a folder')
      .argument('<model>', '<model>, <model>@<alias> or <model>@<version>')
      .argument('<directory>')
      .action(async (model, directory, options) =>
        (await import('../commands/models.js')).exportBundle(model, directory, options),
      ),
  );
  return group;
}
