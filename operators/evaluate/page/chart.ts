import { formatNumber, html, type Markup } from './markup.js';

const WIDTH = 400;
const HEIGHT = 300;
const LEFT = 54;
const RIGHT = 14;
const TOP = 12;
const BOTTOM = 44;

export interface Axis {
  readonly label: string;
  readonly low: number;
  readonly high: number;
  /** Ticks at whole numbers alone. */
  readonly isWhole?: boolean;
}

/** A plot area with data coordinates; x and y give the place in the drawing. */
export interface Plot {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
}

/** An axis over values, widened to round ends. */
export function axisOver(label: string, values: readonly number[], include: readonly number[] = []): Axis {
  const all = [...values, ...include];
  let low = Math.min(...all);
  let high = Math.max(...all);
  if (!(high > low)) {
    const pad = Math.max(Math.abs(high) * 0.1, 0.5);
    low -= pad;
    high += pad;
  }
  const step = roundStep(high - low);
  return { label, low: Math.floor(low / step + 1e-9) * step, high: Math.ceil(high / step - 1e-9) * step };
}

/**
 * Draws a chart as inline SVG: frame, ticks and axis titles around what `draw` gives.
 * A screen reader gets `title` and `description` instead of the drawing.
 */
export function chart(
  title: string,
  description: string,
  horizontal: Axis,
  vertical: Axis,
  draw: (plot: Plot) => Markup | readonly Markup[],
): Markup {
  const scale = (axis: Axis, from: number, to: number) => (value: number) =>
    round(from + ((value - axis.low) / (axis.high - axis.low)) * (to - from));
  const plot: Plot = { x: scale(horizontal, LEFT, WIDTH - RIGHT), y: scale(vertical, HEIGHT - BOTTOM, TOP) };
  const columns = ticks(horizontal).map(
    (value) =>
      html`<line class="grid" x1="${plot.x(value)}" x2="${plot.x(value)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/><text x="${plot.x(value)}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${tickText(value)}</text>`,
  );
  const rows = ticks(vertical).map(
    (value) =>
      html`<line class="grid" y1="${plot.y(value)}" y2="${plot.y(value)}" x1="${LEFT}" x2="${WIDTH - RIGHT}"/><text x="${LEFT - 6}" y="${plot.y(value) + 4}" text-anchor="end">${tickText(value)}</text>`,
  );
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${`${title}. ${description}`}"><g aria-hidden="true">${columns}${rows}<text class="axis" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 8}" text-anchor="middle">${horizontal.label}</text><text class="axis" transform="translate(13 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${vertical.label}</text>${draw(plot)}</g></svg>`;
}

export function path(plot: Plot, points: readonly { readonly x: number; readonly y: number }[], name: string): Markup {
  const text = points.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${plot.x(x)} ${plot.y(y)}`).join('');
  return html`<path class="${name}" d="${text}"/>`;
}

export function line(plot: Plot, from: readonly [number, number], to: readonly [number, number], name: string): Markup {
  return html`<line class="${name}" x1="${plot.x(from[0])}" y1="${plot.y(from[1])}" x2="${plot.x(to[0])}" y2="${plot.y(to[1])}"/>`;
}

function ticks(axis: Axis): number[] {
  const step = Math.max(roundStep(axis.high - axis.low), axis.isWhole === true ? 1 : 0);
  const first = Math.ceil(axis.low / step - 1e-9);
  const count = Math.floor(axis.high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => (first + i) * step);
}

/** 1, 2 or 5 times a power of ten, for four to eight steps. */
function roundStep(range: number): number {
  const raw = range / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = raw / power;
  return power * (factor < 1.5 ? 1 : factor < 3.5 ? 2 : factor < 7.5 ? 5 : 10);
}

function tickText(value: number): string {
  const clean = Number(value.toPrecision(6));
  if (clean === 0) return '0';
  if (Math.abs(clean) >= 1e6 || Math.abs(clean) < 1e-3) return formatNumber(clean);
  return clean.toLocaleString('en-US', { maximumFractionDigits: 4 }).replace('-', '−');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
