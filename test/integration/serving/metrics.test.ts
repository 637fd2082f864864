import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningServer, startServer } from '../../../serving/server.js';
import { openWorld, post, releaseChurn, type World } from './world.js';

const row = { age: 1, events: 512, plan: 'x', active: false };

describe('GET /metrics', () => {
  let world: World;
  let server: RunningServer;

  beforeAll(async () => {
    world = await openWorld();
    await releaseChurn(world, 0.25);
    await world.bind('live', 'churn');
    server = await startServer({ ...world.sources, port: 0 });
  });

  afterAll(async () => {
    await server?.close();
    await world?.[Symbol.asyncDispose]();
  });

  async function scrape(): Promise<string> {
    const response = await fetch(`${server.address}/metrics`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    return response.text();
  }

  it('counts requests by route, endpoint, version and status, and never by a name that a client made up', async () => {
    const url = `${server.address}/endpoints/live/predict`;
    await post(url, { rows: [row, row] });
    await post(url, { rows: [row] });
    await post(url, { rows: [{ ...row, age: 'secret' }] });
    await post(`${server.address}/endpoints/made-up/predict`, { rows: [] });
    await post(`${server.address}/v2/models/churn/infer`, '{');
    await expect.poll(scrape).toContain('route="infer"');
    const text = await scrape();
    const labels = 'route="predict",endpoint="live",model="churn",version="1"';
    expect(text).toContain(`\nmillrace_requests_total{${labels},status="200"} 2\n`);
    expect(text).toContain(`\nmillrace_requests_total{${labels},status="400"} 1\n`);
    expect(text).toContain(`\nmillrace_request_duration_seconds_count{${labels}} 3\n`);
    expect(text).toContain(
      '\nmillrace_requests_total{route="predict",endpoint="",model="",version="",status="404"} 1\n',
    );
    expect(text).toContain(
      '\nmillrace_requests_total{route="infer",endpoint="",model="churn",version="1",status="400"} 1\n',
    );
    expect(text).not.toMatch(/made-up|secret/);
  });

  it('tells batches, queues, loads, endpoints and the process', async () => {
    const text = await scrape();
    expect(text).toContain('\nmillrace_batch_rows_sum{model="churn",version="1"} 3\n');
    expect(text).toContain('\nmillrace_waiting_rows{model="churn",version="1"} 0\n');
    expect(text).toContain('\nmillrace_model_loads_total{model="churn",version="1",result="loaded"} 1\n');
    expect(text).toContain('\nmillrace_endpoint_version{endpoint="live",model="churn"} 1\n');
    expect(text).toContain('\nmillrace_endpoint_ready{endpoint="live"} 1\n');
    expect(text).toMatch(/\nprocess_resident_memory_bytes [1-9]\d{6,}\n/);
  });

  it('is text that Prometheus reads: each line a comment or a sample', async () => {
    const sample = /^[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? (\d+(\.\d+)?(e[+-]?\d+)?)$/;
    for (const line of (await scrape()).trimEnd().split('\n'))
      expect(line).toMatch(line.startsWith('#') ? /^# (HELP|TYPE) [a-z_]+ ./ : sample);
  });
});
