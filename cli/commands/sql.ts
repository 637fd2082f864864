import type { CommonOptions } from '../open.js';
export async function sql(_q: string, _o: CommonOptions): Promise<void> {
  throw new Error('wip');
}
