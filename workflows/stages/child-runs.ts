import type { Json } from '../../pipelines/contracts/json.js';
import type { RunRecord, StageRecord } from '../../pipelines/contracts/metadata.js';
import type { ChildRun } from '../../pipelines/contracts/operator.js';
import type { Spawn } from '../../pipelines/drive/drive-plan.js';
import type { Plan } from '../../pipelines/plan/schema.js';
import { writePlan } from '../bundle/prepare-pipeline.js';
import type { Services } from '../services.js';
import { openPlan, openTemplate } from './open-plan.js';
import { newRunId } from './run-id.js';

/** A child run with its plan: a run of the same parent, stage and index is found again. */
export async function openChildRun(
  services: Services,
  parent: RunRecord,
  stage: string,
  spawn: Spawn,
  index: number,
): Promise<{ readonly run: RunRecord; readonly plan: Plan }> {
  const digest = spawn.kind === 'plan' ? spawn.plan : spawn.template;
  const known = (await services.metadata.memo('child', childMemo(parent.id, stage, spawn, index))) as string | null;
  const plan = spawn.kind === 'plan' ? await openPlan(services, digest) : await openTemplate(services, digest, index);
  if (known !== null) return { run: await services.metadata.run(known), plan };
  const id = newRunId();
  // An instance of a template is a plan of its own, so that its run can be resumed by itself.
  const instance = spawn.kind === 'plan' ? digest : await writePlan(services, plan);
  const { useCache, device, ...rest } = parent.options as { useCache: boolean; device: string };
  const creating = services.metadata.createRun({
    id,
    pipeline: plan.pipeline,
    plan: instance,
    bundle: parent.bundle,
    params: plan.params as Json,
    root: parent.root,
    parent: { run: parent.id, stage },
    options: { ...rest, useCache, device, from: null },
  });
  const [run] = await Promise.all([
    creating,
    services.metadata.putMemo('child', childMemo(parent.id, stage, spawn, index), id),
  ]);
  return { run, plan };
}

/** The settled children of a stage, by index. */
export async function childRuns(
  services: Services,
  parent: string,
  stage: string,
  spawn: Spawn,
): Promise<readonly ChildRun[]> {
  const count = spawn.kind === 'plan' ? 1 : spawn.count;
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const id = (await services.metadata.memo('child', childMemo(parent, stage, spawn, index))) as string;
      const [{ status }, stages] = await Promise.all([services.metadata.run(id), services.metadata.stages(id)]);
      return { run: id, status, outputs: outputsOf(stages) };
    }),
  );
}

export function outputsOf(stages: readonly StageRecord[]): ChildRun['outputs'] {
  return Object.fromEntries(stages.map((stage) => [stage.stage, stage.outputs]));
}

function childMemo(parent: string, stage: string, spawn: Spawn, index: number): string {
  return `${parent}/${stage}/${spawn.kind === 'plan' ? spawn.plan : spawn.template}/${index}`;
}
