import type { Services } from '../services.js';
import { type ActivitiesOptions, createRunActivities } from './run-activities.js';

/** Every activity of a worker, by the name that workflows call. */
export function createActivities(services: Services, options: ActivitiesOptions): object {
  return { ...createRunActivities(services, options) };
}
