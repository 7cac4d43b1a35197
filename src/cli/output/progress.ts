import type { Listener, RunEvent } from '../../plan/events.ts';
import { renderBytes } from '../../postgres/units.ts';
import { showMilliseconds, showSeconds } from './amounts.ts';
import { cleanLine, type Terminal } from './terminal.ts';

type StepEvent = Extract<RunEvent, { readonly event: 'step' }>;
type ProgressEvent = Extract<RunEvent, { readonly event: 'progress' }>;

/** On a pipe a running step says where it is at most this often. */
const PIPE_EVERY_MS = 10_000;
const DRAW_EVERY_MS = 100;
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const;

/** Reads the events of a run and shows them; `close` takes the live line away. */
export interface ProgressPrinter {
  readonly listener: Listener;
  /** A line of its own, above the live one. */
  say(line: string): void;
  close(): void;
}

export interface ProgressOptions {
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly now?: () => number;
}

/** On a terminal one line that rewrites itself above which finished steps pile up; on a pipe plain lines. */
export function progressPrinter(terminal: Terminal, options: ProgressOptions): ProgressPrinter {
  if (options.quiet) return { listener: () => undefined, say: terminal.line, close: () => undefined };
  return terminal.isLive ? livePrinter(terminal, options.now ?? Date.now) : plainPrinter(terminal, options.now ?? Date.now);
}

function plainPrinter(terminal: Terminal, now: () => number): ProgressPrinter {
  let meter = meterFor(now);
  let saidAt = 0;
  const about = (event: StepEvent): string => `[${event.number}/${event.of}] ${event.node}: ${cleanLine(event.title)}`;
  const listener: Listener = (event) => {
    if (event.event === 'step') {
      switch (event.state) {
        case 'started':
          meter = meterFor(now);
          saidAt = now();
          terminal.line(about(event));
          return;
        case 'finished':
          terminal.line(`[${event.number}/${event.of}] done${elapsed(event)}`);
          return;
        case 'skipped':
          terminal.line(`${about(event)}: already so`);
          return;
        case 'undone':
          terminal.line(`undone: ${event.node}: ${cleanLine(event.title)}`);
          return;
        case 'failed':
          terminal.line(`[${event.number}/${event.of}] failed${elapsed(event)}`);
          return;
        default:
          event.state satisfies never;
      }
    } else if (event.event === 'progress') {
      meter.take(event);
      if (now() - saidAt < PIPE_EVERY_MS) return;
      saidAt = now();
      terminal.line(`      ${meter.text()}`);
    } else if (event.event === 'no-return') {
      terminal.line(`point of no return: ${event.node}: ${cleanLine(event.says)}`);
    }
  };
  return { listener, say: terminal.line, close: () => undefined };
}

function livePrinter(terminal: Terminal, now: () => number): ProgressPrinter {
  const { paint } = terminal;
  let current: StepEvent | null = null;
  let startedAt = 0;
  let meter = meterFor(now);
  let frame = 0;
  const erase = (): void => {
    terminal.write('\r\u001b[2K');
  };
  const draw = (): void => {
    if (current === null) return;
    frame += 1;
    const head = `${FRAMES[frame % FRAMES.length] ?? '·'} ${current.number}/${current.of} ${current.node}: ${cleanLine(current.title)}`;
    const clock = now() - startedAt > 1000 ? showMilliseconds(now() - startedAt) : '';
    // One row exactly: a line that wraps cannot be taken away again.
    terminal.write(`\r\u001b[2K${fitLine(head, meter.tails(clock), terminal.columns - 1)}`);
  };
  const timer = setInterval(draw, DRAW_EVERY_MS);
  timer.unref();
  const pile = (line: string): void => {
    erase();
    terminal.line(line);
  };
  const listener: Listener = (event) => {
    if (event.event === 'progress') meter.take(event);
    else if (event.event === 'no-return') pile(paint.yellow(`  point of no return: ${event.node}: ${cleanLine(event.says)}`));
    else if (event.event === 'step') {
      const text = `${event.number}/${event.of} ${event.node}: ${cleanLine(event.title)}`;
      switch (event.state) {
        case 'started':
          current = event;
          startedAt = now();
          meter = meterFor(now);
          draw();
          return;
        case 'finished':
          current = null;
          pile(`${paint.green('✔')} ${text}${paint.dim(elapsed(event))}`);
          return;
        case 'skipped':
          current = null;
          pile(paint.dim(`- ${text} (already so)`));
          return;
        case 'undone':
          current = null;
          pile(`${paint.yellow('↩')} ${event.node}: ${cleanLine(event.title)} (undone)`);
          return;
        case 'failed':
          current = null;
          pile(`${paint.red('✖')} ${text}${paint.dim(elapsed(event))}`);
          return;
        default:
          event.state satisfies never;
      }
    }
  };
  return {
    listener,
    say: (line) => {
      pile(line);
      draw();
    },
    close: () => {
      clearInterval(timer);
      if (current !== null) erase();
      current = null;
    },
  };
}

