import { Command, Option } from 'commander';

/** What every command takes. */
export function command(
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

export function paramOption(): Option {
  return new Option('-p, --param <name=value>', 'a parameter of the pipeline; may be given several times').argParser(
    (value: string, earlier: readonly string[] | undefined) => [...(earlier ?? []), value],
  );
}
