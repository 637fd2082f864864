import { z } from 'zod';
import { MillraceError } from '../contracts/errors.js';
import { attachNode, nodeOf } from './build-node.js';
import { checkName } from './names.js';
import { parseOptions } from './parse-options.js';
import type { Gated, Live, Mend } from './stage-values.js';

type MustBeGated<V> = V extends Gated | readonly Gated[] ? V : Mend<'promote takes what gate() returns'>;
type ExportedOf<V> = V extends Gated<infer X> | readonly Gated<infer X>[] ? X : unknown;

const schema = z.strictObject({ alias: z.unknown() });

/**
 * Points an alias at the versions that passed their gates: a compare-and-set that expects the champion the gate saw.
 * Several at once, of different models, move in one transaction, all or none.
 *
 * @throws NAME_INVALID, CONFIG_INVALID - while the pipeline is built.
 * @throws REGISTRY_CONFLICT, GATE_VERSION_REVOKED - when the run gets there.
 */
export function promote<V>(gated: MustBeGated<V>, options: { readonly alias: string }): Live<ExportedOf<V>> {
  const values: readonly unknown[] = Array.isArray(gated) ? gated : [gated];
  if (values.length === 0) {
    throw new MillraceError('CONFIG_INVALID', {
      path: 'promote.gated',
      expected: 'at least one gated version',
      received: 'none',
    });
  }
  const gates = values.map((value, index) =>
    nodeOf(value, ['gate'], values.length === 1 ? 'promote.gated' : `promote.gated.${index}`),
  );
  const models = gates.map((gate) => gate.version.model);
  const twice = models.findIndex((model, index) => models.indexOf(model) !== index);
  if (twice >= 0) {
    throw new MillraceError('CONFIG_INVALID', {
      path: `promote.gated.${twice}`,
      expected: 'one version of each model',
      received: `a second one of '${models[twice]}'`,
    });
  }
  parseOptions(schema, options, 'promote');
  const alias = checkName(options?.alias, 'promote.alias');
  return attachNode({ stage: 'live' as const, alias }, { kind: 'promote', gates, alias }) as unknown as Live<
    ExportedOf<V>
  >;
}
