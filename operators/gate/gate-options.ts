import { z } from 'zod';
import { MillraceError, nearestName, throwProblems } from '../../pipelines/contracts/errors.js';
import { type Condition, conditionSchema } from '../../pipelines/define/conditions.js';
import { metricNames } from '../evaluate/metrics/metric-table.js';
import type { Report } from '../evaluate/report.js';
import { splitSchema } from '../split/split-options.js';

/** Resolved options of `gate`, as plans hold them. */
export const gateOptionsSchema = z.strictObject({
  conditions: z.array(conditionSchema).min(1),
  split: splitSchema,
  /** What to do where fewer than 200 test rows are unseen by the baseline. */
  contaminated: z.enum(['block', 'allow']),
});

export type ResolvedGateOptions = z.output<typeof gateOptionsSchema>;

/**
 * Conditions must speak of what the report holds.
 * @throws GATE_INVALID - a metric or slice that it lacks, all at once.
 */
export function checkConditions(conditions: readonly Condition[], report: Report): void {
  const measured = Object.keys(report.metrics);
  const slices = report.slices.map((slice) => slice.column);
  const problems: MillraceError[] = [];
  const check = (path: string, what: string, name: string, known: readonly string[], hint: string) => {
    if (known.includes(name)) return;
    const nearest = nearestName(name, known);
    problems.push(
      new MillraceError('GATE_INVALID', {
        path,
        expected: `${what} (${known.join(', ') || 'it has none'})`,
        received: `'${name}'`,
        hint: nearest === null ? hint : `Did you mean '${nearest}'?`,
      }),
    );
  };
  for (const [i, condition] of conditions.entries()) {
    const path = `gate.conditions.${i}`;
    switch (condition.kind) {
      case 'atLeast':
      case 'atMost':
        check(`${path}.metric`, 'a metric of the report', condition.metric, measured, 'Add it to evaluate.metrics.');
        break;
      case 'noWorseThan':
        check(
          `${path}.metric`,
          `a metric of a ${report.task} model`,
          condition.metric,
          metricNames(report.task),
          'Choose one of them.',
        );
        break;
      case 'perSlice':
        check(`${path}.column`, 'a slice of the report', condition.column, slices, 'Add it to evaluate.slices.');
        check(
          `${path}.condition.metric`,
          'a metric of the report',
          condition.condition.metric,
          measured,
          'Add it to evaluate.metrics.',
        );
        break;
      default:
    }
  }
  throwProblems(problems);
}
