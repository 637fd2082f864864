import { metricNames } from '../metrics/metric-table.js';
import type { Report } from '../report.js';

/** The report's metrics in the order that people expect; JSON sorts them by name. */
export function orderedMetrics(report: Pick<Report, 'task' | 'metrics'>): readonly string[] {
  return metricNames(report.task).filter((name) => report.metrics[name] !== undefined);
}
