import { describe, expect, it } from 'vitest';
import { Exposition } from '../../../../serving/metrics/prometheus-text.js';

describe('Exposition', () => {
  it('writes nothing but a head for a metric without series', () => {
    const exposition = new Exposition();
    exposition.counters('a_total', 'Of a.');
    expect(exposition.text()).toBe('# HELP a_total Of a.\n# TYPE a_total counter\n');
  });

  it('escapes quotes, backslashes and line feeds in labels, backslashes and line feeds in help', () => {
    const exposition = new Exposition();
    exposition.counters('a_total', 'x\\y\nz').of({ name: 'q"b\\n\n' }).add(2);
    expect(exposition.text()).toBe(
      '# HELP a_total x\\\\y\\nz\n# TYPE a_total counter\na_total{name="q\\"b\\\\n\\n"} 2\n',
    );
  });

  it('sums buckets up, with a bound itself inside its bucket and what is beyond in +Inf', () => {
    const exposition = new Exposition();
    const histogram = exposition.histograms('t_seconds', 'Time.', [0.5, 1]).of({ model: 'm' });
    for (const value of [0.25, 0.5, 0.75, 4]) histogram.observe(value);
    expect(exposition.text().split('\n')).toEqual([
      '# HELP t_seconds Time.',
      '# TYPE t_seconds histogram',
      't_seconds_bucket{model="m",le="0.5"} 2',
      't_seconds_bucket{model="m",le="1"} 3',
      't_seconds_bucket{model="m",le="+Inf"} 4',
      't_seconds_sum{model="m"} 5.5',
      't_seconds_count{model="m"} 4',
      '',
    ]);
  });

  it('gives the same series for the same labels, and reads observed values when asked', () => {
    const exposition = new Exposition();
    const series = exposition.counters('a_total', 'Of a.');
    series.of({ x: 1 }).add();
    series.of({ x: 1 }).add();
    let now = 1;
    exposition.observed('gauge', 'b', 'Of b.', () => [{ labels: {}, value: now }]);
    now = 7;
    expect(exposition.text()).toContain('a_total{x="1"} 2\n');
    expect(exposition.text()).toContain('\nb 7\n');
  });
});
