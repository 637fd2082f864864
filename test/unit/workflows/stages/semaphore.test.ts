import { expect, test } from 'vitest';
import { Semaphore } from '../../../../workflows/stages/semaphore.js';

const never = new AbortController().signal;

/** A body that runs until it is let go. */
function held(): { readonly body: () => Promise<void>; readonly release: () => void; readonly begun: Promise<void> } {
  let release = (): void => {};
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const until = new Promise<void>((resolve) => {
    release = resolve;
  });
  return {
    body: () => {
      begin();
      return until;
    },
    release,
    begun,
  };
}

test('bodies wait for a slot in the order in which they came', async () => {
  const semaphore = new Semaphore(1);
  const first = held();
  const order: string[] = [];
  const note = (name: string) => async (): Promise<void> => {
    order.push(name);
  };
  const all = [
    semaphore.run(never, first.body),
    semaphore.run(never, note('second')),
    semaphore.run(never, note('third')),
  ];
  await first.begun;
  expect(order).toEqual([]);
  first.release();
  await Promise.all(all);
  expect(order).toEqual(['second', 'third']);
});

test('one that is cancelled while it waits never begins, and its place goes to the next', async () => {
  const semaphore = new Semaphore(1);
  const first = held();
  const running = semaphore.run(never, first.body);
  const controller = new AbortController();
  const cancelled = semaphore.run(controller.signal, () => Promise.reject(new Error('began')));
  const next = semaphore.run(never, async () => 'next');
  controller.abort(new Error('cancelled'));
  await expect(cancelled).rejects.toThrow('cancelled');
  first.release();
  await running;
  expect(await next).toBe('next');
  await expect(semaphore.run(controller.signal, async () => 'late')).rejects.toThrow('cancelled');
  expect(await semaphore.run(never, async () => 'free')).toBe('free');
});

test('a body that throws gives its slot back', async () => {
  const semaphore = new Semaphore(1);
  await expect(semaphore.run(never, () => Promise.reject(new Error('torn')))).rejects.toThrow('torn');
  expect(await semaphore.run(never, async () => 'free')).toBe('free');
});
