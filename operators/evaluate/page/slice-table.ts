import { metricTitle } from '../metrics/metric-table.js';
import type { MetricValue, Report, SliceColumn } from '../report.js';
import { formatCount, formatNumber, formatPercent, html, type Markup } from './markup.js';
import { orderedMetrics } from './metric-order.js';

const FURTHER = 4;

/** Values of a column with their rows, the first metric with its interval beside that of all rows, and more metrics. */
export function sliceFigure(report: Report, slice: SliceColumn): Markup {
  const [first, ...rest] = orderedMetrics(report);
  if (first === undefined) return html``;
  const further = rest.slice(0, FURTHER);
  const overall = report.metrics[first]!;
  const scale = spanOf([overall, ...slice.values.map((value) => value.metrics[first]!)]);
  const most = Math.max(...slice.values.map((value) => value.rows));
  const rows = slice.values.map(({ value, rows: count, metrics }) => {
    const metric = metrics[first]!;
    const name = value === null ? html`<em>missing</em>` : value === '' ? html`<em>empty</em>` : html`${value}`;
    return html`<tr><th scope="row">${name}</th><td class="number">${formatCount(count)}</td><td class="share"><span class="track" aria-hidden="true"><span class="fill quiet" style="width:${((100 * count) / most).toFixed(1)}%"></span></span></td><td class="number strong">${formatNumber(metric.value)}</td><td class="plot">${intervalPlot(metric, overall, scale)}</td>${further.map((other) => html`<td class="number">${formatNumber(metrics[other]!.value)}</td>`)}</tr>`;
  });
  const { omitted } = slice;
  const note =
    omitted.values > 0
      ? ` ${formatCount(omitted.values)} further values with ${formatCount(omitted.rows)} rows (${formatPercent(omitted.rows / report.rows)}) are left out.`
      : null;
  return html`<figure class="wide"><h3>By ${slice.column}</h3><div class="scroll"><table class="bars"><thead><tr><th scope="col">${slice.column}</th><th scope="col" class="number">Rows</th><td></td><th scope="col" class="number">${metricTitle(report.task, first)}</th><td class="plot quiet">95% interval</td>${further.map((name) => html`<th scope="col" class="number">${metricTitle(report.task, name)}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div><figcaption>The vertical line is ${metricTitle(report.task, first)} over all rows (${formatNumber(overall.value)}). A dash: it has no value on these rows, such as AUC where they are all of one class.${note}</figcaption></figure>`;
}

function spanOf(values: readonly MetricValue[]): { readonly low: number; readonly high: number } {
  const ends = values.flatMap(({ value, interval }) => [
    ...(value === null ? [] : [value]),
    ...(interval === null ? [] : [interval.low, interval.high]),
  ]);
  const [low, high] = ends.length === 0 ? [0, 1] : [Math.min(...ends), Math.max(...ends)];
  return high > low ? { low, high } : { low: low - 0.5, high: high + 0.5 };
}

function intervalPlot(metric: MetricValue, overall: MetricValue, { low, high }: { low: number; high: number }): Markup {
  const at = (value: number) => (4 + (152 * (value - low)) / (high - low)).toFixed(1);
  const rule =
    overall.value === null
      ? null
      : html`<line class="reference" x1="${at(overall.value)}" x2="${at(overall.value)}" y1="0" y2="18"/>`;
  const range =
    metric.interval === null
      ? null
      : html`<line class="whisker" x1="${at(metric.interval.low)}" x2="${at(metric.interval.high)}" y1="9" y2="9"/>`;
  const dot = metric.value === null ? null : html`<circle class="dot a" cx="${at(metric.value)}" cy="9" r="3.5"/>`;
  const label =
    metric.interval === null ? '' : `${formatNumber(metric.interval.low)} to ${formatNumber(metric.interval.high)}`;
  return html`<svg class="inline" viewBox="0 0 160 18" role="img" aria-label="${label}">${rule}${range}${dot}</svg>`;
}
