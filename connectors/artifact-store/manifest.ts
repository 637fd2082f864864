import { createHash } from 'node:crypto';
import type { ArtifactFile, ArtifactManifest } from '../../pipelines/contracts/artifacts.js';
import { isMillraceError, MillraceError } from '../../pipelines/contracts/errors.js';
import { canonicalJson } from '../../pipelines/plan/digest.js';
import { checkFileName, isDigest } from './file-names.js';

/** The bytes of `manifest.json`, whose sha256 is the artifact's name. */
export function encodeManifest(manifest: ArtifactManifest): Buffer {
  return Buffer.from(canonicalJson(manifest), 'utf8');
}

export function digestBytes(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function missing(digest: string, cause?: unknown): MillraceError {
  return new MillraceError('ARTIFACT_MISSING', {
    path: `artifact ${digest}`,
    expected: 'an artifact in this store',
    received: 'none of this digest',
    hint: 'The stage that made it computes it again in the next run.',
    ...(cause === undefined ? {} : { cause }),
  });
}

export function corrupt(digest: string, expected: string, received: string, cause?: unknown): MillraceError {
  return new MillraceError('ARTIFACT_CORRUPT', {
    path: `artifact ${digest}`,
    expected,
    received,
    hint: 'The stage that made it computes it again in the next run.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Reads a manifest as untrusted input: the bytes must have the digest, and the form must be right. @throws ARTIFACT_CORRUPT */
export function decodeManifest(digest: string, bytes: Buffer): ArtifactManifest {
  const actual = digestBytes(bytes);
  if (actual !== digest) throw corrupt(digest, 'a manifest of this digest', `one of digest ${actual}`);
  let manifest: ArtifactManifest;
  try {
    manifest = JSON.parse(bytes.toString('utf8')) as ArtifactManifest;
  } catch (cause) {
    throw corrupt(digest, 'a manifest in JSON', 'another text', cause);
  }
  if (manifest === null || typeof manifest !== 'object' || manifest.formatVersion !== 1) {
    throw corrupt(digest, 'a manifest of format version 1', 'another form');
  }
  if (!Array.isArray(manifest.files)) throw corrupt(digest, 'a list of files', typeof manifest.files);
  for (const file of manifest.files as readonly ArtifactFile[]) checkFile(digest, file);
  return manifest;
}

function checkFile(digest: string, file: ArtifactFile): void {
  try {
    checkFileName(file.path);
  } catch (cause) {
    throw corrupt(digest, 'safe file names', isMillraceError(cause) ? cause.received : 'another form', cause);
  }
  if (!Number.isSafeInteger(file.bytes) || file.bytes < 0 || !isDigest(file.sha256)) {
    throw corrupt(digest, `size and sha256 of ${file.path}`, 'another form');
  }
}
