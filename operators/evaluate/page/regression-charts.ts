import type { Report } from '../report.js';
import { axisOver, chart, line, path } from './chart.js';
import { figure } from './classification-charts.js';
import { formatCount, formatNumber, html, type Markup } from './markup.js';

/** For each label: prediction against truth, residuals by prediction, their distribution. */
export function residualFigures(report: Report): Markup[] {
  return report.residuals.flatMap((residuals) => {
    const of = report.residuals.length === 1 ? '' : ` of ${residuals.label}`;
    return [scatter(residuals, of), bands(residuals, of), histogram(residuals, of)];
  });
}

type Residuals = Report['residuals'][number];

function scatter({ points, label }: Residuals, of: string): Markup {
  const values = points.flatMap((point) => [point.prediction, point.label]);
  const axis = axisOver('', values);
  const sentence = `${formatCount(points.length)} of the test rows; on the dashed line the prediction is exact.`;
  const title = `Prediction and truth${of}`;
  return figure(
    title,
    sentence,
    chart(title, sentence, { ...axis, label: 'Prediction' }, { ...axis, label: `True ${label}` }, (plot) => [
      line(plot, [axis.low, axis.low], [axis.high, axis.high], 'reference'),
      ...points.map(
        (point) =>
          html`<circle class="dot a faint" cx="${plot.x(point.prediction)}" cy="${plot.y(point.label)}" r="3"/>`,
      ),
    ]),
  );
}

function bands({ groups }: Residuals, of: string): Markup {
  const horizontal = axisOver(
    'Prediction',
    groups.map((group) => group.prediction),
  );
  const vertical = axisOver(
    'Truth − prediction',
    groups.flatMap((group) => [group.low, group.high]),
    [0],
  );
  const sentence =
    'Median (line) and the range of nine in ten rows (bars), in groups of equal size by prediction. A line away from zero is a bias.';
  const title = `Residuals by prediction${of}`;
  return figure(
    title,
    sentence,
    chart(title, sentence, horizontal, vertical, (plot) => [
      line(plot, [horizontal.low, 0], [horizontal.high, 0], 'reference'),
      ...groups.map((group) => line(plot, [group.prediction, group.low], [group.prediction, group.high], 'whisker')),
      path(
        plot,
        groups.map((group) => ({ x: group.prediction, y: group.median })),
        'series a',
      ),
      ...groups.map(
        (group) =>
          html`<circle class="dot a" cx="${plot.x(group.prediction)}" cy="${plot.y(group.median)}" r="3"><title>${`${formatCount(group.rows)} rows: median ${formatNumber(group.median)}, ${formatNumber(group.low)} to ${formatNumber(group.high)}`}</title></circle>`,
      ),
    ]),
  );
}

function histogram({ histogram: { low, high, counts } }: Residuals, of: string): Markup {
  const most = Math.max(...counts);
  const width = (high - low) / counts.length;
  const horizontal = axisOver('Truth − prediction', [low, high]);
  const vertical = axisOver('Rows', [0, most]);
  const sentence = 'How many rows miss by how much; what lies beyond 99 in 100 rows is in the outer bars.';
  const title = `Distribution of residuals${of}`;
  return figure(
    title,
    sentence,
    chart(title, sentence, horizontal, vertical, (plot) => [
      ...counts.map((count, i) => {
        const [x, y] = [plot.x(low + i * width), plot.y(count)];
        const size = Math.max(1, Math.round(10 * (plot.x(low + (i + 1) * width) - x - 0.5)) / 10);
        return html`<rect class="bar" x="${x}" y="${y}" width="${size}" height="${Math.round(10 * (plot.y(0) - y)) / 10}"/>`;
      }),
      line(plot, [0, 0], [0, vertical.high], 'reference'),
    ]),
  );
}
