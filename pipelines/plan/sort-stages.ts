import { MillraceError } from '../contracts/errors.js';
import type { PlanStage } from './schema.js';

/**
 * Every stage after what it needs, otherwise in the order given.
 *
 * @throws PLAN_CYCLE - with the circle; PLAN_INVALID - an input that is no stage, or an id that two stages have.
 */
export function sortStages(stages: readonly PlanStage[]): PlanStage[] {
  const byId = new Map<string, PlanStage>();
  for (const stage of stages) {
    if (byId.has(stage.id)) {
      throw new MillraceError('PLAN_INVALID', {
        path: `plan.stages.${stage.id}`,
        expected: 'ids that are unique in the plan',
        received: `'${stage.id}' twice`,
      });
    }
    byId.set(stage.id, stage);
  }
  const sorted = new Map<string, PlanStage>();
  const visit = (stage: PlanStage, path: readonly string[]): void => {
    if (sorted.has(stage.id)) return;
    if (path.includes(stage.id)) {
      throw new MillraceError('PLAN_CYCLE', {
        path: `plan.stages.${stage.id}`,
        expected: 'a graph without circles',
        received: [...path.slice(path.indexOf(stage.id)), stage.id].join(' → '),
      });
    }
    for (const need of needsOf(stage)) {
      const dependency = byId.get(need);
      if (dependency === undefined) {
        throw new MillraceError('PLAN_INVALID', {
          path: `plan.stages.${stage.id}`,
          expected: 'inputs that are stages of the plan',
          received: `'${need}'`,
        });
      }
      visit(dependency, [...path, stage.id]);
    }
    sorted.set(stage.id, stage);
  };
  for (const stage of stages) visit(stage, []);
  return [...sorted.values()];
}

/** The ids of the stages that have to be settled before this one. */
export function needsOf(stage: PlanStage): readonly string[] {
  return [...new Set([...Object.values(stage.inputs).map((input) => input.stage), ...stage.after])];
}
