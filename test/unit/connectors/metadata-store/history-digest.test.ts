import { expect, test } from 'vitest';
import { entryDigest } from '../../../../connectors/metadata-store/history-operations.js';
import type { HistoryEntry } from '../../../../pipelines/contracts/registry.js';
import { digestOf } from '../../../../pipelines/plan/digest.js';

test('the digest of a history entry is that of its canonical JSON without the digest itself', () => {
  const entry: HistoryEntry = {
    sequence: 3,
    model: 'größe',
    kind: 'promote',
    version: 2,
    alias: 'champion',
    fromVersion: null,
    endpoint: null,
    decision: { reason: '"better"\n\u2028', actor: 'user:ada', evidence: null },
    at: '2026-01-01T00:00:00.000Z',
    digest: 'x',
    previousDigest: 'ab',
  };
  const { digest: _, ...content } = entry;
  expect(entryDigest(entry)).toBe(digestOf(content));
});
