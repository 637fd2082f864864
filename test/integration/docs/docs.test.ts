import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorCodes } from '../../../pipelines/contracts/errors.js';
import { repository, runCli } from '../../support/cli.js';
import { compileSnippets } from '../../types/compile-snippets.js';
import { blocksOf, commandBlocks, differenceOf } from './page-blocks.js';
import { DocsPlace } from './run-page.js';

const folder = join(repository, 'docs');
const first = 'first-pipeline.md';
const pages = readdirSync(folder)
  .filter((name) => name.endsWith('.md'))
  .sort((a, b) => Number(b === first) - Number(a === first) || a.localeCompare(b));
const textOf = (page: string): string => readFileSync(join(folder, page), 'utf8');
const pagesWithCommands = pages.filter((page) => commandBlocks(textOf(page)).length > 0);

let place: DocsPlace;
beforeAll(async () => {
  place = await DocsPlace.open();
});
afterAll(() => place[Symbol.asyncDispose]());

describe('the commands of a page', () => {
  it.each(pagesWithCommands)('%s: run, and print what the page shows', { timeout: 600_000 }, async (page) => {
    const name = page.replace(/\.md$/, '');
    const directory = await place.directory(name, page === first ? null : first.replace(/\.md$/, ''));
    const { blocks, code, stderr } = await place.run(textOf(page), directory);
    const lies = blocks.flatMap(({ line, commands, shown, printed }) => {
      const difference = shown === null ? null : differenceOf(shown, printed);
      return difference === null ? [] : [`${page}:${line} ${commands.trim()}\n${difference}\n`];
    });
    expect({ code, lies, stderr: code === 0 ? '' : stderr.slice(-2000) }).toEqual({ code: 0, lies: [], stderr: '' });
  });
});

describe('the TypeScript of a page', () => {
  const prelude = readFileSync(join(repository, 'test/integration/docs/prelude.txt'), 'utf8');
  const snippets = Object.fromEntries(
    [
      ...pages.map((page) => [page, textOf(page)] as const),
      ['README.md', readFileSync(join(repository, 'README.md'), 'utf8')] as const,
    ].flatMap(([page, text], index) =>
      blocksOf(text)
        .filter(({ language }) => language === 'ts')
        .map((block) => [
          `${page.replace(/\W/g, '-')}-${index}-line-${block.line}`,
          block.text.startsWith('import ')
            ? block.text
            : `${prelude}\nexport async function page() {\n${block.text}\n}`,
        ]),
    ),
  );
  const results = compileSnippets(snippets);

  it.each(Object.keys(snippets))('%s compiles', (name) => {
    expect(results.errors(name)).toEqual([]);
  });
});

describe('the lists', () => {
  it('errors.md has every error code under its class, with a line each', () => {
    const listed: Record<string, string> = {};
    let errorClass = '';
    for (const line of textOf('errors.md').split('\n')) {
      errorClass = /^## (\w+Error)/.exec(line)?.[1] ?? errorClass;
      const code = /^\| `([A-Z_]+)` \| \S.* \|$/.exec(line)?.[1];
      if (code !== undefined) listed[code] = errorClass;
    }
    expect(listed).toEqual(errorCodes);
  });

  it('command-line.md has every command and option of --help', async () => {
    const page = textOf('command-line.md');
    const missing: string[] = [];
    const visit = async (path: readonly string[]): Promise<void> => {
      const { stdout } = await runCli([...path, '--help']);
      const name = ['millrace', ...path].join(' ');
      const commands = [...(stdout.split('Commands:')[1] ?? '').matchAll(/^ {2}(\w+)/gm)].map((match) => match[1]!);
      if (path.length > 0 && commands.length === 0 && !page.includes(`\`${name}`)) missing.push(name);
      const common = ['--store', '--json', '--help', '--version'];
      for (const [option] of stdout.matchAll(/(?<=^ {2}(-\w, )?)--[\w-]+/gm)) {
        if (!common.includes(option) && !page.includes(option)) missing.push(`${name} ${option}`);
      }
      for (const command of commands.filter((each) => each !== 'help')) await visit([...path, command]);
    };
    await visit([]);
    expect(missing).toEqual([]);
  });

  it('the index names every page', () => {
    const index = textOf('README.md');
    expect(pages.filter((page) => page !== 'README.md' && !index.includes(`](${page})`))).toEqual([]);
  });

  it('every relative link leads somewhere', () => {
    const broken = pages.flatMap((page) =>
      [...textOf(page).matchAll(/\]\((?!https?:)([^)#]+)(#[^)]*)?\)/g)]
        .filter((match) => !existsIn(match[1]!))
        .map((match) => `${page}: ${match[1]}`),
    );
    expect(broken).toEqual([]);
  });
});

function existsIn(link: string): boolean {
  try {
    readdirSync(join(folder, link));
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOTDIR';
  }
}
