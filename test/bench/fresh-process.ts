import { type SpawnOptionsWithoutStdio, spawn } from 'node:child_process';

/**
 * Runs an exported function of a bundled benchmark in a Node process of its own, and resolves with what it returns (JSON).
 *
 * @param url - `import.meta.url` of the benchmark.
 */
export async function inFreshNode<T>(
  url: string,
  name: string,
  argument: unknown,
  options: SpawnOptionsWithoutStdio = {},
): Promise<T> {
  const program = `
    const module = await import(${JSON.stringify(url)});
    const answer = await module[${JSON.stringify(name)}](${JSON.stringify(argument)});
    process.stdout.write('\\n' + JSON.stringify(answer) + '\\n', () => process.exit(0));`;
  return lastLine<T>(process.execPath, ['--input-type=module', '-e', program], options);
}

/** Runs a Python script that takes one JSON argument and prints its answer as its last line. */
export function inFreshPython<T>(
  executable: string,
  script: string,
  argument: unknown,
  options: SpawnOptionsWithoutStdio = {},
): Promise<T> {
  return lastLine<T>(executable, [script, JSON.stringify(argument)], options);
}

async function lastLine<T>(
  command: string,
  args: readonly string[],
  options: SpawnOptionsWithoutStdio = {},
): Promise<T> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-4000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`${command} ended with exit code ${code}\n${errors}`);
  return JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as T;
}
