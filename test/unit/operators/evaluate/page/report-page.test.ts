import { describe, expect, it } from 'vitest';
import { escapeText, formatNumber, html } from '../../../../../operators/evaluate/page/markup.js';
import { renderReport } from '../../../../../operators/evaluate/page/report-page.js';
import { reportText } from '../../../../../operators/evaluate/page/report-text.js';
import { type Report, reportSchema } from '../../../../../operators/evaluate/report.js';

const hostile = '<script>alert("x")</script> & \' "';
const auc = { value: 0.9, interval: { low: 0.88, high: 0.92 } };

const shared: Report = {
  formatVersion: 1,
  task: 'binary',
  labels: [hostile],
  classes: ['no', hostile],
  threshold: 0.4,
  split: { kind: 'hash', by: ['id'], train: 0.8, validation: 0.1, test: 0.1, seed: 7, stratify: null },
  rows: 100,
  classRows: [60, 40],
  metrics: { auc, brier: { value: 0.1, interval: null } },
  bootstrap: { resamples: 1000, confidence: 0.95, seed: 0 },
  slices: [
    {
      column: hostile,
      values: [
        { value: hostile, rows: 60, metrics: { auc, brier: auc } },
        { value: null, rows: 40, metrics: { auc: { value: null, interval: null }, brier: auc } },
      ],
      omitted: { values: 3, rows: 9 },
    },
  ],
  curves: {
    roc: [
      { x: 0, y: 0, threshold: null },
      { x: 0.1, y: 0.8, threshold: 0.5 },
      { x: 1, y: 1, threshold: 0.1 },
    ],
    precisionRecall: [
      { x: 0, y: 1, threshold: null },
      { x: 1, y: 0.4, threshold: 0.1 },
    ],
    calibration: [{ low: 0, high: 1 / 15, rows: 100, predicted: 0.05, observed: 0.04 }],
  },
  confusion: {
    counts: [
      [50, 10],
      [5, 35],
    ],
    mistakes: [{ actual: 0, predicted: 1, rows: 10 }],
  },
  residuals: [],
  importance: { metric: 'auc', repeats: 3, rows: 100, inputs: [{ name: hostile, mean: 0.1, standardDeviation: 0.01 }] },
  parity: { rows: 100, largestDifference: 1e-7 },
  learning: [
    { epoch: 1, step: 10, trainLoss: 0.5, validationLoss: 0.6, learningRate: 0.001 },
    { epoch: 2, step: 20, trainLoss: 0.4, validationLoss: 0.5, learningRate: 0.001 },
  ],
  bestEpoch: 2,
};

const classes = Array.from({ length: 60 }, (_, i) => `class ${i}`);
const pages: Readonly<Record<string, Report>> = {
  binary: shared,
  'binary with nothing but one metric': {
    ...shared,
    slices: [],
    importance: null,
    learning: [],
    bestEpoch: null,
    bootstrap: null,
    parity: null,
  },
  multiclass: {
    ...shared,
    task: 'multiclass',
    classes: ['a', 'b', 'c'],
    threshold: null,
    classRows: [1, 1, 1],
    curves: null,
    confusion: {
      counts: [
        [1, 0, 0],
        [0, 1, 0],
        [1, 0, 0],
      ],
      mistakes: [{ actual: 2, predicted: 0, rows: 1 }],
    },
    metrics: { auc },
    slices: [],
  },
  'multiclass with 60 classes': {
    ...shared,
    task: 'multiclass',
    classes,
    threshold: null,
    classRows: classes.map(() => 1),
    curves: null,
    confusion: { counts: null, mistakes: [{ actual: 2, predicted: 0, rows: 1 }] },
    metrics: { auc },
    slices: [],
  },
  regression: {
    ...shared,
    task: 'regression',
    classes: [],
    threshold: null,
    classRows: [],
    curves: null,
    confusion: null,
    metrics: { rmse: { value: 12_345.6, interval: null } },
    slices: [],
    importance: null,
    residuals: [
      {
        label: hostile,
        groups: [{ rows: 1, prediction: 3, low: 0, median: 0, high: 0 }],
        histogram: { low: 0, high: 0, counts: [1, 0] },
        points: [{ prediction: 3, label: 3 }],
      },
    ],
  },
};

