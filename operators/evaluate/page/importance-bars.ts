import { metricTitle } from '../metrics/metric-table.js';
import type { Report } from '../report.js';
import { formatCount, formatNumber, html, type Markup } from './markup.js';

const MOST = 25;

/** One bar an input: how much worse the metric becomes without its order. */
export function importanceFigure(report: Report): Markup {
  const { metric, repeats, rows, inputs } = report.importance!;
  const shown = inputs.slice(0, MOST);
  const most = Math.max(...shown.map((input) => Math.abs(input.mean) + input.standardDeviation), Number.MIN_VALUE);
  const lines = shown.map(({ name, mean, standardDeviation }) => {
    const share = (value: number) => `${((100 * Math.max(0, value)) / most).toFixed(1)}%`;
    const deviation = `--low:${share(mean - standardDeviation)};--high:${share(mean + standardDeviation)}`;
    return html`<tr><th scope="row">${name}</th><td class="wide"><span class="track" aria-hidden="true"><span class="fill" style="width:${share(mean)}"></span>${standardDeviation > 0 ? html`<span class="spread" style="${deviation}"></span>` : null}</span></td><td class="number">${formatNumber(mean)}</td><td class="number quiet">± ${formatNumber(standardDeviation)}</td></tr>`;
  });
  const left = inputs.length - shown.length;
  const title = metricTitle(report.task, metric);
  return html`<figure class="wide"><h3>What the model leans on</h3><div class="scroll"><table class="bars"><thead><tr><th scope="col">Input</th><td></td><th scope="col" class="number">${title} lost</th><td></td></tr></thead><tbody>${lines}</tbody></table></div><figcaption>How much worse ${title} becomes when one input is shuffled among ${formatCount(rows)} of ${formatCount(report.rows)} test rows, mean of ${repeats}. Inputs that say the same share their importance.${left > 0 ? ` ${left} inputs with less are left out.` : null}</figcaption></figure>`;
}
