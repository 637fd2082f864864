import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';
import { defineOperator, type OperatorContext, type StageInput } from '../../pipelines/contracts/operator.js';
import type { AliasMove } from '../../pipelines/contracts/registry.js';
import { canonicalJson } from '../../pipelines/plan/digest.js';
import { gateOperator } from '../gate/gate-operator.js';
import { summarizeGates, type Verdict, verdictSchema } from '../gate/verdict.js';

const options = z.strictObject({ alias: z.string(), gates: z.array(z.json()).min(1) });

const attempts = 3;

/**
 * Moves an alias to the gated versions, all in one transaction: a compare-and-set that expects the champion the gate saw.
 * Where another promotion came between, the gates judge again against the champion of now.
 *
 * @throws REGISTRY_CONFLICT - another promotion won three times; retryable.
 */
export const promoteOperator = defineOperator<z.output<typeof options>>({
  name: 'promote',
  class: 'acts',
  options,
  outputs: { promotion: 'value' },
  weight: 'light',
  engines: [],
  async run(context, { options: { alias, gates }, inputs }) {
    let verdicts = await Promise.all(gates.map(async (_, index) => readVerdict(inputs[`verdict.${index}`]!)));
    for (let attempt = 1; ; attempt++) {
      const refused = verdicts.find(({ verdict }) => !verdict.passed);
      if (refused !== undefined) {
        return {
          status: 'blocked',
          outputs: [],
          summary: { alias, model: refused.verdict.model, ...summarizeGates(refused.verdict.gates) },
        };
      }
      const moves = await movesFor(context, alias, verdicts);
      const value = {
        alias,
        models: verdicts.map(({ verdict }) => ({ model: verdict.model, bundle: verdict.bundle })),
      };
      try {
        // All of them, also those that are there already: the effect is found again under one idempotency key.
        const { moved } = await context.registry.moveAliases({ run: context.run, stage: context.stage }, moves, {
          actor: `run:${context.run}/${context.stage}`,
          reason: 'gates passed',
          evidence: verdicts[0]!.digest,
        });
        return {
          status: moved.length > 0 ? 'succeeded' : 'unchanged',
          outputs: [await writeValue(context, value)],
          summary: { alias, versions: await versionsOf(context, verdicts) },
        };
      } catch (error) {
        if (!isMillraceError(error) || error.code !== 'REGISTRY_CONFLICT') throw error;
        if (attempt === attempts) {
          throw new MillraceError('REGISTRY_CONFLICT', {
            path: context.stage,
            expected: `the alias '${alias}' to stay where the gate saw it`,
            received: `${attempts} promotions that came between`,
            hint: 'Run it again.',
            retryable: true,
            cause: error,
          });
        }
        context.log(`another promotion moved '${alias}': judging again`);
        verdicts = await Promise.all(gates.map((gate, index) => judgeAgain(context, gate, index, inputs)));
      }
    }
  },
});

interface Judged {
  readonly verdict: Verdict;
  readonly digest: string;
}

async function readVerdict(input: StageInput): Promise<Judged> {
  const artifact = input.artifacts['verdict']!;
  return {
    verdict: verdictSchema.parse(JSON.parse(await readFile(join(artifact.directory, 'verdict.json'), 'utf8'))),
    digest: artifact.digest,
  };
}

async function judgeAgain(
  context: OperatorContext,
  gate: z.output<typeof options>['gates'][number],
  index: number,
  inputs: Readonly<Record<string, StageInput>>,
): Promise<Judged> {
  const own = Object.fromEntries(
    ['version', 'report', 'onnx', 'dataset'].map((name) => [name, inputs[`${name}.${index}`]!]),
  );
  const result = await gateOperator.run(context, { options: gateOperator.options.parse(gate), inputs: own });
  const digest = result.outputs.find((output) => output.name === 'verdict')!.digest;
  const artifact = await context.artifacts.open(digest);
  return readVerdict({ stage: context.stage, operator: 'gate', artifacts: { verdict: artifact }, summary: null });
}

async function movesFor(context: OperatorContext, alias: string, verdicts: readonly Judged[]): Promise<AliasMove[]> {
  const moves: AliasMove[] = [];
  for (const { verdict } of verdicts) {
    const candidate = await context.registry.version(verdict.model, verdict.bundle);
    const expected = verdict.baseline === null ? null : await context.registry.version(verdict.model, verdict.baseline);
    const holder = await context.registry.alias(verdict.model, alias);
    const isThere = holder?.version === candidate.version;
    const seen = alias === 'champion' && !isThere ? expected : holder;
    moves.push({ model: verdict.model, alias, expected: seen?.version ?? null, version: candidate.version });
  }
  return moves;
}

async function versionsOf(
  context: OperatorContext,
  verdicts: readonly Judged[],
): Promise<{ model: string; version: number }[]> {
  return Promise.all(
    verdicts.map(async ({ verdict }) => ({
      model: verdict.model,
      version: (await context.registry.version(verdict.model, verdict.bundle)).version,
    })),
  );
}

async function writeValue(
  context: OperatorContext,
  value: { readonly alias: string; readonly models: readonly { readonly model: string; readonly bundle: string }[] },
): Promise<{ name: string; digest: string }> {
  const writer = await context.artifacts.create('value');
  await writeFile(join(writer.directory, 'value.json'), canonicalJson(value));
  const artifact = await writer.commit({ alias: value.alias });
  return { name: 'promotion', digest: artifact.digest };
}
