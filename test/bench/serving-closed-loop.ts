import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';

/** One HTTP answer as a raw client sees it. */
export interface RawReply {
  readonly status: number;
  readonly headers: string;
  readonly body: Buffer;
}

export interface LoopResult {
  readonly requests: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** Sorted, ms. */
  readonly latencies: Float64Array;
  /** Connections that ended without an answer to a request that was sent. */
  readonly broken: number;
}

export interface LoopOptions {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  /** The whole bytes of request number `index`. */
  readonly request: (index: number) => Buffer;
  /** Throws where the answer to request `index` is not right. `sentAt` is performance.now() of its sending. */
  readonly check: (reply: RawReply, index: number, sentAt: number) => void;
  /** Stops sending when it turns true; what was sent is still awaited. */
  readonly isOver: () => boolean;
  /** Opens a new connection when the server ends one between two requests. Default: true. */
  readonly reconnects?: boolean;
}

export function httpRequest(
  host: string,
  path: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  const bytes = Buffer.from(body);
  const lines = [`POST ${path} HTTP/1.1`, `Host: ${host}`, `Content-Length: ${bytes.length}`];
  for (const [name, value] of Object.entries({ 'Content-Type': 'application/json', ...headers }))
    lines.push(`${name}: ${value}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), bytes]);
}

/** Takes whole answers off the front of what a socket received. */
class ReplyParser {
  #received: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): RawReply[] {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const replies: RawReply[] = [];
    for (;;) {
      const end = this.#received.indexOf('\r\n\r\n');
      if (end < 0) return replies;
      const headers = this.#received.toString('latin1', 0, end);
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(headers)?.[1] ?? 0);
      const total = end + 4 + length;
      if (this.#received.length < total) return replies;
      replies.push({ status: Number(headers.slice(9, 12)), headers, body: this.#received.subarray(end + 4, total) });
      this.#received = this.#received.subarray(total);
    }
  }
}

/**
 * Sends requests on a fixed number of connections, each the next one when the last one is answered, and checks every
 * answer. The client does next to nothing per request, so that the server is what is measured.
 */
export async function closedLoop(options: LoopOptions): Promise<LoopResult> {
  const latencies: number[] = [];
  let next = 0;
  let broken = 0;
  const start = performance.now();
  const open = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket: Socket = connect({ host: options.host, port: options.port, noDelay: true });
      const parser = new ReplyParser();
      let index = -1;
      let sentAt = 0;
      const send = (): void => {
        if (options.isOver()) {
          index = -1;
          socket.end();
          resolve();
          return;
        }
        index = next++;
        sentAt = performance.now();
        socket.write(options.request(index));
      };
      socket.on('connect', send);
      socket.on('data', (chunk) => {
        for (const reply of parser.push(chunk)) {
          latencies.push(performance.now() - sentAt);
          try {
            options.check(reply, index, sentAt);
          } catch (error) {
            socket.destroy();
            reject(error);
            return;
          }
          if (/\r\nconnection: close/i.test(reply.headers)) {
            index = -1;
            socket.end();
          } else send();
        }
      });
      socket.on('error', () => {});
      socket.on('close', () => {
        if (index >= 0) broken += 1;
        if (options.isOver() || options.reconnects === false) resolve();
        else open().then(resolve, reject);
      });
    });
  await Promise.all(Array.from({ length: options.connections }, open));
  const seconds = (performance.now() - start) / 1000;
  const sorted = Float64Array.from(latencies).sort();
  return { requests: sorted.length, seconds, perSecond: sorted.length / seconds, latencies: sorted, broken };
}
