// test/integration/serving/world.ts
// connectors/artifact-store/disk-artifact-store.ts
import { lstat, mkdir as mkdir3, mkdtemp, readdir as readdir3, readFile, rm as rm3, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as join3, join as join5, resolve } from 'node:path';

// pipelines/contracts/errors.ts
var errorCodes = {
  // what the user wrote
  CONFIG_INVALID: 'ConfigError',
  PIPELINE_INVALID: 'ConfigError',
  PIPELINE_NOT_FOUND: 'ConfigError',
  PIPELINE_DOES_NOT_COMPILE: 'ConfigError',
  PIPELINE_THROWS: 'ConfigError',
  PIPELINE_TIMEOUT: 'ConfigError',
  PARAMS_INVALID: 'ConfigError',
  PLAN_INVALID: 'ConfigError',
  PLAN_NOT_DETERMINISTIC: 'ConfigError',
  PLAN_CYCLE: 'ConfigError',
  STAGE_UNUSED: 'ConfigError',
  STAGE_LEAKS_TEST: 'ConfigError',
  STAGE_NOT_FOUND: 'ConfigError',
  CUSTOM_NOT_EXPORTED: 'ConfigError',
  CUSTOM_THROWS: 'ConfigError',
  NETWORK_SHAPE: 'ConfigError',
  NETWORK_INVALID: 'ConfigError',
  GRAPH_NOT_EXPORTABLE: 'ConfigError',
  SQL_INVALID: 'ConfigError',
  SQL_REFUSED: 'ConfigError',
  SQL_UNKNOWN_COLUMN: 'ConfigError',
  NAME_INVALID: 'ConfigError',
  GATE_INVALID: 'ConfigError',
  RUN_NOT_FOUND: 'ConfigError',
  RUN_ACTIVE: 'ConfigError',
  RUN_FINISHED: 'ConfigError',
  MODEL_NOT_FOUND: 'ConfigError',
  ENDPOINT_NOT_FOUND: 'ConfigError',
  REGISTRY_CONFLICT: 'ConfigError',
  GATE_VERSION_REVOKED: 'ConfigError',
  GATE_REQUIRED: 'ConfigError',
  GATE_BASELINE_INCOMPATIBLE: 'ConfigError',
  // what the data holds
  SOURCE_NOT_FOUND: 'DataError',
  SOURCE_EMPTY: 'DataError',
  SOURCE_MALFORMED: 'DataError',
  SOURCE_CHANGED: 'DataError',
  DATA_TYPE: 'DataError',
  DATA_NULL: 'DataError',
  DATA_KEY_NOT_UNIQUE: 'DataError',
  DATA_NOT_FINITE: 'DataError',
  DATA_OUT_OF_RANGE: 'DataError',
  DATA_EMPTY: 'DataError',
  DATA_SINGLE_CLASS: 'DataError',
  DATA_COLUMN_MISSING: 'DataError',
  SPLIT_EMPTY: 'DataError',
  GATE_BASELINE_CONTAMINATED: 'DataError',
  TRAIN_DIVERGED: 'DataError',
  EXPORT_PARITY: 'DataError',
  REQUEST_INVALID: 'DataError',
  REQUEST_TOO_LARGE: 'DataError',
  // where it runs
  LIBTORCH_MISSING: 'EnvironmentError',
  LIBTORCH_VERSION: 'EnvironmentError',
  ADDON_MISSING: 'EnvironmentError',
  TOOL_MISSING: 'EnvironmentError',
  DEVICE_UNAVAILABLE: 'EnvironmentError',
  DISK_FULL: 'EnvironmentError',
  PORT_IN_USE: 'EnvironmentError',
  ENDPOINT_UNAVAILABLE: 'EnvironmentError',
  SERVER_BUSY: 'EnvironmentError',
  STORE_LOCKED: 'EnvironmentError',
  STORE_VERSION: 'EnvironmentError',
  STORE_UNREADABLE: 'EnvironmentError',
  ARTIFACT_MISSING: 'EnvironmentError',
  ARTIFACT_CORRUPT: 'EnvironmentError',
  DOWNLOAD_FAILED: 'EnvironmentError',
  CHILD_DIED: 'EnvironmentError',
  CANCELLED: 'EnvironmentError',
  // us
  INTERNAL: 'InternalError',
};
var MillraceError = class extends Error {
  code;
  path;
  expected;
  received;
  hint;
  retryable;
  details;
  constructor(code, fields) {
    super(
      `${fields.path}: expected ${fields.expected}; received ${fields.received}.${fields.hint ? ` ${fields.hint}` : ''}`,
      fields.cause === void 0 ? void 0 : { cause: fields.cause },
    );
    this.name = errorCodes[code];
    this.code = code;
    this.path = fields.path;
    this.expected = fields.expected;
    this.received = fields.received;
    this.hint = fields.hint ?? null;
    this.retryable = fields.retryable ?? false;
    this.details = fields.details ?? {};
  }
};
var MillraceErrors = class extends MillraceError {
  problems;
  constructor(problems) {
    const [first] = problems;
    if (first === void 0) throw new RangeError('MillraceErrors needs at least one problem');
    const { path, expected, received, retryable, details, hint } = first;
    super(first.code, { path, expected, received, retryable, details, ...(hint === null ? {} : { hint }) });
    this.problems = problems;
    if (problems.length > 1) this.message = problems.map((problem) => problem.message).join('\n');
  }
};
function isMillraceError(error) {
  return error instanceof Error && typeof error.code === 'string' && 'expected' in error;
}
function deserializeError(data) {
  if (data.problems.length > 1) return new MillraceErrors(data.problems.map(deserializeError));
  const error = new MillraceError(data.code, {
    path: data.path,
    expected: data.expected,
    received: data.received,
    retryable: data.retryable,
    details: data.details,
    ...(data.hint === null ? {} : { hint: data.hint }),
  });
  if (data.stack !== null) error.stack = data.stack;
  return error;
}
function nearestName(name, known) {
  let best = null;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}
function editDistance(a2, b, limit) {
  if (Math.abs(a2.length - b.length) >= limit) return limit;
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a2.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1] + (a2[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(row[j - 1] + 1, previous[j] + 1, substitution));
    }
    previous = row;
  }
  return previous[b.length];
}

// connectors/artifact-store/disk-artifact-writer.ts
import { mkdir as mkdir2, open as open2, readdir as readdir2, rename, rm as rm2, rmdir } from 'node:fs/promises';
import { dirname, join as join2 } from 'node:path';

