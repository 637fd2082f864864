import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { currentOwner, isOwnerDead } from '../../connectors/metadata-store/process-owner.js';
import type { LeaseOwner, MetadataStore } from '../../pipelines/contracts/metadata.js';
import { digestOf } from '../../pipelines/plan/digest.js';

/** How long a checkpoint waits for somebody who goes on from it. */
const checkpointAgeMs = 7 * 24 * 60 * 60 * 1000;
/** What nobody's note explains, or what another machine or boot left, is taken for dead after this time without a change. */
const strangerAgeMs = 24 * 60 * 60 * 1000;
const sweepLeaseMs = 30_000;

/** What stands beside a scratch folder: who made it, for what, and the lease under which it is used. */
interface ScratchNote {
  readonly owner: LeaseOwner;
  readonly key: string;
  readonly lease: string;
  readonly resumes: boolean;
}

/** A stage's scratch folder: `<id>` with its note `<id>.json`, below the store's `scratch/`. */
export class ScratchFolder {
  readonly directory: string;

  constructor(
    store: string,
    private readonly note: Omit<ScratchNote, 'owner'>,
  ) {
    this.directory = join(placeOf(store), digestOf(note.key).slice(0, 32));
  }

  async create(): Promise<void> {
    await mkdir(join(this.directory, '..'), { recursive: true });
    const note: ScratchNote = { ...this.note, owner: currentOwner() };
    // The note first, and whole: no moment leaves a folder without one.
    const { bootId, pid } = note.owner;
    const partial = `${this.directory}.${bootId}.${pid}.partial`;
    await writeFile(partial, JSON.stringify(note));
    await rename(partial, `${this.directory}.json`);
    await mkdir(this.directory, { recursive: true });
  }

  /** What cannot be removed now is swept later. */
  async remove(): Promise<void> {
    await removeFolder(this.directory).catch(() => {});
  }
}

/**
 * Removes the scratch folders of dead processes: at once where nothing goes on from them or the key's result is kept,
 * checkpoints after seven days. A folder that a live run uses stays: its lease is held.
 */
export async function sweepScratch(store: string, metadata: MetadataStore): Promise<void> {
  const place = placeOf(store);
  const names = await readdir(place).catch(() => [] as string[]);
  for (const name of names.filter(isTornNote)) await rm(join(place, name), { force: true });
  for (const id of new Set(names.map((name) => name.replace(/\..*$/, '')))) {
    const directory = join(place, id);
    const note = await readNote(directory);
    if (note === null) {
      if ((await idleMs(place, names, id)) > strangerAgeMs) await removeFolder(directory);
      continue;
    }
    const isStranger = note.owner.bootId !== currentOwner().bootId;
    if (isStranger ? (await idleMs(place, names, id)) <= strangerAgeMs : !isOwnerDead(note.owner)) continue;
    await using lease = await metadata.acquireLease(note.lease, sweepLeaseMs);
    if (lease === null) continue;
    const isKept = note.resumes && (await idleMs(place, names, id)) <= checkpointAgeMs;
    if (!isKept || (await metadata.cached(note.key)) !== null) await removeFolder(directory);
  }
}

/** A note that a kill on this machine left half written. */
function isTornNote(name: string): boolean {
  const [, bootId, pid] = /^\w+\.(.+)\.(\d+)\.partial$/.exec(name) ?? [];
  return bootId !== undefined && isOwnerDead({ bootId, pid: Number(pid), processStart: '' });
}

function placeOf(store: string): string {
  return join(store, 'scratch');
}

async function readNote(directory: string): Promise<ScratchNote | null> {
  try {
    return JSON.parse(await readFile(`${directory}.json`, 'utf8')) as ScratchNote;
  } catch {
    return null;
  }
}

async function removeFolder(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await rm(`${directory}.json`, { force: true });
}

/** Time since anything of it was written. */
async function idleMs(place: string, names: readonly string[], id: string): Promise<number> {
  const own = names.filter((name) => name === id || name.startsWith(`${id}.`)).map((name) => join(place, name));
  const inside = await readdir(join(place, id), { recursive: true }).catch(() => [] as string[]);
  let newest = 0;
  for (const path of [...own, ...inside.map((name) => join(place, id, name))]) {
    newest = Math.max(newest, (await stat(path).catch(() => null))?.mtimeMs ?? 0);
  }
  return Date.now() - newest;
}
