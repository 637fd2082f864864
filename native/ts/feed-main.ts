// The child process that writes a feed. It ends with its parent: when the channel closes, nothing is left to write for.
import { join } from 'node:path';
import { isMillraceError } from '../../pipelines/contracts/errors.js';
import { quoteLiteral } from '../../pipelines/contracts/sql.js';
import { duckdbLibrary, type FeedSession, type FeedTarget, loadFeedAddon } from './feed-addon.js';
import { blockOf, createShards, sha256OfFile, type WrittenShard } from './feed-files.js';
import type { ChildError, FeedRequest, FeedResponse, FromChild, ToChild } from './feed-protocol.js';

const progressEveryMs = 200;
const cancelEveryMs = 20;

let session: FeedSession | null = null;
let isCancelled = false;
let phase: 'parts' | 'rows' | 'digests' = 'parts';

function send(message: FromChild): void {
  process.send?.(message);
}

process.on('disconnect', () => {
  process.kill(process.pid, 'SIGKILL');
});

process.on('message', (message: ToChild) => {
  if (message.kind === 'cancel') cancel();
  else void answer(message.request);
});

/** An interrupt between two statements is lost, so it is repeated until the session has ended. */
function cancel(): void {
  isCancelled = true;
  session?.cancel();
  setTimeout(cancel, cancelEveryMs).unref();
}

async function answer(request: FeedRequest): Promise<void> {
  const timer = setInterval(() => {
    send({ kind: 'progress', phase, rows: session?.progress() ?? 0 });
  }, progressEveryMs);
  let last: FromChild;
  try {
    last = { kind: 'done', response: await write(request) };
  } catch (error) {
    last = { kind: 'failed', error: childError(error) };
  }
  clearInterval(timer);
  process.send?.(last, undefined, undefined, () => {
    process.exit(0);
  });
}

async function write(request: FeedRequest): Promise<FeedResponse> {
  const { FeedSession } = loadFeedAddon();
  session = new FeedSession(duckdbLibrary(), settings(request), request.rows);
  if (isCancelled) throw cancelled();
  const counts = request.partsSql === null ? null : await session.assignParts(request.partsSql);
  phase = 'rows';
  const targets: FeedTarget[] = [];
  const parts: Record<string, { rows: number; shards: readonly WrittenShard[] }> = {};
  for (const { name, code } of request.parts) {
    const rows = counts === null ? request.rows : counts[code]!;
    const { target, shards } = await createShards(request.directory, name, code, rows, request.tensors);
    parts[name] = { rows, shards };
    targets.push(target);
  }
  const hasRows = targets.some((target) => target.rows > 0);
  const blocks = request.tensors.map(blockOf);
  const { problems } = hasRows ? await session.write({ sql: request.rowsSql, blocks, targets }) : { problems: [] };
  phase = 'digests';
  const digests: Record<string, { bytes: number; sha256: string }> = {};
  if (request.digests && problems.length === 0) {
    for (const { path } of Object.values(parts).flatMap((part) => part.shards)) {
      if (isCancelled) throw cancelled();
      digests[path] = await sha256OfFile(join(request.directory, path));
    }
  }
  return { counts, parts, problems, digests, peakMb: process.resourceUsage().maxRSS / 1024 };
}

/** No network, no extensions, no files but the dataset's; the last statement locks all of it. */
function settings(request: FeedRequest): string[] {
  const directories = request.readable.map((directory) =>
    quoteLiteral(directory.endsWith('/') ? directory : `${directory}/`),
  );
  return [
    `SET threads = ${request.threads}`,
    `SET memory_limit = '${request.memoryLimitMb}MiB'`,
    `SET temp_directory = ${quoteLiteral(join(request.directory, '.spill'))}`,
    `SET TimeZone = 'UTC'`,
    'SET preserve_insertion_order = false',
    'SET enable_progress_bar = false',
    'SET autoinstall_known_extensions = false',
    'SET autoload_known_extensions = false',
    'SET allow_community_extensions = false',
    `SET allowed_directories = [${directories.join(', ')}]`,
    'SET enable_external_access = false',
    'SET lock_configuration = true',
  ];
}

function cancelled(): Error {
  return Object.assign(new Error('cancelled'), { code: 'CANCELLED' });
}

function childError(error: unknown): ChildError {
  const { code, message } = error as { code?: unknown; message?: string };
  if (isMillraceError(error))
    return { code: error.code === 'ADDON_MISSING' ? 'ADDON_MISSING' : 'INTERNAL', message: error.message };
  const known = ['CANCELLED', 'DISK_FULL', 'WRITE', 'QUERY'] as const;
  const found = known.find((candidate) => candidate === code);
  if (found !== undefined) return { code: found, message: message ?? '' };
  if (code === 'ENOSPC' || code === 'EDQUOT') return { code: 'DISK_FULL', message: message ?? '' };
  return { code: 'INTERNAL', message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
