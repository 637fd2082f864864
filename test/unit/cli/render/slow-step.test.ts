import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SlowStep } from '../../../../cli/render/slow-step.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('tells of the step that has taken two seconds, once, and of no other', () => {
  const lines: string[] = [];
  const step = new SlowStep({ write: (text: string | Uint8Array) => lines.push(String(text)) > 0 });
  step.begin('compiling');
  vi.advanceTimersByTime(1999);
  step.begin('checking the SQL of rows');
  vi.advanceTimersByTime(1999);
  expect(lines).toEqual([]);
  vi.advanceTimersByTime(5000);
  expect(lines).toEqual(['  … checking the SQL of rows\n']);
  step.begin('checking types');
  step[Symbol.dispose]();
  vi.advanceTimersByTime(5000);
  expect(lines).toHaveLength(1);
});
