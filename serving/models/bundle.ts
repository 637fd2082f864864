import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Artifact } from '../../pipelines/contracts/artifacts.js';
import { MillraceError } from '../../pipelines/contracts/errors.js';
import type { ModelSignature } from '../../pipelines/contracts/signature.js';
import { parseSignature } from '../../pipelines/signature/signature-schema.js';

/** A registered model on disk: what is loaded and served. */
export interface Bundle {
  readonly digest: string;
  readonly signature: ModelSignature;
  /** Absolute path of model.onnx. */
  readonly modelPath: string;
  readonly modelBytes: number;
}

/**
 * Reads what an `onnx` artifact says about itself.
 *
 * @throws ARTIFACT_CORRUPT - another kind of artifact, a file missing, a signature that does not parse.
 */
export async function readBundle(artifact: Artifact): Promise<Bundle> {
  const path = `artifact ${artifact.digest.slice(0, 12)}`;
  const { kind, files } = artifact.manifest;
  const model = files.find((file) => file.path === 'model.onnx');
  const signature = files.find((file) => file.path === 'signature.json');
  if (kind !== 'onnx' || model === undefined || signature === undefined) {
    throw new MillraceError('ARTIFACT_CORRUPT', {
      path,
      expected: 'an onnx artifact with model.onnx and signature.json',
      received: `kind ${kind} with ${files.map((file) => file.path).join(', ') || 'no files'}`,
      hint: 'Register the output of exportOnnx.',
    });
  }
  const text = await readFile(join(artifact.directory, 'signature.json'), 'utf8');
  return {
    digest: artifact.digest,
    signature: parseSignature(text, `${path}/signature.json`),
    modelPath: join(artifact.directory, 'model.onnx'),
    modelBytes: model.bytes,
  };
}
