import { MillraceError, nearestName } from '../contracts/errors.js';
import type { GateNode, PromoteNode } from './build-node.js';
import { describeValue, oneOf } from './describe-value.js';

/** The promoted gate that is meant: the only one, or the one of the named model. @throws CONFIG_INVALID */
export function promotedGate(promotion: PromoteNode, model: unknown, path: string): GateNode {
  const [first, ...others] = promotion.gates;
  if (model === undefined && others.length === 0) return first!;
  const found = promotion.gates.find((gate) => gate.version.model === model);
  if (found !== undefined) return found;
  const models = promotion.gates.map((gate) => gate.version.model);
  const nearest = typeof model === 'string' ? nearestName(model, models) : null;
  throw new MillraceError('CONFIG_INVALID', {
    path,
    expected: oneOf(models.map((name) => `'${name}'`)),
    received: describeValue(model),
    ...(nearest === null ? {} : { hint: `Did you mean '${nearest}'?` }),
  });
}
