import { runRank } from './rank-process.js';
import type { ScoreRequest, ScoreResult, TrainEvent, TrainRequest, TrainResult } from './train-types.js';

export type { ScoreRequest, ScoreResult, TrainEvent, TrainRequest, TrainResult } from './train-types.js';

/**
 * Trains in a child process, whose loop runs in C++, and writes the best weights to `request.weightsPath`.
 * The weights are a function of the request without threads and paths: any interruption and resume gives the same bytes.
 *
 * @throws TRAIN_DIVERGED - the loss is not finite; carries `step` and `epoch`; the last good checkpoint stays.
 * @throws CANCELLED - `signal` was aborted; a checkpoint of the last finished step stays.
 * @throws DEVICE_UNAVAILABLE - device 'cuda' without a card.
 * @throws CHILD_DIED - the process was killed or crashed; retryable.
 */
export async function train(
  request: TrainRequest,
  callbacks: { onEvent(event: TrainEvent): void; readonly signal: AbortSignal },
): Promise<TrainResult> {
  const message = { kind: 'train' as const, request: { ...request, statistics: withoutStrings(request.statistics) } };
  const { result } = await runRank(message, 'trained', callbacks.signal, ({ event }) => callbacks.onEvent(event));
  return result;
}

/**
 * Runs the evaluation form over feed shards in a child process; rows in order, outputs by name.
 *
 * @throws ARTIFACT_CORRUPT - weights or shards do not fit the graph.
 * @throws CANCELLED, CHILD_DIED
 */
export async function score(
  request: ScoreRequest,
  signal: AbortSignal = new AbortController().signal,
): Promise<ScoreResult> {
  const message = { kind: 'score' as const, request: { ...request, statistics: withoutStrings(request.statistics) } };
  const { result } = await runRank(message, 'scored', signal, () => {});
  return result;
}

/** Vocabularies of strings serve the encode region alone, and may be long. */
function withoutStrings(statistics: TrainRequest['statistics']): TrainRequest['statistics'] {
  return {
    ...statistics,
    slots: Object.fromEntries(Object.entries(statistics.slots).filter(([, slot]) => slot.dtype !== 'string')),
  };
}
