import type { Report } from '../report.js';
import { axisOver, chart, line, path } from './chart.js';
import { formatNumber, html, type Markup } from './markup.js';

/** Train and validation loss by epoch, and the epoch that was kept. */
export function learningFigure({ learning, bestEpoch }: Report): Markup {
  // Documents count epochs from 0, people from 1.
  const shift = 1 - (learning[0]?.epoch ?? 1);
  const train = learning.map((point) => ({ x: point.epoch + shift, y: point.trainLoss }));
  const validation = learning.map((point) => ({ x: point.epoch + shift, y: point.validationLoss }));
  const epochs = train.map((point) => point.x);
  const horizontal = { ...axisOver('Epoch', epochs), isWhole: true };
  const vertical = axisOver(
    'Loss',
    [...train, ...validation].map((point) => point.y),
  );
  const best = learning.find((point) => point.epoch === bestEpoch);
  const sentence =
    best === undefined
      ? `${learning.length} epochs.`
      : `${learning.length} epochs; epoch ${best.epoch + shift} was kept, with a validation loss of ${formatNumber(best.validationLoss)}.`;
  const drawing = chart('Learning curves', sentence, horizontal, vertical, (plot) => [
    path(plot, train, 'series b'),
    path(plot, validation, 'series a'),
    ...(learning.length > 30
      ? []
      : [
          ...train.map(
            (point) => html`<circle class="dot b" cx="${plot.x(point.x)}" cy="${plot.y(point.y)}" r="2.5"/>`,
          ),
          ...validation.map(
            (point) => html`<circle class="dot a" cx="${plot.x(point.x)}" cy="${plot.y(point.y)}" r="2.5"/>`,
          ),
        ]),
    ...(best === undefined
      ? []
      : [line(plot, [best.epoch + shift, vertical.low], [best.epoch + shift, vertical.high], 'reference')]),
  ]);
  return html`<figure><h3>Learning curves</h3><p class="legend"><span class="key a"></span>validation <span class="key b"></span>train</p>${drawing}<figcaption>${sentence}</figcaption></figure>`;
}
