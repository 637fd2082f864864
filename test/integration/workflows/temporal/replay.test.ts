import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from '@temporalio/worker';
import { describe, expect, test } from 'vitest';
import { workflowBundle } from '../../../../workflows/temporal/worker.js';
import { temporaryDirectory } from '../../../support/cli.js';
import { changedWorkflow } from '../../../support/temporal.js';

const folder = fileURLToPath(new URL('histories', import.meta.url));
const histories = readdirSync(folder).filter((name) => name.endsWith('.json'));
const historyOf = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'));

/** Histories that real servers wrote for earlier versions of the workflow: what runs with them must go on. */
describe('the workflow of today', () => {
  test.each(histories)('replays %s', async (name) => {
    await Worker.runReplayHistory({ workflowBundle: workflowBundle() }, historyOf(name));
  });

  test('does not replay them once it asks for something else', async () => {
    await using place = await temporaryDirectory();
    const codePath = changedWorkflow(place.path);
    for (const name of histories) {
      await expect(Worker.runReplayHistory({ workflowBundle: { codePath } }, historyOf(name))).rejects.toThrow(
        /nondeterminism/i,
      );
    }
  });
});
