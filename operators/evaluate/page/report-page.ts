import { metricDirection, metricTitle } from '../metrics/metric-table.js';
import type { Report } from '../report.js';
import { calibrationChart, confusionFigures, precisionRecallChart, rocChart } from './classification-charts.js';
import { importanceFigure } from './importance-bars.js';
import { learningFigure } from './learning-chart.js';
import { formatCount, formatNumber, formatPercent, html, type Markup } from './markup.js';
import { orderedMetrics } from './metric-order.js';
import { pageStyle } from './page-style.js';
import { residualFigures } from './regression-charts.js';
import { sliceFigure } from './slice-table.js';

/**
 * A report as one HTML page that needs nothing else: no script, no font, no address.
 *
 * @param name - what the page calls the report, for example the stage's id.
 */
export function renderReport(report: Report, name: string): string {
  const label = report.labels.join(', ');
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${`${label}: ${name}`}</title>
<style>STYLE</style>
</head>
<body>
<main>
<h1>How well it predicts ${label}</h1>
<p class="lead">${leadOf(report)}</p>
<ul class="tiles">${orderedMetrics(report).map((metric) => tile(report, metric))}</ul>
${sections(report)}
<h2>About these numbers</h2>
<figure class="wide">${facts(report, name)}</figure>
</main>
</body>
</html>
`;
  return page.text.replace('STYLE', () => pageStyle);
}

function leadOf(report: Report): string {
  const rows = `${formatCount(report.rows)} rows of the test split, which training has not seen`;
  if (report.task === 'regression') return `Measured on ${rows}.`;
  if (report.task === 'multiclass') return `${report.classes.length} classes, measured on ${rows}.`;
  const share = formatPercent((report.classRows[1] ?? 0) / report.rows);
  return `Measured on ${rows}; ${share} of them are '${report.classes[1]}', which is predicted from a probability of ${Number(report.threshold!.toPrecision(4))} on.`;
}

function tile(report: Report, metric: string): Markup {
  const { value, interval } = report.metrics[metric]!;
  const isHigher = metricDirection(report.task, metric) === 'higher';
  const meaning = isHigher ? 'higher is better' : 'lower is better';
  const better = html`<span class="better" title="${meaning}" role="img" aria-label="${meaning}">${isHigher ? '↑' : '↓'}</span>`;
  const range =
    interval === null
      ? null
      : html`<span class="range">${formatNumber(interval.low)} to ${formatNumber(interval.high)}</span>`;
  return html`<li><span class="name">${metricTitle(report.task, metric)} ${better}</span><span class="value">${formatNumber(value)}</span>${range}</li>`;
}

function sections(report: Report): Markup[] {
  const found: Markup[] = [];
  const section = (title: string, figures: readonly Markup[]) => {
    if (figures.length > 0) found.push(html`<section><h2>${title}</h2><div class="figures">${figures}</div></section>`);
  };
  section(
    'Ranking and probabilities',
    report.curves === null ? [] : [rocChart(report), precisionRecallChart(report), calibrationChart(report)],
  );
  const learning = report.learning.length === 0 ? [] : [learningFigure(report)];
  if (report.confusion === null) {
    section('Errors', residualFigures(report));
    section('Training', learning);
  } else
    section(learning.length === 0 ? 'Decisions' : 'Decisions and training', [...confusionFigures(report), ...learning]);
  section(
    'Slices',
    report.slices.map((slice) => sliceFigure(report, slice)),
  );
  section(
    'Inputs',
    report.importance === null || report.importance.inputs.length === 0 ? [] : [importanceFigure(report)],
  );
  return found;
}

function facts(report: Report, name: string): Markup {
  const { bootstrap, parity, split } = report;
  const lines: [string, string][] = [
    ['Stage', name],
    ['What was scored', 'the exported model, as it will be served'],
    ['Split', splitText(split)],
    [
      'Intervals',
      bootstrap === null
        ? 'none'
        : `95%, percentile bootstrap over rows, ${formatCount(bootstrap.resamples)} resamples, seed ${bootstrap.seed}`,
    ],
    [
      'Native model',
      parity === null
        ? 'not compared'
        : `differs by at most ${formatNumber(parity.largestDifference)} on ${formatCount(parity.rows)} rows`,
    ],
    ['Predictions', 'predictions.parquet beside report.json, one line a row'],
  ];
  return html`<dl>${lines.map(([term, text]) => html`<dt>${term}</dt><dd>${text}</dd>`)}</dl>`;
}

function splitText(split: Report['split']): string {
  if (split.kind === 'time') return `by time of ${split.column}, cut at ${split.cuts.join(' and ')}`;
  if (split.kind === 'column') return `as the column ${split.column} says`;
  const by = split.by.length === 0 ? 'the key' : split.by.join(', ');
  return `by the hash of ${by}, ${formatPercent(split.test)} of the rows, seed ${split.seed}`;
}
