import { expect, test } from 'vitest';
import { PgreplError } from '../../../src/errors.ts';
import { waitFor } from '../../../src/plan/wait.ts';

const quick = { deadlineMs: 5_000, everyMs: 1 };

test('it asks until there is a value', async () => {
  let asked = 0;
  expect(await waitFor('three', async () => await Promise.resolve((asked += 1) === 3 ? 'here' : null), quick)).toBe('here');
  expect(asked).toBe(3);
});

test('a timeout says what was waited for and what was said last', async () => {
  const wait = waitFor('node2 to stream', async (say) => await Promise.resolve(say('it is catching up')).then(() => null), { deadlineMs: 20, everyMs: 5 });
  await expect(wait).rejects.toMatchObject({ kind: 'unfinished', code: 'wait-timeout', message: 'node2 to stream did not come within 20 ms: it is catching up' });
});

test('a probe that hangs does not outlive the deadline', async () => {
  await expect(waitFor('an answer', async () => await new Promise(() => undefined), { deadlineMs: 20, everyMs: 5 })).rejects.toMatchObject({ code: 'wait-timeout' });
});

test('a signal ends the wait at once, also when it fired before', async () => {
  const controller = new AbortController();
  const wait = waitFor('nothing', async () => await Promise.resolve(null), { deadlineMs: 60_000, everyMs: 30_000, signal: controller.signal });
  controller.abort();
  await expect(wait).rejects.toMatchObject({ kind: 'interrupted' });
  await expect(waitFor('nothing', async () => await Promise.resolve(null), { ...quick, signal: controller.signal })).rejects.toMatchObject({ kind: 'interrupted' });
});

test('what the probe throws ends the wait', async () => {
  const error = new PgreplError('undone', 'candidate-changed', 'it is not a standby');
  await expect(waitFor('it', async () => await Promise.reject(error), quick)).rejects.toBe(error);
});
