import { z } from 'zod';
import { MillraceError, nearestName, throwProblems } from '../contracts/errors.js';
import type { Json } from '../contracts/json.js';
import { attachNode, type EvaluateNode, nodeOf } from './build-node.js';
import { type Condition, conditionSchema } from './conditions.js';
import { describeValue } from './describe-value.js';
import { taskMetrics } from './evaluate.js';
import { parseOptions } from './parse-options.js';
import type { Gated, Version } from './stage-values.js';

const schema = z.strictObject({ contaminated: z.enum(['block', 'allow']).default('block') });

/**
 * Judges a version against its bars. A bar that is missed ends the run as `blocked` (exit code 3) and leaves the
 * champion alone.
 *
 * @param options.contaminated - what to do where fewer than 200 rows are unseen by the champion. Default 'block'.
 * @throws CONFIG_INVALID - every problem at once: a metric or slice that the report does not have, too.
 */
export function gate<M extends string, X>(
  version: Version<M, X>,
  conditions: readonly Condition<NoInfer<M>>[],
  options: { readonly contaminated?: 'block' | 'allow' } = {},
): Gated<X> {
  const node = nodeOf(version, ['register'], 'gate.version');
  if (!Array.isArray(conditions) || conditions.length === 0) {
    throw new MillraceError('CONFIG_INVALID', {
      path: 'gate.conditions',
      expected: 'at least one condition, such as atLeast(…)',
      received: describeValue(conditions),
    });
  }
  const parsed = parseOptions(z.array(conditionSchema), conditions, 'gate.conditions');
  const { contaminated } = parseOptions(schema, options, 'gate');
  throwProblems(
    parsed.flatMap((condition, index) => reportProblems(condition, node.report, `gate.conditions.${index}`)),
  );
  return attachNode(
    { stage: 'gated' as const, passed: true as const },
    { kind: 'gate', version: node, conditions: parsed as unknown as readonly Json[], contaminated },
  ) as unknown as Gated<X>;
}

/** What a condition speaks of that the report does not have. */
function reportProblems(condition: Condition, report: EvaluateNode, path: string): readonly MillraceError[] {
  if (condition.kind === 'perSlice') {
    const slices = (report.options['slices'] ?? []) as readonly string[];
    return [
      ...absent(condition.column, slices, `${path}.column`, 'a slice'),
      ...reportProblems(condition.condition, report, `${path}.condition`),
    ];
  }
  if (!('metric' in condition)) return [];
  const metrics = (report.options['metrics'] ?? taskMetrics[report.onnx.model.fit.task.kind]) as readonly string[];
  return absent(condition.metric, metrics, `${path}.metric`, 'a metric');
}

function absent(name: string, known: readonly string[], path: string, what: string): readonly MillraceError[] {
  if (known.includes(name)) return [];
  const nearest = nearestName(name, known);
  return [
    new MillraceError('CONFIG_INVALID', {
      path,
      expected: `${what} of the report (${known.join(', ') || 'it has none'})`,
      received: `'${name}'`,
      hint: nearest === null ? 'Add it to the options of evaluate().' : `Did you mean '${nearest}'?`,
    }),
  ];
}
