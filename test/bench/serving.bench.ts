import { type ChildProcess, execFile, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { openPredictor } from '../../serving/predictor.js';
import { openWorld, writeBundle } from '../integration/serving/world.js';
import { python } from '../peers/python.js';
import { alternate, type BenchOptions, type BenchResult, benchResult, pairUp, spread } from './bench-result.js';
import { closedLoop, httpRequest, type RawReply } from './serving-closed-loop.js';
import { benchSignature, featureNames, matrixModel, namedModel, seededNumbers } from './serving-model.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const CONNECTIONS = 32;
const DISTINCT = 64;
const PATH = '/endpoints/churn/predict';
/** What `uvicorn[standard]` runs on; without them the rival would be slower. */
const UVICORN_EXTRAS = ['uvloop==0.23.0', 'httptools==0.9.0'];

interface Case {
  readonly rows: number;
  readonly requests: readonly Buffer[];
  readonly expected: readonly (readonly number[])[];
  /** Bodies that were found right, by request: the same bytes need not be parsed again. */
  readonly right: readonly Buffer[][];
}

interface Answer {
  readonly predictions: readonly { readonly probability: number; readonly class: string }[];
}

export async function makeCase(rows: number): Promise<Case> {
  await using world = await openWorld();
  const artifact = await writeBundle(world.artifacts, namedModel(), benchSignature);
  await using predictor = await openPredictor({ artifact, infer: world.infer });
  const requests: Buffer[] = [];
  const expected: number[][] = [];
  for (let index = 0; index < DISTINCT; index++) {
    const numbers = seededNumbers(rows * featureNames.length, 1000 + index);
    const named = Array.from({ length: rows }, (_, row) =>
      Object.fromEntries(featureNames.map((name, column) => [name, numbers[row * featureNames.length + column]!])),
    );
    const answers = (await predictor.predict(named)) as Answer['predictions'];
    expected.push(answers.map(({ probability }) => probability));
    requests.push(httpRequest('127.0.0.1', PATH, JSON.stringify({ rows: named }), { 'X-Rows': String(rows) }));
  }
  return { rows, requests, expected, right: requests.map(() => []) };
}

function checkAnswer({ status, body }: RawReply, expected: readonly number[], right: Buffer[]): void {
  if (status === 200 && right.some((known) => known.equals(body))) return;
  const { predictions } = JSON.parse(body.toString()) as Answer;
  const isRight =
    status === 200 &&
    predictions.length === expected.length &&
    predictions.every((one, row) => {
      const target = expected[row]!;
      return Math.abs(one.probability - target) <= 1e-6 && one.class === String(one.probability >= 0.5);
    });
  if (!isRight) throw new Error(`a wrong answer: ${status} ${body.toString().slice(0, 200)}`);
  // Batches of other sizes may differ in the last bits.
  if (right.length < 8) right.push(Buffer.from(body));
}

interface Rate {
  readonly perSecond: number;
  /** Requests for each second of processor time that the server took. */
  readonly perCpuSecond: number;
}

/** User and system time of a process, s. @see proc(5), fields utime and stime, in ticks of 10 ms */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Load on one port; every answer is checked. */
async function rate(server: Served, { requests, expected, right }: Case, ms: number, isChecked = true): Promise<Rate> {
  const end = performance.now() + ms;
  const cpu = cpuSeconds(server.pid);
  const result = await closedLoop({
    host: '127.0.0.1',
    port: server.port,
    connections: CONNECTIONS,
    request: (index) => requests[index % DISTINCT]!,
    check: (reply, index) => {
      if (isChecked) checkAnswer(reply, expected[index % DISTINCT]!, right[index % DISTINCT]!);
      else if (reply.status !== 200) throw new Error(`the bare server answered ${reply.status}`);
    },
    isOver: () => performance.now() >= end,
  });
  if (result.broken > 0) throw new Error(`${result.broken} connections broke`);
  return { perSecond: result.perSecond, perCpuSecond: result.requests / (cpuSeconds(server.pid) - cpu) };
}

interface Served {
  readonly pid: number;
  readonly port: number;
}

async function startOurs(): Promise<{ child: ChildProcess; port: number; barePort: number }> {
  const outfile = join(root, 'dist', 'bench', 'serving-server.mjs');
  await build({
    absWorkingDir: root,
    entryPoints: ['test/bench/serving-server.ts'],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
  });
  const child = fork(outfile, [], { cwd: root });
  const [{ port, barePort }] = (await once(child, 'message')) as [{ port: number; barePort: number }];
  return { child, port, barePort };
}

async function pythonPath(executable: string): Promise<string> {
  const directory = join(dirname(dirname(dirname(executable))), UVICORN_EXTRAS.join('-').replaceAll('==', '-'));
  if (existsSync(directory)) return directory;
  const temporary = `${directory}.${process.pid}`;
  const pip = [
    '-m',
    'pip',
    '--python',
    executable,
    'install',
    '--quiet',
    '--no-deps',
    '--target',
    temporary,
    ...UVICORN_EXTRAS,
  ];
  await promisify(execFile)('python3', pip);
  await rename(temporary, directory).catch(() => rm(temporary, { recursive: true, force: true }));
  return directory;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function startRival(directory: string): Promise<{ child: ChildProcess; port: number }> {
  // The peers read their list beside their own code, which scripts/bench.mjs has bundled into this file.
  const list = 'requirements.txt';
  const here = fileURLToPath(new URL('.', import.meta.url));
  await copyFile(join(root, 'test', 'peers', list), join(here, list));
  const executable = await python();
  const extras = await pythonPath(executable);
  const model = join(directory, 'matrix.onnx');
  await writeFile(model, matrixModel());
  const port = await freePort();
  const script = join(root, 'test', 'bench', 'serving-fastapi.py');
  const env = { ...process.env, PYTHONPATH: extras };
  const child = spawn(executable, [script, model, String(port)], { env, stdio: ['ignore', 'inherit', 'inherit'] });
  for (let attempt = 0; attempt < 600; attempt++) {
    const socket = connect(port, '127.0.0.1');
    const isUp = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (isUp) return { child, port };
    if (child.exitCode !== null) throw new Error('the rival ended');
    await delay(50);
  }
  child.kill('SIGKILL');
  throw new Error('the rival does not answer');
}

/**
 * REST, `rows` rows of 20 numbers a request, a 20-64-32-1 network, 32 connections in a closed loop, one worker each.
 * The rival runs the network over one matrix, which costs it less than our 20 named inputs cost us. The limit is a bare
 * node:http server that answers constant bytes of the same length. Beside the rate stands the rate for each second of
 * processor time of the server: the client and other programs take none of it, so it holds on a busy machine too.
 *
 * @param options.pairs - default 5. @param options.ms - length of one measurement; default 2000.
 */
export async function run(options: BenchOptions & { readonly ms?: number } = {}): Promise<BenchResult[]> {
  const { pairs = 5, ms = 2000 } = options;
  const directory = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const ours = await startOurs();
  const rival = await startRival(directory).catch((error: unknown) => {
    ours.child.kill('SIGKILL');
    throw error;
  });
  try {
    const results: BenchResult[] = [];
    const cpu = `${cpus()[0]?.model ?? 'cpu'} × ${cpus().length}`;
    const setting = `${cpu}, Node ${process.version}, ${CONNECTIONS} connections, rival: FastAPI + uvicorn (uvloop, httptools) + onnxruntime, one worker each`;
    const sides = {
      ours: { pid: ours.child.pid ?? 0, port: ours.port },
      rival: { pid: rival.child.pid ?? 0, port: rival.port },
    };
    const bare = { pid: ours.child.pid ?? 0, port: ours.barePort };
    for (const rows of [1, 32]) {
      const about = await makeCase(rows);
      const rates: { ours: Rate[]; rival: Rate[] } = { ours: [], rival: [] };
      const measure = async (side: 'ours' | 'rival'): Promise<number> => {
        const measured = await rate(sides[side], about, ms);
        rates[side].push(measured);
        return measured.perSecond;
      };
      for (const side of [sides.ours, sides.rival]) await rate(side, about, ms / 2);
      const wall = await alternate(
        pairs,
        () => measure('ours'),
        () => measure('rival'),
        'more',
      );
      await rate(bare, about, ms, false);
      const limits: Rate[] = [];
      for (let time = 0; time < 3; time++) limits.push(await rate(bare, about, ms / 2, false));
      const name = `serving: ${rows} ${rows === 1 ? 'row' : 'rows'} a request`;
      const limit = spread(limits.map(({ perSecond }) => perSecond)).median;
      results.push(benchResult({ name, unit: 'requests/s', setting, limit }, wall, 'more'));
      const perCpu = (side: 'ours' | 'rival'): number[] => rates[side].map(({ perCpuSecond }) => perCpuSecond);
      const cpuLimit = spread(limits.map(({ perCpuSecond }) => perCpuSecond)).median;
      const unit = 'requests a second of server CPU';
      const work = pairUp(perCpu('ours'), perCpu('rival'), 'more');
      results.push(benchResult({ name: `${name}, by CPU time`, unit, setting, limit: cpuLimit }, work, 'more'));
    }
    return results;
  } finally {
    rival.child.kill('SIGKILL');
    ours.child.send('stop');
    await once(ours.child, 'exit');
    await rm(directory, { recursive: true, force: true });
  }
}