// connectors/artifact-store/disk-errors.ts
function describeDiskError(error, path) {
  if (isMillraceError(error)) return error;
  const code = error.code;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') {
    return new MillraceError('DISK_FULL', {
      path,
      expected: 'room on the disk for the artifact',
      received: code,
      hint: 'Free space and run again; nothing half-written is visible.',
      retryable: true,
      cause: error,
    });
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EIO') {
    return new MillraceError('STORE_UNREADABLE', {
      path,
      expected: 'a store that can be read and written',
      received: code,
      hint: 'Check the path and its permissions.',
      cause: error,
    });
  }
  return error;
}
function errorCode(error) {
  return error.code;
}

// connectors/artifact-store/file-hash.ts
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

var chunkBytes = 1024 * 1024;
async function hashFile(path) {
  const handle = await open(path, 'r');
  try {
    return await hashHandle(handle);
  } finally {
    await handle.close();
  }
}
async function hashHandle(handle) {
  const hash = createHash('sha256');
  const { size } = await handle.stat();
  const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(chunkBytes, size)));
  let bytes = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, bytes);
    if (bytesRead === 0) return { bytes, sha256: hash.digest('hex') };
    hash.update(buffer.subarray(0, bytesRead));
    bytes += bytesRead;
  }
}
async function forEachParallel(items, width, task) {
  const queue = items.values();
  let isFailed = false;
  const lane = async () => {
    for (const item of queue) {
      if (isFailed) return;
      try {
        await task(item);
      } catch (error) {
        isFailed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(width, items.length) }, lane));
  for (const lane2 of lanes) if (lane2.status === 'rejected') throw lane2.reason;
}

// connectors/artifact-store/file-names.ts
var rule =
  "a relative path of '/'-separated names of 1 to 255 bytes, without '.', '..', backslashes and control characters";
var manifestName = 'manifest.json';
function isSafe(path) {
  if (path === '' || path === manifestName || Buffer.byteLength(path) > 1024) return false;
  if (/[\u0000-\u001f\u007f\\]/.test(path)) return false;
  return path
    .split('/')
    .every((name) => name !== '' && name !== '.' && name !== '..' && Buffer.byteLength(name) <= 255);
}
function checkFileName(path) {
  if (isSafe(path)) return;
  throw new MillraceError('NAME_INVALID', {
    path: 'artifact',
    expected: path === manifestName ? `a file that is not named ${manifestName}` : rule,
    received: JSON.stringify(path.length > 60 ? `${path.slice(0, 60)}\u2026` : path),
    hint: 'Choose another name.',
  });
}
function isDigest(text2) {
  return /^[0-9a-f]{64}$/.test(text2);
}

// connectors/artifact-store/manifest.ts
import { createHash as createHash2 } from 'node:crypto';

// pipelines/plan/digest.ts
import { sha256 } from '@noble/hashes/sha2';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils';

