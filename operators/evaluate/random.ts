/** A seeded stream of 32-bit numbers. */
export interface Random {
  /** 0 .. 2^32 - 1. */
  next(): number;
  /** 0 .. limit - 1, for a limit up to 2^31; the bias is below limit / 2^32. */
  below(limit: number): number;
}

/**
 * sfc32 (Doty-Humphrey, PractRand), seeded by (seed, stream): equal for equal arguments on every machine, since it uses
 * 32-bit integers alone.
 */
export function createRandom(seed: number, stream: number): Random {
  let a = seed | 0;
  let b = stream | 0;
  let c = 0x9e3779b9 | 0;
  let counter = 1;
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 16; i++) next();
  return { next, below: (limit) => Math.floor((next() * limit) / 4294967296) };
}

/** A random order of 0 .. count - 1 (Fisher and Yates). */
export function shuffledIndices(count: number, random: Random): Uint32Array {
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const kept = order[i]!;
    order[i] = order[j]!;
    order[j] = kept;
  }
  return order;
}
