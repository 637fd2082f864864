import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What `fetchLibtorch` gets. */
export const pinnedVersion = '2.14.1';

/** Patch releases keep the interface that native/ uses. */
const supported = /^2\.14\./;

export const supportedVersions = '2.14.x';

export function isSupported(version: string): boolean {
  return supported.test(version);
}

/** The version that the headers of a libtorch folder (with include/ and lib/) say, or null where it is none. */
export function versionOfFolder(directory: string): string | null {
  let text: string;
  try {
    text = readFileSync(join(directory, 'include', 'torch', 'headeronly', 'version.h'), 'utf8');
  } catch {
    return null;
  }
  const part = (name: string): string | undefined => new RegExp(`#define TORCH_VERSION_${name} (\\d+)`).exec(text)?.[1];
  const [major, minor, patch] = [part('MAJOR'), part('MINOR'), part('PATCH')];
  return major === undefined || minor === undefined || patch === undefined ? null : `${major}.${minor}.${patch}`;
}
