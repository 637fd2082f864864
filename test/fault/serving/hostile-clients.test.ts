import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openHttpServer } from '../../../serving/http/http-server.js';
import { Traffic } from '../../../serving/http/traffic.js';
import { type RunningServer, startServer } from '../../../serving/server.js';
import { get, openWorld, post, releaseChurn, type World } from '../../integration/serving/world.js';

const rows = { rows: [{ age: 1, events: 512, plan: 'x', active: false }] };
const MIB = 1024 * 1024;

describe('hostile clients', () => {
  let world: World;
  let server: RunningServer;

  beforeAll(async () => {
    world = await openWorld();
    await releaseChurn(world, 0.25);
    await world.bind('churn', 'churn');
    server = await startServer({
      ...world.sources,
      port: 0,
      limits: {
        maxBodyBytes: MIB,
        maxBodiesBytes: 4 * MIB,
        headersTimeoutMs: 1000,
        requestTimeoutMs: 2000,
        drainTimeoutMs: 1000,
      },
    });
  });

  afterAll(async () => {
    await server?.close();
    await world?.[Symbol.asyncDispose]();
  });

  async function open(): Promise<Socket> {
    const socket = connect({ host: '127.0.0.1', port: server.port });
    socket.setMaxListeners(0);
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  }

  async function answerOf(socket: Socket): Promise<string> {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    // Unlike `once`, this takes a connection that was reset for closed.
    if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
    return Buffer.concat(chunks).toString('latin1');
  }

  /** The value of a metric without labels, as the server tells it. */
  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`${server.address}/metrics`)).text();
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
  }

  async function expectHealthy(): Promise<void> {
    const reply = await post(`${server.address}/endpoints/churn/predict`, rows);
    expect(reply).toMatchObject({ status: 200, body: { predictions: [{ probability: 0.75 }] } });
  }

  it('answers 413 to an announced body of 1 GiB before it arrives', async () => {
    const socket = await open();
    socket.write(`POST /endpoints/churn/predict HTTP/1.1\r\nHost: x\r\nContent-Length: ${1024 * MIB}\r\n\r\n`);
    const [first] = (await once(socket, 'data')) as [Buffer];
    expect(first.toString()).toMatch(/^HTTP\/1\.1 413 /);
    expect(first.toString()).toContain(
      'body: expected at most 1048576 bytes; received more. Send fewer rows at a time.',
    );
    socket.destroy();
    await expectHealthy();
  });

  it('answers 413 to a chunked body without end, keeping none of it', async () => {
    const socket = await open();
    const answer = answerOf(socket);
    socket.write('POST /v2/models/churn/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
    const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536, 0x20), Buffer.from('\r\n')]);
    const before = process.memoryUsage().arrayBuffers;
    for (let sent = 0; sent < 128 * MIB && !socket.destroyed; sent += 65_536) {
      if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * MIB);
    expect(await answer).toMatch(/^HTTP\/1\.1 413 /);
    await expectHealthy();
  });

  it('bounds the bodies of all requests together, and others are served', async () => {
    const body = 768 * 1024;
    const sockets = await Promise.all(Array.from({ length: 12 }, open));
    const answers = sockets.map(answerOf);
    for (const socket of sockets) {
      socket.write(`POST /endpoints/churn/predict HTTP/1.1\r\nHost: x\r\nContent-Length: ${body + 1}\r\n\r\n`);
      socket.write(Buffer.alloc(body, 0x20));
    }
    await delay(200);
    const busy = (await Promise.race([Promise.all(answers), delay(100)])) ?? [];
    expect(busy).toEqual([]);
    expect((await get(`${server.address}/v2/health/live`)).status).toBe(200);
    const texts = await Promise.all(answers);
    expect(texts.filter((text) => text.startsWith('HTTP/1.1 503 ')).length).toBeGreaterThan(4);
    expect(texts.filter((text) => text.startsWith('HTTP/1.1 408 ')).length).toBeGreaterThan(2);
    await expectHealthy();
  });

  it('gives back the room of clients that leave in the middle of a body', async () => {
    for (let round = 0; round < 3; round++) {
      const sockets = await Promise.all(Array.from({ length: 5 }, open));
      for (const socket of sockets) {
        socket.write(`POST /endpoints/churn/predict HTTP/1.1\r\nHost: x\r\nContent-Length: ${MIB}\r\n\r\n`);
        socket.write(Buffer.alloc(700 * 1024, 0x20));
      }
      await delay(50);
      for (const socket of sockets) socket.destroy();
      await delay(50);
    }
    await expectHealthy();
  });

  it('cuts 500 sockets that send a byte now and then, while healthy clients are served', async () => {
    const sockets = await Promise.all(Array.from({ length: 500 }, open));
    const closed = sockets.map(answerOf);
    const drip = setInterval(() => {
      for (const socket of sockets) if (socket.writable) socket.write('x');
    }, 200);
    for (const socket of sockets) socket.write('POST /endpoints/churn/predict HTTP/1.1\r\nX-Slow: ');
    for (let count = 0; count < 20; count++) await expectHealthy();
    const answers = await Promise.all(closed);
    clearInterval(drip);
    expect(answers.every((answer) => answer === '' || answer.startsWith('HTTP/1.1 408 '))).toBe(true);
  });

  it('cuts a client that never reads its answers', async () => {
    const socket = await open();
    socket.pause();
    const request = Buffer.from('GET /endpoints/churn HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2000));
    let sent = 0;
    while (sent < 400 && !socket.destroyed) {
      if (!socket.write(request)) {
        const wasCut = await Promise.race([
          once(socket, 'drain').then(
            () => false,
            () => true,
          ),
          delay(500).then(() => true),
        ]);
        if (wasCut) break;
      }
      sent += 1;
    }
    await expectHealthy();
    socket.destroy();
  });

  it('survives garbage on its port, and answers what is no HTTP with 400', async () => {
    const seed = Number(process.env['MILLRACE_SEED'] ?? 20260101);
    let state = seed;
    const random = (most: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state % most;
    };
    const begin = 'POST /v2/models/churn/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{"inputs":[{"name":3';
    for (let round = 0; round < 60; round++) {
      const socket = await open();
      const answer = answerOf(socket);
      const bytes = round % 2 === 0 ? randomBytes(1 + random(4000)) : Buffer.from(begin);
      if (round % 2 === 1) for (let flip = 0; flip < 4; flip++) bytes[random(bytes.length)] = random(256);
      socket.end(bytes);
      const text = await answer;
      expect(text === '' || /^HTTP\/1\.1 (4\d\d|503) /.test(text), `seed ${seed}, round ${round}: ${text}`).toBe(true);
    }
    const socket = await open();
    socket.write('\x16\x03\x01\x02\x00\x01\x00');
    expect(await answerOf(socket)).toContain('{"error":"request: expected an HTTP request; received other bytes."}');
    await expectHealthy();
  });

  it.each(['..', '..%2f..%2fetc', '%2e%2e', 'a%5cb', 'a%00b', 'x'.repeat(300), '%23', '%E0%A4%A'])(
    'refuses the hostile name %s in every place of a path',
    async (name) => {
      for (const path of [
        `/endpoints/${name}`,
        `/v2/models/${name}`,
        `/v2/models/churn/versions/${name}`,
        `/v2/models/${name}/versions/1/ready`,
      ]) {
        const socket = await open();
        const answer = answerOf(socket);
        socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
        const text = await answer;
        expect(text, path).toMatch(/^HTTP\/1\.1 4\d\d /);
        expect(text, path).toContain('{"error":"');
      }
    },
  );

  it('takes keys that belong to every object for unknown features', async () => {
    const body = '{"rows":[{"age":1,"events":1,"plan":"x","active":true,"__proto__":{"admin":true},"constructor":1}]}';
    const reply = await post(`${server.address}/endpoints/churn/predict`, body);
    expect(reply.status).toBe(400);
    expect((reply.body as { error: string }).error).toContain(
      'rows[0].__proto__: expected a feature of the model; received an unknown name.',
    );
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  it('parses deep nesting without falling over', async () => {
    const deep = `{"rows":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    expect(await post(`${server.address}/endpoints/churn/predict`, deep)).toMatchObject({ status: 400 });
    await expectHealthy();
  });

  it('gives back the room of answers that waited behind another one when their client leaves', async () => {
    const body = JSON.stringify({ rows: Array.from({ length: 4000 }, () => rows.rows[0]) });
    const request = `POST /endpoints/churn/predict HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    for (let round = 0; round < 4; round++) {
      const socket = await open();
      socket.write(request.repeat(6));
      await delay(30);
      socket.destroy();
    }
    await expect.poll(() => metric('millrace_held_bytes')).toBeLessThan(10_000);
    await expectHealthy();
  });

  it('answers 10,000 requests that are open at once, and nothing of them stays', async () => {
    const body = JSON.stringify(rows);
    const request = `POST /endpoints/churn/predict HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const sockets = await Promise.all(Array.from({ length: 200 }, open));
    const counts = await Promise.all(
      sockets.map(async (socket) => {
        let text = '';
        socket.setEncoding('latin1');
        socket.on('data', (chunk: string) => {
          text += chunk;
          if (text.split('HTTP/1.1 200 ').length === 51) socket.end();
        });
        const closed = once(socket, 'close');
        socket.write(request.repeat(50));
        await closed;
        return text.split('HTTP/1.1 200 ').length - 1;
      }),
    );
    expect(counts.every((count) => count === 50)).toBe(true);
    await expect.poll(() => metric('millrace_open_requests')).toBe(1);
    expect(await metric('millrace_held_bytes')).toBe(0);
  });

  it('answers 20,000 requests that one client sends without waiting', async () => {
    const socket = await open();
    const head = 'POST /endpoints/churn/predict HTTP/1.1\r\nHost: x\r\n';
    socket.write(`${head}Content-Length: 11\r\n\r\n{"rows":[]}`.repeat(20_000));
    const last = answerOf(socket);
    socket.write('GET /v2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect((await last).split('HTTP/1.1 200 ').length - 1).toBe(20_001);
  });

  it('cuts a client that sends more than 1,000 requests ahead of answers that do not come, and counts none of them on', async () => {
    const limits = { maxConnections: 1000, maxBodiesBytes: MIB, headersTimeoutMs: 10_000, requestTimeoutMs: 10_000 };
    let over = 0;
    const traffic = new Traffic(limits, () => {
      over += 1;
    });
    const silent = openHttpServer(
      limits,
      traffic,
      () => true,
      () => {},
      () => {},
    );
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    try {
      const socket = connect({ host: '127.0.0.1', port: (silent.address() as AddressInfo).port });
      socket.on('error', () => {});
      const closed = answerOf(socket);
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(5000));
      await closed;
      await expect.poll(() => over).toBe(1000);
      expect([traffic.connections, traffic.openRequests, traffic.heldBytes]).toEqual([0, 0, 0]);
    } finally {
      silent.closeAllConnections();
      silent.close();
    }
  });

  it('refuses more connections than it may have, and makes room by closing idle ones', async () => {
    const small = await startServer({ ...world.sources, port: 0, limits: { maxConnections: 20 } });
    const connectTo = async (): Promise<Socket> => {
      const socket = connect({ host: '127.0.0.1', port: small.port });
      socket.on('error', () => {});
      await once(socket, 'connect');
      return socket;
    };
    try {
      const idle = await Promise.all(Array.from({ length: 20 }, connectTo));
      for (const socket of idle) {
        socket.write('GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n');
        await once(socket, 'data');
      }
      const refused = await connectTo();
      refused.resume();
      await once(refused, 'close');
      await Promise.all(idle.map((socket) => (socket.destroyed ? null : once(socket, 'close'))));
      expect((await get(`${small.address}/v2/health/live`)).status).toBe(200);
    } finally {
      await small.close();
    }
  });

  const head = 'POST /endpoints/churn/predict HTTP/1.1\r\nHost: x\r\n';
  it.each([
    ['both a length and chunks', `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['two lengths', `${head}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd`, 400],
    ['a negative length', `${head}Content-Length: -1\r\n\r\n`, 400],
    ['a length beyond all integers', `${head}Content-Length: 99999999999999999999999\r\n\r\n`, 400],
    ['chunks that are not the last coding', `${head}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`, 400],
    ['a coding that hides chunks', `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400],
    ['a space before a colon', `${head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, 400],
    ['a chunk without a size', `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n`, 400],
    [
      'a chunk extension of 64 KiB',
      `${head}Transfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(65_536)}\r\na\r\n0\r\n\r\n`,
      413,
    ],
    ['a flood of headers', `${head}${'X-More: yes\r\n'.repeat(5000)}\r\n`, 431],
    ['a header of 64 KiB', `${head}X-Long: ${'x'.repeat(65_536)}\r\n\r\n`, 431],
    ['a path of 64 KiB', `GET /${'x'.repeat(65_536)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
    ['no Host', 'GET /v2 HTTP/1.1\r\n\r\n', 400],
    ['an expectation of another kind', `${head}Expect: miracles\r\nContent-Length: 1\r\n\r\n`, 417],
    ['a line feed in the path', 'GET /v2\n/x HTTP/1.1\r\nHost: x\r\n\r\n', 400],
  ])('refuses %s with a JSON error', async (_what, bytes, status) => {
    const socket = await open();
    const answer = answerOf(socket);
    socket.write(bytes);
    const text = await answer;
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    const { error } = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as { error: string };
    expect(error).toMatch(/^request: expected /);
    await expectHealthy();
  });

  it('answers pipelined requests in their order', async () => {
    const socket = await open();
    const answer = answerOf(socket);
    const body = JSON.stringify(rows);
    socket.write(
      `${head}Content-Length: ${body.length}\r\n\r\n${body}GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n${head}Connection: close\r\nContent-Length: 2\r\n\r\n{}`,
    );
    expect((await answer).match(/"predictions"|"extensions"|one key/g)).toEqual([
      '"predictions"',
      '"extensions"',
      'one key',
    ]);
  });

  it.each([
    ['a product that overflows', [2 ** 53, 2 ** 53]],
    ['a size beyond the bytes', [99_999]],
    ['a negative size', [-1]],
    ['a fraction', [1.5]],
    ['no axes', []],
    ['many axes', Array.from({ length: 1000 }, () => 1)],
  ])('refuses a shape with %s before anything is made for it', async (_what, shape) => {
    const input = { name: 'events', datatype: 'INT64', shape, data: [1] };
    const reply = await post(`${server.address}/v2/models/churn/infer`, { inputs: [input] });
    expect(reply.status).toBe(400);
    expect((reply.body as { error: string }).error).toContain('inputs[0].');
    await expectHealthy();
  });
});