const voidElements = new Set(['meta', 'br', 'hr', 'img', 'input', 'link', '!doctype']);

/** Every tag that is opened is closed, in order; returns the names of all elements and the values of all attributes. */
function parse(page: string): { readonly names: ReadonlySet<string>; readonly attributes: readonly string[] } {
  const open: string[] = [];
  const names = new Set<string>();
  const attributes: string[] = [];
  let last = 0;
  for (const tag of page.matchAll(/<(\/?)([!a-zA-Z][\w-]*)((?:\s+[\w:-]+(?:="[^"<>]*")?)*)\s*(\/?)>/g)) {
    const between = page.slice(last, tag.index);
    if (open.at(-1) !== 'style') expect(between).not.toMatch(/[<>]/);
    last = tag.index + tag[0].length;
    const name = tag[2]!.toLowerCase();
    names.add(name);
    attributes.push(...[...tag[3]!.matchAll(/="([^"]*)"/g)].map((match) => match[1]!));
    if (tag[1] === '/') expect(open.pop()).toBe(name);
    else if (tag[4] !== '/' && !voidElements.has(name)) open.push(name);
  }
  expect(open).toEqual([]);
  expect(page.slice(last).trim()).toBe('');
  return { names, attributes };
}

describe('renderReport', () => {
  it.each(Object.entries(pages))('is well-formed and needs nothing else: %s', (_title, report) => {
    const page = renderReport(reportSchema.parse(report), 'report');
    const { names, attributes } = parse(page);
    for (const name of ['script', 'link', 'img', 'iframe', 'object', 'a', 'image', 'use'])
      expect(names.has(name), name).toBe(false);
    expect(page).not.toMatch(/https?:|\/\/|@import|url\(|javascript:/i);
    for (const text of attributes) expect(text).not.toMatch(/NaN|undefined|Infinity/);
    expect(page.replace(/<style>.*?<\/style>/s, '')).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });

  it('says in words what each chart shows', () => {
    const page = renderReport(shared, 'report');
    expect(page).toContain('aria-label="ROC curve. The area under it is 0.9000; the dashed line is guessing (0.5)."');
    expect(page).toContain(
      'aria-label="Learning curves. 2 epochs; epoch 2 was kept, with a validation loss of 0.5000."',
    );
    expect(page.match(/<svg /g)!.length).toBe(page.match(/<svg [^>]*role="img" aria-label="/g)!.length);
  });

  it('gives equal text for equal reports', () => {
    expect(renderReport(shared, 'report')).toBe(renderReport(structuredClone(shared), 'report'));
  });
});

describe('reportText', () => {
  it('is Markdown whose cells hold what comes from data', () => {
    const text = reportText({ ...shared, slices: [{ ...shared.slices[0]!, column: 'a|b' }] });
    expect(text.split('\n').slice(2, 6)).toEqual([
      '| metric | value | 95% interval |',
      '| --- | ---: | --- |',
      '| AUC | 0.9000 | 0.8800 to 0.9200 |',
      '| Brier score | 0.1000 |  |',
    ]);
    expect(text).toContain('| a\\|b | rows | AUC | Brier score |');
    expect(text).toContain('| *missing* | 40 | – | 0.9000 |');
    expect(text).not.toMatch(/(?<!\\)</);
  });
});

describe('html', () => {
  it('escapes what is inserted, but not markup', () => {
    expect(html`<p title="${hostile}">${[html`<b>${'a<b'}</b>`, 3, null]}</p>`.text).toBe(
      `<p title="${escapeText(hostile)}"><b>a&lt;b</b>3</p>`,
    );
    expect(escapeText(hostile)).not.toMatch(/[<>"']/);
  });
});

describe('formatNumber', () => {
  it.each([
    [null, '–'],
    [0, '0'],
    [0.91234, '0.9123'],
    [-0.00012, '−0.0001'],
    [12.3456, '12.35'],
    [12_345.6, '12,346'],
    [3.1e-7, '3.10e−7'],
    [2.5e12, '2.50e+12'],
  ])('writes %s as %s', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });
});