function canonicalJson(value) {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`canonical JSON holds finite numbers only, not ${value}`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`;
  if (typeof value === 'object') {
    const members = Object.entries(value)
      .filter(([, member]) => member !== void 0)
      .sort(([a2], [b]) => (a2 < b ? -1 : a2 > b ? 1 : 0))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  throw new TypeError(`canonical JSON cannot hold a ${typeof value}`);
}

// connectors/artifact-store/manifest.ts
function encodeManifest(manifest) {
  return Buffer.from(canonicalJson(manifest), 'utf8');
}
function digestBytes(bytes) {
  return createHash2('sha256').update(bytes).digest('hex');
}
function corrupt(digest, expected, received, cause) {
  return new MillraceError('ARTIFACT_CORRUPT', {
    path: `artifact ${digest}`,
    expected,
    received,
    hint: 'The stage that made it computes it again in the next run.',
    ...(cause === void 0 ? {} : { cause }),
  });
}
function decodeManifest(digest, bytes) {
  const actual = digestBytes(bytes);
  if (actual !== digest) throw corrupt(digest, 'a manifest of this digest', `one of digest ${actual}`);
  let manifest;
  try {
    manifest = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw corrupt(digest, 'a manifest in JSON', 'another text', cause);
  }
  if (manifest === null || typeof manifest !== 'object' || manifest.formatVersion !== 1) {
    throw corrupt(digest, 'a manifest of format version 1', 'another form');
  }
  if (!Array.isArray(manifest.files)) throw corrupt(digest, 'a list of files', typeof manifest.files);
  for (const file of manifest.files) checkFile(digest, file);
  return manifest;
}
function checkFile(digest, file) {
  try {
    checkFileName(file.path);
  } catch (cause) {
    throw corrupt(digest, 'safe file names', isMillraceError(cause) ? cause.received : 'another form', cause);
  }
  if (!Number.isSafeInteger(file.bytes) || file.bytes < 0 || !isDigest(file.sha256)) {
    throw corrupt(digest, `size and sha256 of ${file.path}`, 'another form');
  }
}

// connectors/artifact-store/owned-directory.ts
import { randomUUID } from 'node:crypto';
// connectors/metadata-store/process-owner.ts
import { readFileSync, readlinkSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

function readBootId() {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    const namespace = readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
    return `${boot}.${namespace}`;
  } catch {
    return `host.${hostname()}`;
  }
}
function readProcessStart(pid) {
  try {
    const stat2 = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat2.slice(stat2.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
  } catch {
    if (hasProc()) return null;
  }
  try {
    process.kill(pid, 0);
    return '';
  } catch (error) {
    return error.code === 'EPERM' ? '' : null;
  }
}
function hasProc() {
  try {
    readFileSync('/proc/self/stat');
    return true;
  } catch {
    return false;
  }
}
var current = null;
function currentOwner() {
  current ??= { bootId: readBootId(), pid: process.pid, processStart: readProcessStart(process.pid) ?? '' };
  return current;
}
function isOwnerDead(owner) {
  if (owner.bootId !== currentOwner().bootId) return false;
  const start = readProcessStart(owner.pid);
  if (start === null) return true;
  return start !== '' && owner.processStart !== '' && start !== owner.processStart;
}

// connectors/artifact-store/owned-directory.ts
var foreignAgeMs = 24 * 60 * 60 * 1e3;
var separator = '~';
function nameFor(owner) {
  return [owner.bootId, owner.pid, owner.processStart, randomUUID()].join(separator);
}
function ownerOf(name) {
  const [bootId, pid, processStart, id, ...rest] = name.split(separator);
  if (bootId === void 0 || processStart === void 0 || id === void 0 || rest.length > 0) return null;
  return /^\d+$/.test(pid ?? '') ? { bootId, pid: Number(pid), processStart } : null;
}
async function createOwned(parent) {
  const directory = join(parent, nameFor(currentOwner()));
  await mkdir(directory, { recursive: true });
  return directory;
}
async function sweepOwned(parent) {
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
async function isOld(directory) {
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
function emptyIfMissing(error) {
  if (errorCode(error) === 'ENOENT') return [];
  throw error;
}

// connectors/artifact-store/disk-artifact-writer.ts
var parallelFiles = 4;
var DiskArtifactWriter = class _DiskArtifactWriter {
  kind;
  directory;
  #shelf;
  #isOpen = true;
  constructor(shelf, kind, directory) {
    this.#shelf = shelf;
    this.kind = kind;
    this.directory = directory;
  }
  static async create(shelf, kind) {
    try {
      return new _DiskArtifactWriter(shelf, kind, await createOwned(shelf.temporary));
    } catch (error) {
      throw describeDiskError(error, shelf.temporary);
    }
  }
  async commit(meta, known = /* @__PURE__ */ new Map()) {
    if (!this.#isOpen) {
      throw new MillraceError('INTERNAL', {
        path: `artifact writer of a ${this.kind}`,
        expected: 'one commit or discard',
        received: 'a commit after it',
      });
    }
    this.#isOpen = false;
    try {
      return await this.#publish(meta, known);
    } catch (error) {
      await rm2(this.directory, { recursive: true, force: true });
      throw describeDiskError(error, this.directory);
    }
  }
  async discard() {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await rm2(this.directory, { recursive: true, force: true });
  }
  /** Everything is on the disk before the rename makes it visible, and the rename before it is confirmed. */
  async #publish(meta, known) {
    const { files: paths, directories } = await this.#walk();
    const written = new Set(paths);
    for (const path of known.keys()) {
      if (!written.has(path)) throw this.#unforeseen(path, 'a file that was written', 'a digest without a file');
    }
    const files = [];
    await forEachParallel(paths, parallelFiles, async (path) => {
      files.push(await this.#describe(path, known.get(path)));
    });
    files.sort((a2, b) => (a2.path < b.path ? -1 : 1));
    const manifest = { formatVersion: 1, kind: this.kind, files, meta };
    const bytes = encodeManifest(manifest);
    const digest = digestBytes(bytes);
    const place = this.#shelf.placeOf(digest);
    if (await this.#shelf.isIntact(digest)) {
      await rm2(this.directory, { recursive: true, force: true });
      await syncPath(dirname(place));
      return { digest, manifest, directory: place };
    }
    await forEachParallel(paths, parallelFiles, (path) => syncPath(join2(this.directory, path)));
    await writeDurably(join2(this.directory, manifestName), bytes);
    await forEachParallel(directories, parallelFiles, syncPath);
    await mkdir2(dirname(place), { recursive: true });
    await this.#moveTo(place, digest);
    await syncPath(dirname(place));
    await syncPath(dirname(dirname(place)));
    return { digest, manifest, directory: place };
  }
  async #moveTo(place, digest) {
    for (let attempt = 0; ; attempt++) {
      try {
        return await rename(this.directory, place);
      } catch (error) {
        const isTaken = errorCode(error) === 'ENOTEMPTY' || errorCode(error) === 'EEXIST';
        if (!isTaken || attempt === 3) throw error;
      }
      if (await this.#shelf.isIntact(digest)) return await rm2(this.directory, { recursive: true, force: true });
      const aside = join2(await createOwned(this.#shelf.temporary), 'damaged');
      await rename(place, aside).catch(ignoreMissing);
      await rm2(dirname(aside), { recursive: true, force: true });
    }
  }
  async #walk() {
    const files = [];
    const directories = [];
    const visit = async (directory, prefix) => {
      let isEmpty = true;
      for (const entry of await readdir2(directory, { withFileTypes: true })) {
        const path = `${prefix}${entry.name}`;
        if (entry.isDirectory()) {
          if (await visit(join2(directory, entry.name), `${path}/`)) isEmpty = false;
          else await rmdir(join2(directory, entry.name));
          continue;
        }
        checkFileName(path);
        if (!entry.isFile()) {
          throw this.#unforeseen(path, 'a regular file', entry.isSymbolicLink() ? 'a symbolic link' : 'a special file');
        }
        files.push(path);
        isEmpty = false;
      }
      if (!isEmpty || directory === this.directory) directories.push(directory);
      return !isEmpty;
    };
    await visit(this.directory, '');
    return { files: files.sort(), directories };
  }
  /** Makes one file read-only and hashes it, unless the writer already did. */
  async #describe(path, known) {
    const handle = await open2(join2(this.directory, path), 'r');
    try {
      const { size } = await handle.stat();
      if (known !== void 0 && known.bytes !== size) {
        throw this.#unforeseen(path, `${known.bytes} bytes, as the writer counted`, `${size} bytes`);
      }
      const { bytes, sha256: sha2562 } = known ?? (await hashHandle(handle));
      await handle.chmod(292);
      return { path, bytes, sha256: sha2562 };
    } finally {
      await handle.close();
    }
  }
  #unforeseen(path, expected, received) {
    return new MillraceError('INTERNAL', { path: `artifact of kind ${this.kind}: ${path}`, expected, received });
  }
};
function ignoreMissing(error) {
  if (errorCode(error) !== 'ENOENT') throw error;
}
async function writeDurably(path, bytes) {
  const handle = await open2(path, 'wx', 292);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
async function syncPath(path) {
  const handle = await open2(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

// connectors/artifact-store/disk-artifact-store.ts
var parallelFiles2 = 4;
var DiskArtifactStore = class {
  temporary;
  #artifacts;
  constructor(root) {
    this.#artifacts = join3(root, 'artifacts');
    this.temporary = join3(root, 'tmp');
  }
  async prepare() {
    try {
      await mkdir3(this.#artifacts, { recursive: true });
      await mkdir3(this.temporary, { recursive: true });
    } catch (error) {
      throw describeDiskError(error, this.#artifacts);
    }
  }
  placeOf(digest) {
    return join3(this.#artifacts, digest.slice(0, 2), digest);
  }
  create(kind) {
    return DiskArtifactWriter.create(this, kind);
  }
  async open(digest) {
    if (!isDigest(digest)) {
      throw new MillraceError('NAME_INVALID', {
        path: 'artifact',
        expected: 'a digest of 64 hexadecimal digits',
        received: JSON.stringify(digest.length > 70 ? `${digest.slice(0, 70)}\u2026` : digest),
      });
    }
    const directory = this.placeOf(digest);
    const manifest = decodeManifest(digest, await this.#readManifest(digest, directory));
    await Promise.all(manifest.files.map((file) => this.#checkSize(digest, directory, file)));
    return { digest, manifest, directory };
  }
  isWhole(digest) {
    return succeeds(this.open(digest));
  }
  isIntact(digest) {
    return succeeds(this.verify(digest));
  }
  async verify(digest) {
    const { manifest, directory } = await this.open(digest);
    await forEachParallel(manifest.files, parallelFiles2, async ({ path, sha256: sha2562 }) => {
      const actual = await hashFile(join3(directory, path));
      if (actual.sha256 !== sha2562) throw corrupt(digest, `${path} of sha256 ${sha2562}`, `sha256 ${actual.sha256}`);
    });
  }
  async *list() {
    for (const shelf of (await readdir3(this.#artifacts)).sort()) {
      if (!/^[0-9a-f]{2}$/.test(shelf)) continue;
      for (const digest of (await readdir3(join3(this.#artifacts, shelf))).sort()) {
        if (isDigest(digest)) yield digest;
      }
    }
  }
  async sweep() {
    try {
      return await sweepOwned(this.temporary);
    } catch (error) {
      throw describeDiskError(error, this.temporary);
    }
  }
  async #readManifest(digest, directory) {
    try {
      return await readFile(join3(directory, manifestName));
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw describeDiskError(error, directory);
      throw new MillraceError('ARTIFACT_MISSING', {
        path: `artifact ${digest}`,
        expected: 'an artifact in this store',
        received: 'none of this digest',
        hint: 'The stage that made it computes it again in the next run.',
        cause: error,
      });
    }
  }
  async #checkSize(digest, directory, file) {
    try {
      const found = await lstat(join3(directory, file.path));
      if (!found.isFile()) throw corrupt(digest, `${file.path} as a regular file`, 'something else');
      if (found.size !== file.bytes)
        throw corrupt(digest, `${file.bytes} bytes in ${file.path}`, `${found.size} bytes`);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTDIR') throw describeDiskError(error, directory);
      throw corrupt(digest, `the file ${file.path}`, 'none', error);
    }
  }
};
async function succeeds(check) {
  try {
    await check;
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ARTIFACT_MISSING' || code === 'ARTIFACT_CORRUPT') return false;
    throw error;
  }
}
async function openDiskArtifactStore(root) {
  const store = new DiskArtifactStore(resolve(root));
  await store.prepare();
  return store;
}

// connectors/metadata-store/metadata-store.ts
import { randomUUID as randomUUID2 } from 'node:crypto';

// connectors/metadata-store/held-lease.ts
var HeldLease = class {
  key;
  #caller;
  #token;
  #ttlMs;
  #onReleased;
  #timer;
  #heldUntil;
  #isLost = false;
  #released = null;
  /** @param acquiredAt - `performance.now()` before the lease was asked for. */
  constructor(caller, key, token, ttlMs, acquiredAt, onReleased) {
    this.#caller = caller;
    this.key = key;
    this.#token = token;
    this.#ttlMs = ttlMs;
    this.#heldUntil = acquiredAt + ttlMs;
    this.#onReleased = onReleased;
    this.#timer = setInterval(() => void this.#renew(), ttlMs / 3);
    this.#timer.unref();
  }
  get isHeld() {
    return !this.#isLost && performance.now() < this.#heldUntil;
  }
  release() {
    this.#released ??= this.#end();
    return this.#released;
  }
  [Symbol.asyncDispose]() {
    return this.release();
  }
  async #end() {
    clearInterval(this.#timer);
    this.#isLost = true;
    this.#onReleased(this);
    await this.#caller.call('releaseLease', this.key, this.#token);
  }
  async #renew() {
    const askedAt = performance.now();
    try {
      const isOurs = await this.#caller.call('renewLease', this.key, this.#token, this.#ttlMs);
      if (isOurs) this.#heldUntil = askedAt + this.#ttlMs;
      else this.#lose();
    } catch {}
  }
  #lose() {
    this.#isLost = true;
    clearInterval(this.#timer);
  }
};

// connectors/metadata-store/names.ts
var rule2 = "1 to 128 characters of A-Z a-z 0-9 . _ -, starting with a letter or digit, without '..'";
var pattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
function quoteName(name) {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}\u2026` : name);
}
function checkName(path, name) {
  if (typeof name === 'string' && pattern.test(name) && !name.includes('..')) return;
  throw new MillraceError('NAME_INVALID', {
    path,
    expected: rule2,
    received: typeof name === 'string' ? quoteName(name) : typeof name,
    hint: 'Choose another name.',
  });
}

