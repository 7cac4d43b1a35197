import { setMaxListeners } from 'node:events';
import type { Io } from './io.ts';
import { runCli } from './router.ts';

const interruption = new AbortController();
// Everything that waits listens to it, of every node: Node warns from the eleventh on.
setMaxListeners(0, interruption.signal);
let hardStop: (() => string) | null = null;

const stop = (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void => {
  if (!interruption.signal.aborted) {
    interruption.abort(signal);
    return;
  }
  process.stderr.write(`\n${hardStop?.() ?? 'interrupted'}\n`);
  process.exit(signal === 'SIGTERM' ? 143 : 130);
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    stop(signal);
  });
}
// A reader that has gone away (`| head`, a closed terminal) is no reason to leave a run half way.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

const io: Io = {
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  program: process.argv[1],
  // Made at first use: most commands never read it.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interruption.signal,
  onHardStop: (saying) => {
    hardStop = saying;
  },
};

// Whoever waits for the end of a program that Node was told not to wait for has nothing open: Node would end here, with exit code 0.
setInterval(() => undefined, 60_000);

void (async () => {
  const exitCode = await runCli(io);
  // What was written goes out first; then nothing that is still open (a socket, a timer) holds the program.
  await Promise.all([process.stdout, process.stderr].map(async (stream) => {
    await new Promise<void>((resolve) => {
      if (stream.destroyed || stream.writableEnded) resolve();
      else stream.write('', () => {
        resolve();
      });
    });
  }));
  process.exit(exitCode);
})();
