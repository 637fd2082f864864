import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { expect, test } from 'vitest';
import { digestsOf, type RunObject, runJson } from '../../../support/cli.js';
import { startTemporal, startWorker } from '../../../support/temporal.js';
import { visitorsProject } from '../../../support/visitors.js';

test('a run whose history gets long goes on in a new one, with the same digests and every stage run once', async () => {
  await using project = await visitorsProject();
  const embedded = await project.run();
  const store = join(project.directory, '..', 'shared-store');
  // Long after 30 events already.
  await using temporal = await startTemporal(join(project.directory, '..'), [
    'limit.historyCount.suggestContinueAsNew=30',
  ]);
  await using _worker = await startWorker(temporal, store);
  const run = await runJson<RunObject>(
    ['run', join(project.directory, 'pipeline.ts'), '--store', store, '--temporal'],
    { env: temporal.env },
  );
  expect({ status: run.status, exitCode: run.exitCode }).toEqual({ status: 'succeeded', exitCode: 0 });
  expect(digestsOf(run)).toEqual(digestsOf(embedded));
  const connection = await Connection.connect({ address: temporal.address });
  try {
    const client = new Client({ connection });
    const histories: number[] = [];
    const ran: string[] = [];
    for await (const { runId } of client.workflow.list({ query: `WorkflowId = 'run/default/${run.run}'` })) {
      const { events } = await client.workflow.getHandle(`run/default/${run.run}`, runId).fetchHistory();
      histories.push(events?.length ?? 0);
      for (const event of events ?? []) {
        const activity = event.activityTaskScheduledEventAttributes;
        if (activity) ran.push(String(activity.activityId));
      }
    }
    expect(histories.length).toBeGreaterThan(1);
    const stages = run.stages.filter((stage) => stage.status !== 'fused').map((stage) => stage.id);
    expect(ran.sort()).toEqual(stages.sort());
  } finally {
    await connection.close();
  }
});