// connectors/metadata-store/metadata-store.ts
function createMetadataStore(namespace, caller) {
  const leases = /* @__PURE__ */ new Set();
  return {
    namespace,
    createRun: (run) => caller.call('createRun', run),
    setRunStatus: (run, status, error) => caller.call('setRunStatus', run, status, error),
    run: (idOrPrefix) => caller.call('getRun', idOrPrefix),
    runs: (filter) => caller.call('listRuns', filter),
    putStage: (record) => caller.call('putStage', record),
    stages: (run) => caller.call('listStages', run),
    lastStage: (pipeline, stage, beforeRun) => caller.call('lastStage', pipeline, stage, beforeRun),
    cached: (key) => caller.call('getCached', key),
    insertCached: (key, outputs, summary) => caller.call('insertCached', key, outputs, summary),
    dropCached: (key) => caller.call('dropCached', key),
    memo: (scope, key) => caller.call('getMemo', scope, key),
    putMemo: (scope, key, value) => caller.call('putMemo', scope, key, value),
    putMetrics: (run, points) => caller.call('putMetrics', run, points),
    metrics: (run) => caller.call('listMetrics', run),
    async acquireLease(key, ttlMs) {
      const token = randomUUID2();
      const askedAt = performance.now();
      if (!(await caller.call('acquireLease', key, token, currentOwner(), ttlMs))) return null;
      const lease = new HeldLease(caller, key, token, ttlMs, askedAt, (released) => leases.delete(released));
      leases.add(lease);
      return lease;
    },
    leaseHolder: (key) => caller.call('leaseHolder', key),
    registry: createRegistry(caller),
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([...leases].map((lease) => lease.release()));
      await caller.close();
    },
  };
}
function createRegistry(caller) {
  return {
    register: (act, version) => caller.call('registerVersion', act, version),
    models: () => caller.call('listModels'),
    versions: (model) => caller.call('listVersions', model),
    version: (model, selector) => caller.call('selectVersion', model, selector),
    alias: (model, alias) => caller.call('getAlias', model, alias),
    recordGate: (act, record) => caller.call('recordGate', act, record),
    gateRecords: (model, version) => caller.call('listGateRecords', model, version),
    moveAliases: (act, moves, decision) => caller.call('moveAliases', act, moves, decision),
    reject: (model, version, decision) => caller.call('rejectVersion', model, version, decision),
    rollback: (model, alias, decision) => caller.call('rollbackAlias', model, alias, decision),
    readmit: (model, version, decision) => caller.call('readmitVersion', model, version, decision),
    bindEndpoint: (act, binding, decision) => caller.call('bindEndpoint', act, binding, decision),
    endpoints: () => caller.call('listEndpoints'),
    history: (model) => caller.call('listHistory', model),
    verifyHistory: () => caller.call('verifyHistory'),
    revision: () => caller.call('getRevision'),
  };
}
function checkNamespace(namespace) {
  checkName('store.namespace', namespace);
}

