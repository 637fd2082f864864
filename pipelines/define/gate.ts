import { MillraceError } from '../contracts/errors.js';
import type { Json } from '../contracts/json.js';
import { attachNode, nodeOf } from './build-node.js';
import { type Condition, conditionSchema } from './conditions.js';
import { parseOptions } from './parse-options.js';
import type { Gated, Version } from './stage-values.js';

/**
 * Judges a version against its bars. A bar that is missed ends the run as `blocked` (exit code 3) and leaves the champion alone.
 *
 * @param options.contaminated - what to do where fewer than 200 rows are unseen by the champion. Default 'block'.
 * @throws CONFIG_INVALID
 */
export function gate<M extends string>(version: Version<M>, conditions: readonly Condition<NoInfer<M>>[], options: { readonly contaminated?: 'block' | 'allow' } = {}): Gated {
  const node = nodeOf(version, ['register'], 'gate.version');
  if (!Array.isArray(conditions) || conditions.length === 0) {
    throw new MillraceError('CONFIG_INVALID', { path: 'gate.conditions', expected: 'at least one condition, such as atLeast(…)', received: Array.isArray(conditions) ? 'none' : `a ${typeof conditions}` });
  }
  const parsed = conditions.map((condition, index) => parseOptions(conditionSchema, condition, `gate.conditions.${index}`) as unknown as Json);
  const contaminated = options.contaminated ?? 'block';
  return attachNode({ stage: 'gated' as const, passed: true as const }, { kind: 'gate', version: node, conditions: parsed, contaminated });
}
