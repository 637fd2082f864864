import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { type RunObject, repository, runJson, temporaryDirectory } from '../../support/cli.js';

const execute = promisify(execFile);

/** `npm run demo` over fewer customers and events. */
async function demo(store: string): Promise<{ readonly statuses: readonly string[]; readonly answer: string }> {
  const small = ['customers=20000', 'events=500000', 'maxEpochs=4'].flatMap((param) => ['--param', param]);
  const { stdout } = await execute(process.execPath, [join(repository, 'scripts/demo.mjs'), ...small], {
    cwd: repository,
    env: { ...process.env, MILLRACE_STORE: store },
  });
  const statuses = [...stdout.matchAll(/^\S+ +\w+ +(fused|cached|unchanged|succeeded|failed|blocked) /gm)];
  expect(stdout).toContain(`report    ${store}/records/`);
  return { statuses: statuses.map((match) => match[1]!), answer: stdout.slice(stdout.indexOf('→ ')) };
}

it('the demo goes from raw data to an answer over HTTP, and a second one computes nothing', {
  timeout: 300_000,
}, async () => {
  await using place = await temporaryDirectory();
  const first = await demo(join(place.path, 'store'));
  expect(first.answer).toMatch(
    /^→ 200 {"model":"subscription-churn","version":1,"predictions":\[{"probability":0\.\d+,"class":"true"}\]}\n$/,
  );
  expect(first.statuses).toEqual([
    ...['succeeded', 'succeeded', 'succeeded', 'fused'],
    ...Array.from({ length: 9 }, () => 'succeeded'),
  ]);
  const second = await demo(join(place.path, 'store'));
  expect(new Set(second.statuses)).toEqual(new Set(['cached', 'unchanged', 'fused']));
  expect(second.answer).toBe(first.answer);
});

it('a layer of one’s own trains and passes its gates', { timeout: 300_000 }, async () => {
  await using place = await temporaryDirectory();
  const run = await runJson<RunObject>(['run', 'examples/custom-layer/pipeline.ts', '--store', place.path]);
  expect({ status: run.status, passed: run.gates.map((gate) => [gate.name, gate.passed]) }).toEqual({
    status: 'succeeded',
    passed: [
      ['atLeast(auc)', true],
      ['parity', true],
    ],
  });
});
