import { Client, Connection } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { workflowIdOf } from '../../../workflows/temporal/protocol.js';
import { workflowBundle } from '../../../workflows/temporal/worker.js';
import type { OpenedStore } from './opened-store.js';
import { problemOf } from './registry.js';

type History = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>>;

/** I7: the history of every run that a Temporal server drove replays on today's workflow; I8: none holds the secret. */
export async function historyViolations(
  store: OpenedStore,
  address: string,
  secret: string,
  codePath: string = workflowBundle().codePath,
): Promise<string[]> {
  const found: string[] = [];
  const connection = await Connection.connect({ address });
  try {
    const client = new Client({ connection, namespace: 'default' });
    const runs = store
      .rows<{ readonly id: string; readonly namespace: string; readonly options: string }>(
        'SELECT id, namespace, options FROM runs',
      )
      .filter(({ options }) => (JSON.parse(options) as { readonly host?: string }).host === 'temporal');
    for (const { id, namespace } of runs) {
      for await (const history of chainOf(client, workflowIdOf(namespace, id))) {
        if (holdsText(history, Buffer.from(secret)))
          found.push(`I8: the history of run ${id} holds the planted secret`);
        const problem = await problemOf(Worker.runReplayHistory({ workflowBundle: { codePath } }, history));
        if (problem !== null) found.push(`I7: the history of run ${id} does not replay: ${problem}`);
      }
    }
  } finally {
    await connection.close();
  }
  return found;
}

/** The newest history of a workflow and those it was continued from. */
async function* chainOf(client: Client, workflowId: string): AsyncGenerator<History> {
  for (let runId: string | undefined; ; ) {
    const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    yield history;
    const before = history.events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId;
    if (before === undefined || before === null || before === '') return;
    runId = before;
  }
}

function holdsText(value: unknown, text: Buffer): boolean {
  if (value instanceof Uint8Array) return Buffer.from(value).includes(text);
  if (typeof value === 'string') return value.includes(text.toString());
  return typeof value === 'object' && value !== null && Object.values(value).some((one) => holdsText(one, text));
}