// connectors/metadata-store/sqlite-caller.ts
import { existsSync } from 'node:fs';
import { dirname as dirname2, join as join4 } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

function workerFile() {
  const entry = join4('dist', 'connectors', 'metadata-store', 'sqlite-worker.js');
  for (let directory = dirname2(fileURLToPath(import.meta.url)); ; directory = dirname2(directory)) {
    const candidate = join4(directory, entry);
    if (existsSync(candidate)) return candidate;
    if (dirname2(directory) === directory) break;
  }
  throw new MillraceError('INTERNAL', {
    path: entry,
    expected: 'a built package',
    received: 'none above this module',
    hint: 'Run `npm run build`.',
  });
}
var SqliteCaller = class {
  #worker;
  #file;
  #namespace;
  #waiting = /* @__PURE__ */ new Map();
  #outbox = [];
  #nextId = 0;
  #closing = null;
  #death = null;
  constructor(worker, file, namespace) {
    this.#worker = worker;
    this.#file = file;
    this.#namespace = namespace;
    worker.on('message', (message2) => this.#receive(message2));
    worker.on('error', (error) => this.#die(error));
    worker.on('exit', () => this.#die(null));
    worker.unref();
  }
  call(name, ...args) {
    if (this.#closing !== null || this.#death !== null) return Promise.reject(this.#death ?? this.#closed());
    return new Promise((resolve2, reject) => {
      const id = this.#nextId++;
      if (this.#waiting.size === 0) this.#worker.ref();
      this.#waiting.set(id, { resolve: resolve2, reject });
      if (this.#outbox.length === 0) queueMicrotask(() => this.#send());
      this.#outbox.push({ id, name, namespace: this.#namespace, arguments: args });
    });
  }
  close() {
    this.#closing ??= new Promise((resolve2) => {
      if (this.#death !== null) {
        resolve2();
        return;
      }
      this.#worker.ref();
      this.#worker.once('exit', () => resolve2());
      this.#send();
      this.#post({ kind: 'close' });
    });
    return this.#closing;
  }
  #send() {
    if (this.#outbox.length === 0) return;
    const calls = this.#outbox;
    this.#outbox = [];
    try {
      this.#post({ kind: 'calls', calls });
    } catch (error) {
      for (const { id } of calls) this.#settle(id)?.reject(error);
    }
  }
  #post(message2) {
    this.#worker.postMessage(message2);
  }
  #receive(message2) {
    if (message2.kind !== 'replies') return;
    for (const { id, value, error } of message2.replies) {
      const waiting = this.#settle(id);
      if (error === null) waiting?.resolve(value);
      else waiting?.reject(deserializeError(error));
    }
  }
  #settle(id) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0 && this.#closing === null) this.#worker.unref();
    return waiting;
  }
  #die(cause) {
    this.#death ??= this.#closing !== null && cause === null ? this.#closed() : this.#died(cause);
    for (const { reject } of this.#waiting.values()) reject(this.#death);
    this.#waiting.clear();
  }
  #closed() {
    return new MillraceError('INTERNAL', {
      path: this.#file,
      expected: 'an open metadata store',
      received: 'a call after it was closed',
    });
  }
  #died(cause) {
    return new MillraceError('CHILD_DIED', {
      path: this.#file,
      expected: 'a living thread of the metadata store',
      received: cause === null ? 'its end' : cause.message,
      hint: 'Open the store again; what was confirmed is whole.',
      retryable: true,
      ...(cause === null ? {} : { cause }),
    });
  }
};
async function startSqliteCaller(data, namespace) {
  const worker = new Worker(workerFile(), { workerData: data, execArgv: [], trackUnmanagedFds: false });
  await new Promise((resolve2, reject) => {
    worker.once('message', (first) => {
      if (first.kind === 'unopened') reject(deserializeError(first.error));
      else resolve2();
    });
    worker.once('error', reject);
  });
  return new SqliteCaller(worker, data.file, namespace);
}

// connectors/metadata-store/sqlite-metadata-store.ts
async function openSqliteMetadataStore(options) {
  const { file, namespace, busyTimeoutMs = 1e4 } = options;
  checkNamespace(namespace);
  return createMetadataStore(namespace, await startSqliteCaller({ file, busyTimeoutMs }, namespace));
}

// connectors/onnxruntime/inference-engine.ts
import { readFile as readFile2 } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename } from 'node:path';

// connectors/onnxruntime/inspect-model.ts
import { BinaryReader } from '@bufbuild/protobuf/wire';

