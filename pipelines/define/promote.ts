import { MillraceError } from '../contracts/errors.js';
import { attachNode, nodeOf } from './build-node.js';
import { checkName } from './names.js';
import type { Gated, Live, Mend } from './stage-values.js';

type MustBeGated<V> = V extends Gated ? V : Mend<'promote takes what gate() returns'>;

/**
 * Points an alias at the versions that passed their gates: a compare-and-set that expects the champion the gate saw.
 * Several at once move in one transaction, all or none.
 *
 * @throws REGISTRY_CONFLICT, GATE_VERSION_REVOKED - when the run gets there.
 */
export function promote<V>(gated: MustBeGated<V>, options: { readonly alias: string }): Live;
export function promote<V extends readonly Gated[]>(gated: V, options: { readonly alias: string }): Live;
export function promote(gated: unknown, options: { readonly alias: string }): Live {
  const values: readonly unknown[] = Array.isArray(gated) ? gated : [gated];
  if (values.length === 0) throw new MillraceError('CONFIG_INVALID', { path: 'promote.gated', expected: 'at least one gated version', received: 'none' });
  const gates = values.map((value, index) => nodeOf(value, ['gate'], values.length === 1 ? 'promote.gated' : `promote.gated.${index}`));
  const alias = checkName(options?.alias, 'promote.alias');
  return attachNode({ stage: 'live' as const, alias }, { kind: 'promote', gates, alias });
}
