import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { MillraceError, nearestName } from '../../pipelines/contracts/errors.js';

/**
 * Expands a path or glob below `root` into absolute paths, sorted by their text.
 * `*` and `?` stay inside a folder's name, `**` crosses folders, `[a-c]` and `{a,b}` are as in a shell; a file that
 * has exactly the pattern's name comes first. Names that begin with a dot match only a dot.
 *
 * @throws SOURCE_NOT_FOUND - with the nearest existing name.
 */
export async function expandSource(root: string, pattern: string, path: string): Promise<readonly string[]> {
  if (pattern === '' || pattern.includes('\0')) {
    throw new MillraceError('NAME_INVALID', {
      path,
      expected: 'a path or glob without NUL',
      received: pattern === '' ? 'an empty text' : 'one with NUL',
    });
  }
  const absolute = isAbsolute(pattern) ? resolve('/', pattern) : resolve(root, pattern);
  const literal = await fileKind(absolute);
  if (literal === 'file') return [absolute];
  if (literal === 'directory') {
    throw new MillraceError('SOURCE_NOT_FOUND', {
      path,
      expected: 'a file or a glob of files',
      received: `the directory '${pattern}'`,
      hint: `Write '${pattern.replace(/\/+$/, '')}/*' for the files in it.`,
    });
  }
  if (!/[*?[{]/.test(pattern)) throw await notFound(absolute, pattern, path);
  const found = new Set<string>();
  for (const each of alternatives(absolute)) {
    for (const file of await matches(
      '/',
      each.split('/').filter((part) => part !== ''),
    ))
      found.add(file);
  }
  if (found.size === 0) {
    throw new MillraceError('SOURCE_NOT_FOUND', {
      path,
      expected: 'at least one file',
      received: `none that matches '${pattern}'`,
      hint: `The pattern is resolved from ${isAbsolute(pattern) ? "the file system's root" : `'${root}'`}.`,
    });
  }
  return [...found].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

async function notFound(absolute: string, pattern: string, path: string): Promise<MillraceError> {
  const siblings = await readdir(dirname(absolute)).catch(() => null);
  const near = siblings === null ? null : nearestName(basename(absolute), siblings);
  return new MillraceError('SOURCE_NOT_FOUND', {
    path,
    expected: 'an existing file',
    received: `'${pattern}', which is not there`,
    hint:
      siblings === null
        ? `Its directory '${dirname(pattern)}' does not exist either.`
        : near === null
          ? `Its directory holds ${
              siblings.length === 0
                ? 'nothing'
                : siblings
                    .sort()
                    .slice(0, 5)
                    .map((name) => `'${name}'`)
                    .join(', ')
            }.`
          : `Did you mean '${besides(pattern, near)}'?`,
    details: { pattern, nearest: near },
  });
}

/** A name in the folder of a pattern, written as the pattern writes it. */
function besides(pattern: string, name: string): string {
  return `${pattern.slice(0, pattern.lastIndexOf('/') + 1)}${name}`;
}

async function fileKind(path: string): Promise<'file' | 'directory' | null> {
  const found = await stat(path).catch(() => null);
  if (found === null) return null;
  return found.isDirectory() ? 'directory' : 'file';
}

/** `a{b,c}d` → `abd`, `acd`. */
function alternatives(pattern: string): string[] {
  const found = /^(.*?)\{([^{}]*,[^{}]*)\}(.*)$/s.exec(pattern);
  if (!found) return [pattern];
  const [, before = '', inside = '', after = ''] = found;
  return inside.split(',').flatMap((choice) => alternatives(`${before}${choice}${after}`));
}

async function matches(folder: string, parts: readonly string[]): Promise<string[]> {
  const [part, ...rest] = parts;
  if (part === undefined) return [];
  if (!/[*?[]/.test(part)) {
    const next = join(folder, part);
    const kind = await fileKind(next);
    if (rest.length === 0) return kind === 'file' ? [next] : [];
    return kind === 'directory' ? matches(next, rest) : [];
  }
  const entries = (await readdir(folder).catch(() => [])).sort();
  const found: string[] = [];
  if (part === '**') {
    found.push(...(await matches(folder, rest)));
    for (const name of entries) {
      if (!name.startsWith('.') && (await fileKind(join(folder, name))) === 'directory')
        found.push(...(await matches(join(folder, name), parts)));
    }
    if (rest.length === 0) {
      for (const name of entries)
        if (!name.startsWith('.') && (await fileKind(join(folder, name))) === 'file') found.push(join(folder, name));
    }
    return found;
  }
  const expression = partExpression(part);
  for (const name of entries) {
    if (!expression.test(name) || (name.startsWith('.') && !part.startsWith('.'))) continue;
    const next = join(folder, name);
    const kind = await fileKind(next);
    if (rest.length === 0) {
      if (kind === 'file') found.push(next);
    } else if (kind === 'directory') found.push(...(await matches(next, rest)));
  }
  return found;
}

function partExpression(part: string): RegExp {
  let text = '';
  for (let index = 0; index < part.length; index++) {
    const character = part[index] ?? '';
    const closing = character === '[' ? part.indexOf(']', index + 2) : -1;
    if (character === '*') text += '[^/]*';
    else if (character === '?') text += '[^/]';
    else if (closing > 0) {
      const inside = part
        .slice(index + 1, closing)
        .replace(/^!/, '^')
        .replaceAll('\\', '\\\\');
      text += `[${inside}]`;
      index = closing;
    } else text += character.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  }
  return new RegExp(`^${text}$`, 's');
}