var limits = { irVersion: 13, opset: 26, mlOpset: 5, graphDepth: 16 };
var domains = {
  '': limits.opset,
  'ai.onnx': limits.opset,
  'ai.onnx.ml': limits.mlOpset,
};
function inspectModel(bytes, path) {
  try {
    new ModelWalker(path).model(new BinaryReader(bytes));
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw new MillraceError('ARTIFACT_CORRUPT', {
      path,
      expected: 'an ONNX model',
      received: `${bytes.byteLength} bytes that are not`,
      cause: error,
    });
  }
}
var ModelWalker = class {
  #path;
  #irVersion = 0;
  #hasGraph = false;
  constructor(path) {
    this.#path = path;
  }
  model(reader) {
    this.#fields(reader, reader.len, (field, wireType) => {
      if (field === 1) this.#irVersion = Number(reader.int64());
      else if (field === 7) {
        this.#hasGraph = true;
        this.#message(reader, (length) => this.#graph(reader, length, 0));
      } else if (field === 8) this.#message(reader, (length) => this.#opset(reader, length));
      else if (field === 25) throw this.#refused('no functions of its own', 'functions');
      else reader.skip(wireType, field);
    });
    if (!this.#hasGraph || this.#irVersion < 3) {
      throw new MillraceError('ARTIFACT_CORRUPT', {
        path: this.#path,
        expected: 'an ONNX model with a graph',
        received: this.#hasGraph ? `IR version ${this.#irVersion}` : 'no graph',
      });
    }
    if (this.#irVersion > limits.irVersion)
      throw this.#refused(`an IR version up to ${limits.irVersion}`, String(this.#irVersion));
  }
  #refused(expected, received) {
    return new MillraceError('GRAPH_NOT_EXPORTABLE', { path: this.#path, expected, received });
  }
  #fields(reader, end, visit) {
    while (reader.pos < end) {
      const [field, wireType] = reader.tag();
      visit(field, wireType);
    }
    if (reader.pos !== end) throw new RangeError('a message that ends inside a field');
  }
  #message(reader, visit) {
    const length = reader.uint32();
    const end = reader.pos + length;
    if (end > reader.len) throw new RangeError('a message that is longer than the file');
    visit(end);
  }
  #opset(reader, end) {
    let domain = '';
    let version = 0;
    this.#fields(reader, end, (field, wireType) => {
      if (field === 1) domain = reader.string();
      else if (field === 2) version = Number(reader.int64());
      else reader.skip(wireType, field);
    });
    const highest = this.#highest(domain);
    if (version < 1 || version > highest)
      throw this.#refused(`an opset of ${domain === '' ? 'ai.onnx' : domain} from 1 to ${highest}`, String(version));
  }
  #highest(domain) {
    const highest = Object.hasOwn(domains, domain) ? domains[domain] : void 0;
    if (highest === void 0)
      throw this.#refused('operators of ai.onnx and ai.onnx.ml', `the domain '${domain.slice(0, 100)}'`);
    return highest;
  }
  #graph(reader, end, depth) {
    if (depth > limits.graphDepth) throw this.#refused(`graphs nested up to ${limits.graphDepth} deep`, 'more');
    const inputs = /* @__PURE__ */ new Set();
    const initializers = /* @__PURE__ */ new Set();
    this.#fields(reader, end, (field, wireType) => {
      if (field === 1) this.#message(reader, (length) => this.#node(reader, length, depth));
      else if (field === 5) this.#message(reader, (length) => initializers.add(this.#tensor(reader, length)));
      else if (field === 15) this.#message(reader, (length) => this.#sparse(reader, length));
      else if (field === 11) this.#message(reader, (length) => inputs.add(this.#name(reader, length)));
      else reader.skip(wireType, field);
    });
    for (const name of inputs) {
      if (initializers.has(name))
        throw this.#refused('inputs without default values', `a default for '${name.slice(0, 100)}'`);
    }
  }
  #node(reader, end, depth) {
    this.#fields(reader, end, (field, wireType) => {
      if (field === 7) this.#highest(reader.string());
      else if (field === 5) this.#message(reader, (length) => this.#attribute(reader, length, depth));
      else reader.skip(wireType, field);
    });
  }
  #attribute(reader, end, depth) {
    this.#fields(reader, end, (field, wireType) => {
      if (field === 5 || field === 10) this.#message(reader, (length) => this.#tensor(reader, length));
      else if (field === 6 || field === 11) this.#message(reader, (length) => this.#graph(reader, length, depth + 1));
      else if (field === 22 || field === 23) this.#message(reader, (length) => this.#sparse(reader, length));
      else reader.skip(wireType, field);
    });
  }
  #sparse(reader, end) {
    this.#fields(reader, end, (field, wireType) => {
      if (field === 1 || field === 2) this.#message(reader, (length) => this.#tensor(reader, length));
      else reader.skip(wireType, field);
    });
  }
  #tensor(reader, end) {
    let name = '';
    let isExternal = false;
    this.#fields(reader, end, (field, wireType) => {
      if (field === 8) name = reader.string();
      else if (field === 13) {
        isExternal = true;
        reader.skip(wireType, field);
      } else if (field === 14) isExternal = reader.int32() !== 0 || isExternal;
      else reader.skip(wireType, field);
    });
    if (isExternal) throw this.#refused('all tensors inside the file', `external data for '${name.slice(0, 100)}'`);
    return name;
  }
  #name(reader, end) {
    let name = '';
    this.#fields(reader, end, (field, wireType) => {
      if (field === 1) name = reader.string();
      else reader.skip(wireType, field);
    });
    return name;
  }
};

// connectors/onnxruntime/library-message.ts
function reasonOf(error) {
  const text2 = error instanceof Error ? error.message : String(error);
  return text2.replaceAll(/\s+/g, ' ').slice(0, 300).replace(/\.$/, '');
}

// connectors/onnxruntime/onnx-session.ts
var dtypes = {
  float32: 'float32',
  float64: 'float64',
  int64: 'int64',
  bool: 'bool',
  string: 'string',
};
var OnnxSession = class {
  inputs;
  outputs;
  #session;
  #Tensor;
  #path;
  #specs;
  #isClosed = false;
  constructor(session, Tensor, path) {
    this.#session = session;
    this.#Tensor = Tensor;
    this.#path = path;
    this.inputs = session.inputMetadata.map((metadata) => specOf(metadata, path, 'input'));
    this.outputs = session.outputMetadata.map((metadata) => specOf(metadata, path, 'output'));
    this.#specs = new Map(this.inputs.map((spec) => [spec.name, spec]));
  }
  async run(feeds) {
    if (this.#isClosed) {
      throw new MillraceError('INTERNAL', {
        path: this.#path,
        expected: 'an open session',
        received: 'a session that was released',
      });
    }
    this.#checkNames(feeds);
    const tensors = {};
    for (const spec of this.inputs) tensors[spec.name] = this.#tensorOf(spec, feeds[spec.name]);
    let results;
    try {
      results = await this.#session.run(tensors);
    } catch (error) {
      throw new MillraceError('REQUEST_INVALID', {
        path: 'inputs',
        expected: `values that ${this.#path} can compute with`,
        received: reasonOf(error),
        cause: error,
      });
    }
    return Object.fromEntries(this.outputs.map(({ name }) => [name, tensorValue(results[name])]));
  }
  async [Symbol.asyncDispose]() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#session.release();
  }
  #checkNames(feeds) {
    for (const spec of this.inputs) {
      if (Object.hasOwn(feeds, spec.name)) continue;
      throw new MillraceError('REQUEST_INVALID', {
        path: `inputs.${spec.name}`,
        expected: `a ${spec.dtype} tensor`,
        received: 'none',
      });
    }
    for (const name of Object.keys(feeds)) {
      if (this.#specs.has(name)) continue;
      const nearest = nearestName(name, this.#specs.keys());
      throw new MillraceError('REQUEST_INVALID', {
        path: `inputs.${name}`,
        expected: 'an input of the model',
        received: `'${name}'`,
        ...(nearest === null ? {} : { hint: `Did you mean '${nearest}'?` }),
      });
    }
  }
  #tensorOf(spec, value) {
    const path = `inputs.${spec.name}`;
    if (value.dtype !== spec.dtype)
      throw new MillraceError('REQUEST_INVALID', { path, expected: `dtype ${spec.dtype}`, received: value.dtype });
    const fits =
      value.shape.length === spec.shape.length &&
      spec.shape.every((size2, axis) => size2 === null || size2 === value.shape[axis]);
    if (!fits) {
      const wanted = spec.shape.map((size2) => size2 ?? 'any').join(', ');
      throw new MillraceError('REQUEST_INVALID', {
        path,
        expected: `shape [${wanted}]`,
        received: `[${value.shape.join(', ')}]`,
      });
    }
    const size = value.shape.reduce((product, axis) => product * axis, 1);
    if (size !== value.data.length || value.shape.some((axis) => !Number.isSafeInteger(axis) || axis < 0)) {
      throw new MillraceError('REQUEST_INVALID', {
        path,
        expected: `${size} values for shape [${value.shape.join(', ')}]`,
        received: String(value.data.length),
      });
    }
    const { shape } = value;
    switch (value.dtype) {
      case 'string':
        return new this.#Tensor('string', value.data, shape);
      case 'bool':
        return new this.#Tensor('bool', value.data, shape);
      case 'int64':
        return new this.#Tensor('int64', value.data, shape);
      case 'float64':
        return new this.#Tensor('float64', value.data, shape);
      case 'float32':
        return new this.#Tensor('float32', value.data, shape);
    }
  }
};
function specOf(metadata, path, what) {
  const dtype = metadata.isTensor ? dtypes[metadata.type] : void 0;
  if (!metadata.isTensor || dtype === void 0) {
    throw new MillraceError('GRAPH_NOT_EXPORTABLE', {
      path,
      expected: `${what}s of dtype ${Object.keys(dtypes).join(', ')}`,
      received: `${metadata.isTensor ? metadata.type : 'no tensor'} for '${metadata.name}'`,
    });
  }
  return {
    name: metadata.name,
    dtype,
    shape: metadata.shape.map((size) => (typeof size === 'number' && size >= 0 ? size : null)),
  };
}
function tensorValue(tensor) {
  const { type, dims, data } = tensor;
  return { dtype: dtypes[type], shape: dims, data };
}

