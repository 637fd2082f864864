import { readdirSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isOwnerDead } from '../../../connectors/metadata-store/process-owner.js';
import { descendantsOf, openFiles } from '../processes.js';
import { leftovers } from '../run-log.js';
import { plantedSecret, secretName } from '../secret.js';
import type { OpenedStore } from './opened-store.js';

/** How long what was told to end may take. */
const patienceMs = 10_000;

/**
 * I6: processes that outlived who started them, and with them the ports they listen on; found by the files they hold, by
 * their command line and by the environment that they inherited. Asked before the checker itself opens the store.
 *
 * @param live - processes that still work on the store, and all below them.
 */
export async function processViolations(directory: string, live: readonly number[]): Promise<string[]> {
  const until = performance.now() + patienceMs;
  for (;;) {
    const found = strayProcesses(directory, live);
    if (found.length === 0 || performance.now() > until) return found;
    await delay(100);
  }
}

function strayProcesses(directory: string, live: readonly number[]): string[] {
  const ours = new Set([process.pid, ...descendantsOf(process.pid)]);
  const spared = new Set([process.pid, ...live.flatMap((pid) => [pid, ...descendantsOf(pid)])]);
  const found: string[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || spared.has(pid)) continue;
    const command = readProc(pid, 'cmdline').replaceAll('\0', ' ').trim();
    const usesStore =
      command.includes(directory) ||
      openFiles(pid).some((file) => file === directory || file.startsWith(`${directory}${sep}`));
    const isOrphan = !ours.has(pid) && readProc(pid, 'environ').includes(`${secretName}=${plantedSecret}`);
    if (usesStore || isOrphan) found.push(`I6: process ${pid} lives on: ${command.slice(0, 200)}`);
  }
  return found;
}

/** Nothing for a process that has ended or is another user's. */
function readProc(pid: number, file: 'cmdline' | 'environ'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}

/** I6: scratch, temporary directories and files half-written. */
export async function fileViolations(directory: string): Promise<string[]> {
  const found = leftovers(directory).map((path) => `I6: ${path} was left`);
  for (const path of await readdir(directory, { recursive: true }).catch(() => [])) {
    if (/\.(partial|tmp)$/.test(path) && !/^(tmp|scratch)\//.test(path)) found.push(`I6: ${path} was left`);
  }
  return found;
}

interface LeaseRow {
  readonly key: string;
  readonly boot_id: string;
  readonly pid: number;
  readonly process_start: string;
}

/** I6: leases, those of the dead too. */
export function leaseViolations(store: OpenedStore, live: readonly number[]): string[] {
  return store
    .rows<LeaseRow>('SELECT key, boot_id, pid, process_start FROM leases ORDER BY key')
    .filter(({ pid }) => !live.includes(pid))
    .map(({ key, boot_id: bootId, pid, process_start: processStart }) => {
      const owner = `${isOwnerDead({ bootId, pid, processStart }) ? 'the dead ' : ''}process ${pid}`;
      return `I6: the lease ${key} of ${owner} was left`;
    });
}
