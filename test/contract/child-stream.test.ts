import { once } from 'node:events';
import { expect, test } from 'vitest';
import { openChildStream } from '../../src/host/child-stream.ts';

test.each([
  ['before its stdout, which a child of it still has', ['sh', '-c', 'sleep 0.2 & exit 3'], 3],
  ['after its stdout', ['sh', '-c', 'exec >&-; sleep 0.2; exit 3'], 3],
  ['by a signal', ['sh', '-c', 'kill -9 $$'], null],
])('the stream of a program closes when the program has ended %s, also while nobody writes', async (_how, [program = 'sh', ...words], code) => {
  const { stream, ended } = await openChildStream([program, ...words], { PATH: process.env['PATH'] ?? '' });
  stream.resume();
  await once(stream, 'close', { signal: AbortSignal.timeout(10_000) });
  expect(await ended).toMatchObject({ code });
});