// connectors/onnxruntime/inference-engine.ts
function openInferenceEngine() {
  return { version: `onnxruntime ${packageVersion()}`, load };
}
function packageVersion() {
  const require2 = createRequire(import.meta.url);
  return require2('onnxruntime-node/package.json').version;
}
async function load(modelPath, { threads = 1 } = {}) {
  const path = basename(modelPath);
  const bytes = await readModel(modelPath, path);
  inspectModel(bytes, path);
  const runtime = await import('onnxruntime-node');
  let session;
  try {
    session = await runtime.InferenceSession.create(bytes, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      logSeverityLevel: 3,
    });
  } catch (error) {
    throw new MillraceError('GRAPH_NOT_EXPORTABLE', {
      path,
      expected: 'a model that onnxruntime loads',
      received: reasonOf(error),
      cause: error,
    });
  }
  try {
    return new OnnxSession(session, runtime.Tensor, path);
  } catch (error) {
    await session.release();
    throw error;
  }
}
async function readModel(modelPath, path) {
  try {
    return await readFile2(modelPath);
  } catch (error) {
    throw new MillraceError('ARTIFACT_CORRUPT', {
      path,
      expected: 'a model file',
      received: `'${error.code ?? 'unreadable'}' while reading it`,
      cause: error,
    });
  }
}

// test/integration/serving/tiny-onnx.ts
function varint(value) {
  const bytes = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return bytes;
}
function message(fields) {
  const bytes = [];
  for (const [number, value] of fields) {
    if (typeof value === 'number') bytes.push(...varint(number * 8), ...varint(value));
    else {
      bytes.push(...varint(number * 8 + 2), ...varint(value.length));
      for (const byte of value) bytes.push(byte);
    }
  }
  return Uint8Array.from(bytes);
}
var text = (value) => new TextEncoder().encode(value);
var elementTypes = { float32: 1, int64: 7, string: 8, bool: 9, float64: 11 };
function valueInfo({ name, dtype, width }) {
  const dims = [[1, message([[2, text('batch')]])]];
  if (width !== void 0) dims.push([1, message([[1, width]])]);
  const tensor = message([
    [1, elementTypes[dtype]],
    [2, message(dims)],
  ]);
  return message([
    [1, text(name)],
    [2, message([[1, tensor]])],
  ]);
}
function tinyOnnx({ inputs, outputs, nodes, constants }) {
  const graph = message([
    ...nodes.map(({ op, inputs: from, output, integers = {} }) => {
      const attributes = Object.entries(integers).map(([name, value]) => [
        5,
        message([
          [1, text(name)],
          [3, value],
          [20, 2],
        ]),
      ]);
      return [1, message([...from.map((name) => [1, text(name)]), [2, text(output)], [4, text(op)], ...attributes])];
    }),
    [2, text('tiny')],
    ...constants.map(({ name, shape, values }) => [
      5,
      message([
        ...shape.map((size) => [1, size]),
        [2, elementTypes.float32],
        [8, text(name)],
        [9, new Uint8Array(values.buffer)],
      ]),
    ]),
    ...inputs.map((input) => [11, valueInfo(input)]),
    ...outputs.map((output) => [12, valueInfo(output)]),
  ]);
  return message([
    [1, 10],
    [7, graph],
    [
      8,
      message([
        [1, text('')],
        [2, 21],
      ]),
    ],
  ]);
}

// test/integration/serving/world.ts
var person = { actor: 'user:test', reason: 'a test', evidence: null };
async function openWorld() {
  const directory = await mkdtemp(join5(tmpdir(), 'millrace-serving-'));
  const artifacts = await openDiskArtifactStore(directory);
  const store = await openSqliteMetadataStore({ file: join5(directory, 'metadata.db'), namespace: 'test' });
  const { registry } = store;
  const infer = openInferenceEngine();
  let acts = 0;
  return {
    directory,
    artifacts,
    store,
    registry,
    infer,
    sources: { registry, artifacts, infer },
    register: async (model, bundle) => {
      const act = { run: `run-${acts++}`, stage: 'version' };
      const { version } = await registry.register(act, { model, bundle, report: null, lineage: {} });
      await registry.recordGate(
        { ...act, stage: 'gate' },
        { ...act, model, version: version.version, passed: true, verdict: 'f'.repeat(64) },
      );
      return version;
    },
    promote: async (model, version, alias = 'champion') => {
      const current2 = await registry.alias(model, alias);
      await registry.moveAliases(null, [{ model, alias, expected: current2?.version ?? null, version }], person);
    },
    bind: async (endpoint, model, alias = 'champion') => {
      await registry.bindEndpoint(null, { endpoint, model, alias }, person);
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await rm3(directory, { recursive: true, force: true });
    },
  };
}
var churnSignature = {
  formatVersion: 1,
  task: 'binary',
  inputs: [
    { column: { name: 'age', type: { kind: 'int32', nullable: true } }, dtype: 'float64' },
    { column: { name: 'events', type: { kind: 'int64', nullable: false } }, dtype: 'int64' },
    { column: { name: 'plan', type: { kind: 'string', nullable: true } }, dtype: 'string' },
    { column: { name: 'active', type: { kind: 'bool', nullable: false } }, dtype: 'bool' },
  ],
  outputs: [{ name: 'probability', dtype: 'float32', shape: [null] }],
  labels: ['churned'],
  classes: ['false', 'true'],
  threshold: 0.5,
};
function churnModel(base) {
  return tinyOnnx({
    inputs: churnSignature.inputs.map(({ column, dtype }) => ({ name: column.name, dtype })),
    outputs: [{ name: 'probability', dtype: 'float32' }],
    constants: [
      { name: 'base', shape: [1], values: Float32Array.of(base) },
      { name: 'scale', shape: [1], values: Float32Array.of(1 / 1024) },
      { name: 'zero', shape: [1], values: Float32Array.of(0) },
    ],
    nodes: [
      { op: 'Cast', inputs: ['events'], output: 'events32', integers: { to: 1 } },
      { op: 'Mul', inputs: ['events32', 'scale'], output: 'scaled' },
      { op: 'IsNaN', inputs: ['age'], output: 'missing' },
      { op: 'Or', inputs: ['missing', 'active'], output: 'flag' },
      { op: 'Equal', inputs: ['plan', 'plan'], output: 'same' },
      { op: 'And', inputs: ['flag', 'same'], output: 'both' },
      { op: 'Cast', inputs: ['both'], output: 'both32', integers: { to: 1 } },
      { op: 'Mul', inputs: ['both32', 'zero'], output: 'nothing' },
      { op: 'Add', inputs: ['scaled', 'base'], output: 'sum' },
      { op: 'Add', inputs: ['sum', 'nothing'], output: 'probability' },
    ],
  });
}
async function writeBundle(artifacts, model, signature) {
  const writer = await artifacts.create('onnx');
  await writeFile(join5(writer.directory, 'model.onnx'), model);
  await writeFile(join5(writer.directory, 'signature.json'), JSON.stringify(signature));
  return writer.commit({});
}

