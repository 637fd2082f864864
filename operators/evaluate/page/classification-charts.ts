import type { Report } from '../report.js';
import { chart, line, type Plot, path } from './chart.js';
import { formatCount, formatNumber, formatPercent, html, type Markup } from './markup.js';

const unit = (label: string) => ({ label, low: 0, high: 1 });

export function rocChart(report: Report): Markup {
  const points = report.curves!.roc;
  const auc = report.metrics['auc']?.value ?? null;
  const sentence =
    auc === null
      ? 'The dashed line is guessing.'
      : `The area under it is ${formatNumber(auc)}; the dashed line is guessing (0.5).`;
  return figure(
    'ROC curve',
    sentence,
    chart('ROC curve', sentence, unit('False positive rate'), unit('True positive rate'), (plot) => [
      line(plot, [0, 0], [1, 1], 'reference'),
      path(plot, points, 'series a'),
      operatingPoint(report, points, plot),
    ]),
  );
}

export function precisionRecallChart(report: Report): Markup {
  const points = report.curves!.precisionRecall;
  const share = (report.classRows[1] ?? 0) / report.rows;
  const precision = report.metrics['averagePrecision']?.value ?? null;
  const sentence = `${precision === null ? '' : `Average precision ${formatNumber(precision)}; `}the dashed line is the share of '${report.classes[1]}' (${formatPercent(share)}), what guessing gives.`;
  const upper = sentence.charAt(0).toUpperCase() + sentence.slice(1);
  return figure(
    'Precision and recall',
    upper,
    chart('Precision and recall', upper, unit('Recall'), unit('Precision'), (plot) => [
      line(plot, [0, share], [1, share], 'reference'),
      path(plot, points, 'series a'),
      operatingPoint(report, points, plot),
    ]),
  );
}

export function calibrationChart(report: Report): Markup {
  const bins = report.curves!.calibration;
  const most = Math.max(...bins.map((bin) => bin.rows));
  const error = report.metrics['calibrationError']?.value ?? null;
  const sentence = `Of rows with a predicted probability, the share that is '${report.classes[1]}'; on the dashed line they agree.${error === null ? '' : ` Mean gap ${formatNumber(error)}.`} Larger dots are more rows.`;
  return figure(
    'Calibration',
    sentence,
    chart('Calibration', sentence, unit('Predicted probability'), unit('Observed share'), (plot) => [
      line(plot, [0, 0], [1, 1], 'reference'),
      path(
        plot,
        bins.map((bin) => ({ x: bin.predicted, y: bin.observed })),
        'series a thin',
      ),
      ...bins.map(
        (bin) =>
          html`<circle class="dot a" cx="${plot.x(bin.predicted)}" cy="${plot.y(bin.observed)}" r="${Math.round(10 * (2.5 + 5 * Math.sqrt(bin.rows / most))) / 10}"><title>${`${formatCount(bin.rows)} rows: predicted ${formatPercent(bin.predicted)}, observed ${formatPercent(bin.observed)}`}</title></circle>`,
      ),
    ]),
  );
}

/** Where the threshold stands on a curve: the last point at or above it. */
function operatingPoint(report: Report, points: NonNullable<Report['curves']>['roc'], plot: Plot): Markup {
  const at = [...points].reverse().find((point) => point.threshold !== null && point.threshold >= report.threshold!);
  if (at === undefined) return html``;
  return html`<circle class="mark" cx="${plot.x(at.x)}" cy="${plot.y(at.y)}" r="4.5"><title>${`At the threshold ${Number(report.threshold!.toPrecision(4))}`}</title></circle>`;
}

/** The matrix where it can be read, and the most frequent mistakes where it is large. */
export function confusionFigures(report: Report): Markup[] {
  const { counts, mistakes } = report.confusion!;
  if (counts === null || counts.length > 30) return mistakesTables(report, mistakes);
  const sums = counts.map((row) => row.reduce((sum, count) => sum + count, 0));
  const isSmall = counts.length <= 6;
  const head = report.classes.map((name) => html`<th scope="col">${name}</th>`);
  const rows = counts.map((row, actual) => {
    const cells = row.map((count, predicted) => {
      const share = sums[actual]! === 0 ? 0 : count / sums[actual]!;
      const name = count === 0 ? 'none' : actual === predicted ? 'hit' : 'miss';
      const label = `${formatCount(count)} of ${formatCount(sums[actual]!)} rows of '${report.classes[actual]}' predicted as '${report.classes[predicted]}'`;
      return html`<td class="${name}" style="--share:${share.toFixed(3)}" title="${label}">${count === 0 && !isSmall ? '' : formatCount(count)}${isSmall ? html`<small>${formatPercent(share)}</small>` : null}</td>`;
    });
    return html`<tr><th scope="row">${report.classes[actual]!}</th>${cells}</tr>`;
  });
  const at = report.threshold === null ? '' : ` at the threshold ${Number(report.threshold.toPrecision(4))}`;
  const matrix = html`<figure class="${isSmall ? '' : 'wide'}"><h3>Confusion</h3><div class="scroll"><table class="matrix ${isSmall ? '' : 'dense'}"><thead><tr><td></td>${head}</tr></thead><tbody>${rows}</tbody></table></div><figcaption>Rows: the true class. Columns: the predicted one${at}. Shades are shares of the true class.</figcaption></figure>`;
  return isSmall ? [matrix] : [matrix, ...mistakesTables(report, mistakes)];
}

function mistakesTables(report: Report, mistakes: NonNullable<Report['confusion']>['mistakes']): Markup[] {
  if (mistakes.length === 0) return [];
  const rows = mistakes
    .slice(0, 15)
    .map(
      ({ actual, predicted, rows: count }) =>
        html`<tr><td>${report.classes[actual]!}</td><td>${report.classes[predicted]!}</td><td class="number">${formatCount(count)}</td><td class="number">${formatPercent(count / Math.max(1, report.classRows[actual]!))}</td></tr>`,
    );
  return [
    html`<figure><h3>Most frequent mistakes</h3><div class="scroll"><table><thead><tr><th scope="col">True class</th><th scope="col">Predicted</th><th scope="col" class="number">Rows</th><th scope="col" class="number">Of the class</th></tr></thead><tbody>${rows}</tbody></table></div></figure>`,
  ];
}

export function figure(title: string, caption: string, body: Markup): Markup {
  return html`<figure><h3>${title}</h3>${body}<figcaption>${caption}</figcaption></figure>`;
}
