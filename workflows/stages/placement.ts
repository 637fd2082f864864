import { availableParallelism, totalmem } from 'node:os';
import type { Placement } from '../../pipelines/contracts/operator.js';
import { resolveDevice } from '../device-class.js';
import { slotCounts } from './slots.js';

/** Half the memory for DuckDB, all cores, the device of the machine. */
export function defaultPlacement(): Placement {
  return {
    threads: availableParallelism(),
    memoryLimitMb: Math.max(512, Math.floor(totalmem() / 2 / 1024 / 1024)),
    device: 'auto',
  };
}

/** The placement of one stage: its share of the memory, since as many SQL stages run at once, and the device that is there. */
export function boundPlacement(placement: Partial<Placement> | undefined): Placement {
  const { threads, memoryLimitMb, device } = { ...defaultPlacement(), ...placement };
  return {
    threads,
    memoryLimitMb: Math.max(256, Math.floor(memoryLimitMb / slotCounts.sql)),
    device: resolveDevice(device),
  };
}