// serving/models/worker-session.ts
import { once } from 'node:events';
import { existsSync as existsSync2, readFileSync as readFileSync2 } from 'node:fs';
import { dirname as dirname3, join as join6 } from 'node:path';
import { fileURLToPath as fileURLToPath2 } from 'node:url';
import { Worker as Worker2 } from 'node:worker_threads';

// serving/models/worker-messages.ts
function transferable(tensors) {
  const buffers = [];
  for (const { data } of Object.values(tensors)) {
    if (ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength) {
      buffers.push(data.buffer);
    }
  }
  return buffers;
}

// serving/models/worker-session.ts
function workerFile2() {
  let directory = dirname3(fileURLToPath2(import.meta.url));
  for (; directory !== dirname3(directory); directory = dirname3(directory)) {
    const manifest = join6(directory, 'package.json');
    if (existsSync2(manifest) && JSON.parse(readFileSync2(manifest, 'utf8')).name === 'millrace') break;
  }
  const file = join6(directory, 'dist', 'serving', 'inference-worker.js');
  if (existsSync2(file)) return file;
  throw new MillraceError('TOOL_MISSING', {
    path: 'serve',
    expected: 'the built file dist/serving/inference-worker.js',
    received: 'no such file',
    hint: 'Build Millrace with npm run build.',
  });
}
var WorkerSession = class {
  inputs;
  outputs;
  #modelPath;
  #pending = /* @__PURE__ */ new Map();
  #worker;
  #nextId = 0;
  #isClosed = false;
  constructor(modelPath, worker, ready) {
    this.#modelPath = modelPath;
    this.inputs = ready.inputs;
    this.outputs = ready.outputs;
    this.#worker = Promise.resolve(worker);
    this.#listen(worker);
  }
  #listen(worker) {
    worker.on('message', (message2) => {
      if (message2.kind !== 'outputs' && message2.kind !== 'error') return;
      const pending = this.#pending.get(message2.id);
      this.#pending.delete(message2.id);
      if (message2.kind === 'outputs') pending?.resolve(message2.outputs);
      else pending?.reject(deserializeError(message2.error));
    });
    let cause;
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', (code) => {
      this.#worker = null;
      const died = childDied(`exit code ${code}`, cause);
      for (const { reject } of this.#pending.values()) reject(died);
      this.#pending.clear();
    });
  }
  async #live() {
    if (this.#isClosed) throw childDied('a closed session', void 0);
    this.#worker ??= startWorker(this.#modelPath).then(
      ({ worker }) => {
        this.#listen(worker);
        return worker;
      },
      (error) => {
        this.#worker = null;
        throw error;
      },
    );
    return this.#worker;
  }
  async run(feeds) {
    const worker = await this.#live();
    const id = this.#nextId++;
    return new Promise((resolve2, reject) => {
      this.#pending.set(id, { resolve: resolve2, reject });
      worker.postMessage({ id, feeds }, transferable(feeds));
    });
  }
  async [Symbol.asyncDispose]() {
    this.#isClosed = true;
    const worker = await this.#worker?.catch(() => null);
    await worker?.terminate();
  }
};
function childDied(received, cause) {
  return new MillraceError('CHILD_DIED', {
    path: 'serve.worker',
    expected: 'an inference thread that stays alive',
    received,
    hint: 'Send the request again.',
    retryable: true,
    cause,
  });
}
async function startWorker(modelPath) {
  const worker = new Worker2(workerFile2(), { workerData: { modelPath }, name: 'millrace-inference' });
  worker.unref();
  const exited = new AbortController();
  const { signal } = exited;
  try {
    const exit = once(worker, 'exit', { signal }).then(([code]) => {
      throw childDied(`exit code ${code}`, void 0);
    });
    exit.catch(() => {});
    const [message2] = await Promise.race([once(worker, 'message', { signal }), exit]);
    if (message2.kind === 'ready') return { worker, ready: message2 };
    throw message2.kind === 'failed' ? deserializeError(message2.error) : childDied(message2.kind, void 0);
  } catch (error) {
    void worker.terminate();
    throw isMillraceError(error) ? error : childDied('an error while it loaded the model', error);
  } finally {
    exited.abort();
  }
}
async function openWorkerSession(modelPath) {
  const { worker, ready } = await startWorker(modelPath);
  return new WorkerSession(modelPath, worker, ready);
}

// ../../tmp/serving/w.ts
var world = await openWorld();
var a = await writeBundle(world.artifacts, churnModel(0.5), churnSignature);
var s1 = await world.infer.load(a.directory + '/model.onnx');
var f = () => ({
  age: { dtype: 'float64', shape: [1], data: new Float64Array(1) },
  events: { dtype: 'int64', shape: [1], data: new BigInt64Array(1) },
  plan: { dtype: 'string', shape: [1], data: [''] },
  active: { dtype: 'bool', shape: [1], data: new Uint8Array(1) },
});
var stop = false;
var k = 0;
var lp = (async () => {
  if (process.env.LOAD)
    while (!stop) {
      await s1.run(f());
      k++;
    }
})();
setInterval(() => console.log('k', k), 1e3).unref();
console.log('opening');
var s = await openWorkerSession(a.directory + '/model.onnx');
console.log(s.inputs.length);
stop = true;
console.log(await s.run(f()));
await s[Symbol.asyncDispose]();
await world[Symbol.asyncDispose]();