function elapsed(event: StepEvent): string {
  return event.ms === undefined ? '' : ` (${showMilliseconds(event.ms)})`;
}

/** The first of the tails that leaves the title some room; after that the title gives way. */
export function fitLine(head: string, tails: readonly string[], columns: number): string {
  for (const tail of tails) {
    const whole = tail === '' ? head : `${head}  ${tail}`;
    if (whole.length <= columns) return whole;
    const room = columns - tail.length - 3;
    if (room >= 30) return `${head.slice(0, room)}…  ${tail}`;
  }
  return head.slice(0, Math.max(0, columns));
}

interface Meter {
  take(event: ProgressEvent): void;
  /** Everything on one line, for a pipe. */
  text(): string;
  /** The same for a terminal, from the most to the least that is worth saying. */
  tails(otherwise: string): readonly string[];
}

/** Rate over the last ten seconds: what a person would call the present speed. */
function meterFor(now: () => number): Meter {
  const WINDOW_MS = 10_000;
  let samples: readonly { readonly at: number; readonly bytes: number }[] = [];
  let done: number | undefined;
  let total: number | null = null;
  let phase: string | undefined;
  return {
    take: (event) => {
      phase = event.phase ?? phase;
      if (event.totalBytes !== undefined) total = event.totalBytes;
      if (event.doneBytes === undefined) return;
      done = event.doneBytes;
      const at = now();
      samples = [...samples.filter((sample) => at - sample.at <= WINDOW_MS), { at, bytes: done }];
    },
    text: () => [...figures(), ...(phase === undefined ? [] : [cleanLine(phase)])].join(', '),
    tails: (otherwise) => {
      const parts = figures();
      if (parts.length === 0) return phase === undefined ? [otherwise] : [cleanLine(phase), ''];
      const share = shareOf();
      const most = parts.join(', ');
      return [...(share === null ? [] : [`${barOf(share, 20)} ${most}`, `${barOf(share, 10)} ${most}`]), most, parts.slice(0, 2).join(', '), parts[0] ?? ''];
    },
  };

  function shareOf(): number | null {
    return done !== undefined && total !== null && total > 0 ? Math.min(1, done / total) : null;
  }

  function figures(): readonly string[] {
    // Nothing has come yet, and nobody knows how much will: the phase says more.
    if (done === undefined || (done === 0 && total === null)) return [];
    const share = shareOf();
    const rate = rateOf(samples);
    return [
      ...(share === null ? [] : [`${Math.floor(share * 100)} %`]),
      total === null ? renderBytes(done) : `${renderBytes(done)} of ${renderBytes(Math.max(done, total))}`,
      ...(rate === null ? [] : [`${renderBytes(rate)}/s`]),
      ...(rate !== null && rate > 0 && total !== null && total > done ? [`${showSeconds((total - done) / rate)} left`] : []),
    ];
  }
}

function rateOf(samples: readonly { readonly at: number; readonly bytes: number }[]): number | null {
  const first = samples[0];
  const last = samples[samples.length - 1];
  if (first === undefined || last === undefined || last.at - first.at < 500) return null;
  return ((last.bytes - first.bytes) * 1000) / (last.at - first.at);
}

function barOf(share: number, width: number): string {
  const full = Math.round(share * width);
  return `${'█'.repeat(full)}${'░'.repeat(width - full)}`;
}
