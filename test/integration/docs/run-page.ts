import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repository } from '../../support/cli.js';
import { type CommandBlock, commandBlocks } from './page-blocks.js';

export interface BlockResult extends CommandBlock {
  readonly printed: string;
}

export interface PageResult {
  readonly blocks: readonly BlockResult[];
  /** Exit code of the first command that failed, or 0. */
  readonly code: number | null;
  readonly stderr: string;
}

/** A throw-away directory with the built command on its PATH and the package in its node_modules. */
export class DocsPlace {
  readonly root: string;
  private constructor(root: string) {
    this.root = root;
  }

  static async open(): Promise<DocsPlace> {
    const root = await mkdtemp(join(tmpdir(), 'millrace-docs-'));
    await mkdir(join(root, 'bin'));
    const shim = join(root, 'bin', 'millrace');
    await writeFile(shim, `#!/bin/sh\nexec "${process.execPath}" "${repository}/dist/cli/main.js" "$@"\n`);
    await chmod(shim, 0o755);
    await mkdir(join(root, 'node_modules'));
    await symlink(repository, join(root, 'node_modules', 'millrace'));
    for (const name of ['zod', 'apache-arrow'])
      await symlink(join(repository, 'node_modules', name), join(root, 'node_modules', name));
    return new DocsPlace(root);
  }

  /** A directory for a page: empty, or what another page left. */
  async directory(name: string, from: string | null): Promise<string> {
    const directory = join(this.root, name);
    if (from === null) await mkdir(directory);
    else await cp(join(this.root, from), directory, { recursive: true });
    return directory;
  }

  /** Runs the commands of a page in one shell, to the first one that fails. */
  async run(page: string, directory: string): Promise<PageResult> {
    const blocks = commandBlocks(page);
    const port = await freePort();
    const mark = '--- end of a block ---';
    const script = blocks.map(({ commands }) => `${commands.replaceAll('8080', port)}\necho '${mark}'`).join('\n');
    const env = { ...process.env, PATH: `${join(this.root, 'bin')}:${process.env['PATH']}`, NO_COLOR: '1' };
    delete (env as Record<string, string | undefined>)['MILLRACE_STORE'];
    delete (env as Record<string, string | undefined>)['FORCE_COLOR'];
    // A group of its own, so that a server that a page starts ends with it.
    const child = spawn('bash', ['-e', '-o', 'pipefail', '-c', script], { cwd: directory, env, detached: true });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    try {
      process.kill(-child.pid!, 'SIGTERM');
    } catch {
      // nothing is left in the group
    }
    const printed = stdout.replaceAll(port, '8080').replaceAll(directory, '/home/you/project').split(`${mark}\n`);
    return { blocks: blocks.map((block, index) => ({ ...block, printed: printed[index] ?? '' })), code, stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { readonly port: number };
  server.close();
  await once(server, 'close');
  return String(port);
}
