import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LeaseOwner } from '../../pipelines/contracts/metadata.js';
import { currentOwner, isOwnerDead } from '../metadata-store/process-owner.js';
import { errorCode } from './disk-errors.js';

/** What a writer of another machine or boot left counts as dead when nothing in it changed for this long. */
const foreignAgeMs = 24 * 60 * 60 * 1000;

const separator = '~';

/** The owner is in the name itself, so that no moment exists at which a directory has none. */
function nameFor(owner: LeaseOwner): string {
  return [owner.bootId, owner.pid, owner.processStart, randomUUID()].join(separator);
}

function ownerOf(name: string): LeaseOwner | null {
  const [bootId, pid, processStart, id, ...rest] = name.split(separator);
  if (bootId === undefined || processStart === undefined || id === undefined || rest.length > 0) return null;
  return /^\d+$/.test(pid ?? '') ? { bootId, pid: Number(pid), processStart } : null;
}

/** Makes a directory under `parent` that `sweepOwned` takes away once this process is gone. */
export async function createOwned(parent: string): Promise<string> {
  const directory = join(parent, nameFor(currentOwner()));
  await mkdir(directory, { recursive: true });
  return directory;
}

/** Removes the directories whose owners are dead; what it cannot read as owned it leaves alone. @returns how many. */
export async function sweepOwned(parent: string): Promise<number> {
  let removed = 0;
  for (const name of await readdir(parent).catch(emptyIfMissing)) {
    const owner = ownerOf(name);
    if (owner === null) continue;
    const directory = join(parent, name);
    const isDead = owner.bootId === currentOwner().bootId ? isOwnerDead(owner) : await isOld(directory);
    if (!isDead) continue;
    await rm(directory, { recursive: true, force: true });
    removed += 1;
  }
  return removed;
}

async function isOld(directory: string): Promise<boolean> {
  let newest = 0;
  try {
    newest = (await stat(directory)).mtimeMs;
    for (const entry of await readdir(directory, { recursive: true })) {
      newest = Math.max(newest, (await stat(join(directory, entry))).mtimeMs);
    }
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  return Date.now() - newest > foreignAgeMs;
}

function emptyIfMissing(error: unknown): string[] {
  if (errorCode(error) === 'ENOENT') return [];
  throw error;
}
