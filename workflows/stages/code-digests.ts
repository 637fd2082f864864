import type { CodeDigests } from '../../pipelines/contracts/operator.js';
import type { Plan } from '../../pipelines/plan/schema.js';
import { operatorDigest } from '../operator-digests.js';
import { operators } from '../operators.js';

/**
 * The digests of the code that a plan runs: the pipeline's, and that of the operators it names.
 *
 * @param bundle - digest of the pipeline's bundle, or null for a pipeline made in a program.
 */
export function codeDigests(plan: Plan, bundle: string | null): CodeDigests {
  // An operator that this version lacks is refused when its stage begins.
  const names = new Set(plan.stages.map((stage) => stage.operator).filter((name) => operators[name] !== undefined));
  return { bundle, operators: Object.fromEntries([...names].sort().map((name) => [name, operatorDigest(name)])) };
}
