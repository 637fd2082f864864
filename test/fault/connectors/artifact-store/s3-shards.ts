import { createHash } from 'node:crypto';

/** The same bytes in every process: 40 files of 300 kB and one that goes up in 5 parts. */
export async function writeShards(write: (path: string, bytes: Buffer) => Promise<void>): Promise<void> {
  for (let index = 0; index < 40; index++) await write(`part-${index}`, filled(index, 300_000));
  await write('large', filled(1000, 40_000_000));
}

function filled(seed: number, bytes: number): Buffer {
  const block = createHash('sha512').update(String(seed)).digest();
  return Buffer.alloc(bytes, block);
}
