import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import type { LeaseOwner } from '../../pipelines/contracts/metadata.js';

/**
 * Where pids mean the same: the kernel's boot id together with the pid namespace, since containers of one
 * machine share the boot id but not the pids. Without /proc the host name stands in.
 */
function readBootId(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    const namespace = readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
    return `${boot}.${namespace}`;
  } catch {
    return `host.${hostname()}`;
  }
}

/**
 * Start time in clock ticks since boot: field 22 of /proc/<pid>/stat, counted behind the command's last ')'.
 * null where the process is gone or a zombie; '' where /proc is absent and a signal finds the process alive.
 */
function readProcessStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
  } catch {
    if (hasProc()) return null;
  }
  try {
    process.kill(pid, 0);
    return '';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? '' : null;
  }
}

function hasProc(): boolean {
  try {
    readFileSync('/proc/self/stat');
    return true;
  } catch {
    return false;
  }
}

let current: LeaseOwner | null = null;

/** This process, named for good. */
export function currentOwner(): LeaseOwner {
  current ??= { bootId: readBootId(), pid: process.pid, processStart: readProcessStart(process.pid) ?? '' };
  return current;
}

/** True only where it is certain: the owner lived where we live, and its process is gone. */
export function isOwnerDead(owner: LeaseOwner): boolean {
  if (owner.bootId !== currentOwner().bootId) return false;
  const start = readProcessStart(owner.pid);
  if (start === null) return true;
  return start !== '' && owner.processStart !== '' && start !== owner.processStart;
}
