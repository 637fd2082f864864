import { z } from 'zod';
import { attachNode, nodeOf } from './build-node.js';
import { checkName } from './names.js';
import { parseOptions } from './parse-options.js';
import { promotedGate } from './promoted-model.js';
import type { Deployment, Live } from './stage-values.js';

const schema = z.strictObject({ endpoint: z.unknown(), model: z.unknown().optional() });

/**
 * Binds an endpoint of `millrace serve` to the promoted alias: the endpoint follows the alias from then on.
 *
 * @param options.model - which model, where several were promoted together.
 * @throws NAME_INVALID, CONFIG_INVALID
 */
export function deploy(live: Live, options: { readonly endpoint: string; readonly model?: string }): Deployment {
  const promotion = nodeOf(live, ['promote'], 'deploy.live');
  parseOptions(schema, options, 'deploy');
  const endpoint = checkName(options?.endpoint, 'deploy.endpoint');
  const { model } = promotedGate(promotion, options.model, 'deploy.model').version;
  return attachNode({ stage: 'deployment' as const, endpoint }, { kind: 'deploy', promotion, model, endpoint });
}
