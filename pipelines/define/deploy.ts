import { MillraceError } from '../contracts/errors.js';
import { attachNode, nodeOf } from './build-node.js';
import { checkName } from './names.js';
import type { Deployment, Live } from './stage-values.js';

/**
 * Binds an endpoint of `millrace serve` to the promoted alias: the endpoint follows the alias from then on.
 *
 * @param options.model - which model, where several were promoted together.
 */
export function deploy(live: Live, options: { readonly endpoint: string; readonly model?: string }): Deployment {
  const promotion = nodeOf(live, ['promote'], 'deploy.live');
  const endpoint = checkName(options?.endpoint, 'deploy.endpoint');
  const models = promotion.gates.map((gate) => gate.version.model);
  const model = options.model ?? (models.length === 1 ? models[0]! : undefined);
  if (model === undefined || !models.includes(model)) {
    throw new MillraceError('CONFIG_INVALID', { path: 'deploy.model', expected: `one of the promoted models ${models.join(', ')}`, received: model === undefined ? 'nothing' : `'${model}'` });
  }
  return attachNode({ stage: 'deployment' as const, endpoint }, { kind: 'deploy', promotion, model, endpoint });
}
