import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** The processes that a process started, and theirs. */
export function descendantsOf(pid: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const line of execFileSync('ps', ['-eo', 'pid,ppid']).toString().trim().split('\n').slice(1)) {
    const [child = 0, parent = 0] = line.trim().split(/\s+/).map(Number);
    children.set(parent, [...(children.get(parent) ?? []), child]);
  }
  const found: number[] = [];
  for (let next: number[] = [pid]; next.length > 0; ) {
    next = next.flatMap((one) => children.get(one) ?? []);
    found.push(...next);
  }
  return found;
}

/** The same, once one of them runs a program of this name. */
export async function descendantsWith(pid: number, name: string): Promise<readonly number[]> {
  for (let tries = 0; tries < 3000; tries++) {
    const found = descendantsOf(pid);
    if (found.some((one) => programOf(one).includes(name))) return found;
    await delay(20);
  }
  throw new Error(`no ${name} below process ${pid} within a minute`);
}

/** Its command line; nothing for one that has ended meanwhile. */
function programOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

/** Paths of the files that a process has open. */
export function openFiles(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${name}`);
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}

/** Resolves once all of them have ended. @throws after 15 s, with those that live. */
export async function allEnded(pids: readonly number[]): Promise<void> {
  let living = pids;
  for (let tries = 0; tries < 150; tries++) {
    living = living.filter(isRunning);
    if (living.length === 0) return;
    await delay(100);
  }
  throw new Error(`processes outlived their parent: ${living.join(', ')}`);
}

/** A zombie has ended, though nobody has asked for its exit code yet. */
function isRunning(pid: number): boolean {
  try {
    return !execFileSync('ps', ['-o', 'stat=', '-p', String(pid)])
      .toString()
      .trim()
      .startsWith('Z');
  } catch {
    return false;
  }
}
