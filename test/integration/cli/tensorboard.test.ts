import { chmod, mkdir } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { python } from '../../peers/python.js';
import { startCli } from '../../support/cli.js';
import { allEnded, descendantsWith } from '../../support/processes.js';
import { emptyProject, type Project } from '../../support/visitors.js';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function answers(url: string): Promise<boolean> {
  for (let tries = 0; tries < 600; tries++) {
    const reply = await fetch(url).catch(() => null);
    if (reply?.ok) return true;
    await delay(100);
  }
  return false;
}

describe('millrace tensorboard', () => {
  let project: Project;
  /** A PATH on which the pinned TensorBoard is the command of this name. */
  let path: string;

  beforeAll(async () => {
    project = await emptyProject();
    await mkdir(join(project.store, 'records'), { recursive: true });
    await mkdir(join(project.directory, 'bin'));
    await project.write('bin/tensorboard', `#!/bin/sh\nexec "${await python()}" -m tensorboard.main "$@"\n`);
    await chmod(join(project.directory, 'bin', 'tensorboard'), 0o755);
    path = `${join(project.directory, 'bin')}:${process.env['PATH']}`;
  });
  afterAll(() => project[Symbol.asyncDispose]());

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'serves the records until %s, which ends TensorBoard with it',
    async (signal) => {
      const port = await freePort();
      const { child, done } = startCli(['tensorboard', '--port', String(port), ...project.inStore], {
        env: { PATH: path },
      });
      expect(await answers(`http://127.0.0.1:${port}/data/logdir`)).toBe(true);
      const children = await descendantsWith(child.pid!, 'tensorboard');
      child.kill(signal);
      const { code, stderr } = await done;
      expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('Logs: ') });
      await allEnded(children);
    },
  );
});
