import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * C++ without its comments and layout: what an addon is made of. Text in quotes stays as it is.
 * Line ends stay, because a directive ends there.
 */
export function stripComments(source: string): string {
  const token = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  const bare = source.replace(token, (match) => (match.startsWith('/') ? ' ' : match));
  return bare
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n');
}

/** CMake's comments. */
function stripHashes(source: string): string {
  return source
    .split('\n')
    .map((line) => line.replace(/^\s*#.*$/, '').trim())
    .filter((line) => line !== '')
    .join('\n');
}

/** sha256 of the native sources, comments and layout left out, and of the flags in CMakeLists.txt. */
export function sourceDigest(nativeFolder: string): string {
  const hash = createHash('sha256');
  for (const folder of ['addon', 'cmake', 'core', 'feed', 'graph', 'train']) {
    for (const path of sourcesOf(join(nativeFolder, folder))) {
      const text = readFileSync(path, 'utf8');
      hash.update(`${path.slice(nativeFolder.length)}\n`);
      hash.update(path.endsWith('.txt') ? stripHashes(text) : stripComments(text));
      hash.update('\n');
    }
  }
  return hash.digest('hex');
}

function sourcesOf(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(cpp|h|txt)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
  } catch {
    return [];
  }
}
