import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Placement } from '../pipelines/contracts/operator.js';
import { nativeStamp } from './engine-versions.js';

/**
 * What 'auto' means on this machine: CUDA where there is a card, its driver, and a libtorch with CUDA. Part of a training
 * stage's key, so it is told without loading libtorch.
 */
export function resolveDevice(device: Placement['device']): 'cpu' | 'cuda' {
  if (device !== 'auto') return device;
  const { libtorchDirectory } = nativeStamp();
  const hasCard = existsSync('/dev/nvidia0') || existsSync('/dev/nvidiactl');
  return hasCard && libtorchDirectory !== null && existsSync(join(libtorchDirectory, 'lib', 'libtorch_cuda.so'))
    ? 'cuda'
    : 'cpu';
}
