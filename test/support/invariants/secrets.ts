import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenedStore } from './opened-store.js';

/** I8: the planted secret in the bytes of a file below the directory: logs, artifacts, event files, databases. */
export async function secretViolations(directory: string, secret: string): Promise<string[]> {
  const found: string[] = [];
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    if (entry.name.includes(secret) || (entry.isFile() && (await holds(path, Buffer.from(secret)))))
      found.push(`I8: ${path.slice(directory.length + 1).replaceAll(secret, '<secret>')} holds the planted secret`);
  }
  return found;
}

/** The same in the rows of the metadata: a page's end may cut a text in the file in two. */
export function secretRowViolations(store: OpenedStore, secret: string): string[] {
  const tables = store.rows<{ readonly name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'");
  return tables
    .filter(({ name }) => JSON.stringify(store.rows(`SELECT * FROM ${name}`)).includes(secret))
    .map(({ name }) => `I8: a row of ${name} holds the planted secret`);
}

async function holds(path: string, secret: Buffer): Promise<boolean> {
  let tail = Buffer.alloc(0);
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      const bytes = Buffer.concat([tail, chunk]);
      if (bytes.includes(secret)) return true;
      tail = bytes.subarray(Math.max(0, bytes.length - secret.length + 1));
    }
  } catch (error) {
    // SQLite takes its log away when the last one closes the database.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return false;
}
