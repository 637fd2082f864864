import { metricTitle } from '../metrics/metric-table.js';
import type { MetricValue, Report } from '../report.js';
import { formatCount, formatNumber } from './markup.js';
import { orderedMetrics } from './metric-order.js';

/** The report's numbers as Markdown, for TensorBoard's text tab. */
export function reportText(report: Report): string {
  const names = orderedMetrics(report);
  const metrics = names.map((name) => {
    const { value, interval } = report.metrics[name]!;
    const range = interval === null ? '' : `${formatNumber(interval.low)} to ${formatNumber(interval.high)}`;
    return `| ${metricTitle(report.task, name)} | ${formatNumber(value)} | ${range} |`;
  });
  const head = `${formatCount(report.rows)} rows of the test split, label ${cell(report.labels.join(', '))}.`;
  const lines = [head, '', '| metric | value | 95% interval |', '| --- | ---: | --- |', ...metrics];
  for (const slice of report.slices) {
    const titles = names.map((name) => metricTitle(report.task, name)).join(' | ');
    lines.push('', `| ${cell(slice.column)} | rows | ${titles} |`, `| --- | ---: |${' ---: |'.repeat(names.length)}`);
    for (const { value, rows, metrics: found } of slice.values) {
      const numbers = names.map((name) => formatNumber((found[name] as MetricValue).value)).join(' | ');
      lines.push(`| ${value === null ? '*missing*' : cell(value)} | ${formatCount(rows)} | ${numbers} |`);
    }
  }
  return lines.join('\n');
}

/** Names come from data: they must stay inside their cell. */
function cell(text: string): string {
  return text.replace(/[\\|`*_<>[\]]/g, (character) => `\\${character}`).replace(/\s+/g, ' ');
}
