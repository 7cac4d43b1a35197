import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { isToldOn } from './installations.ts';
import { installations, withMachine, type Installation, type Machine, type MachineOptions, type Ran } from './cluster.ts';

/** Ends a story that cannot be told here, with the reason in the report. */
export type Skip = (why: string) => void;

type Told = (m: Machine, skip: Skip) => Promise<void>;

/** On which majors a story is told: `every` one at hand, or `once` on the oldest; PGREPL_STORIES=all tells all of them on every one. */
export type Where = 'every' | 'once';

/** The majors for stories of this kind, oldest first. */
export function majorsFor(where: Where): readonly Installation[] {
  const all = installations();
  return where === 'every' || process.env['PGREPL_STORIES'] === 'all' ? all : all.slice(0, 1);
}

/** A story on a machine of its own; its name says the major. */
export function story(where: Where, name: string, told: Told, options: Omit<MachineOptions, 'installation'> = {}): void {
  for (const installation of majorsFor(where)) {
    const tell = isToldOn(name, installation.major, where) ? test : test.skip;
    tell(`${name} (PostgreSQL ${installation.major})`, async ({ skip }) => {
      await withMachine(async (m) => { await told(m, skip); }, { ...options, installation });
    });
  }
}

/** One machine for several stories that each leave it as they found it; called inside `describe`. */
export function sharedMachine(prepare: (m: Machine) => Promise<void>, options: MachineOptions = {}): { readonly m: () => Machine } {
  let machine: Machine | null = null;
  let leave: () => void = () => undefined;
  let gone: Promise<void> = Promise.resolve();
  beforeAll(async () => {
    await new Promise<void>((ready, fail) => {
      gone = withMachine(async (m) => {
        await prepare(m);
        machine = m;
        await new Promise<void>((end) => {
          leave = end;
          ready();
        });
      }, options);
      gone.catch(fail);
    });
  });
  afterEach(async () => {
    await machine?.settled().catch(() => undefined);
    expect(await machine?.leftovers()).toEqual([]);
  });
  afterAll(async () => {
    leave();
    await gone;
  });
  return {
    m: () => {
      if (machine === null) throw new Error('the machine could not be prepared');
      return machine;
    },
  };
}

/** The error in the last line of `--json`, with everything that was said when there is none. */
export function errorOf(ran: Ran): { readonly code: string; readonly message: string; readonly hint: string; readonly next: readonly string[]; readonly reasons: readonly { readonly code: string; readonly message: string; readonly next?: readonly string[] }[] } {
  const error = ran.json.at(-1)?.['error'];
  if (typeof error !== 'object' || error === null) throw new Error(`no error in what was said (exit ${String(ran.exit)})\n${ran.stdout}\n${ran.stderr}`);
  const { code = '', message = '', hint, next = [], reasons = [] } = error as Partial<ReturnType<typeof errorOf>>;
  return { code, message, hint: hint ?? '', next, reasons };
}

/** Fails with everything that was said unless it ended with this exit code and, where one is given, this error code. */
export function endedAs(ran: Ran, exit: number, code?: string): void {
  const said = `${ran.stdout}\n${ran.stderr}`;
  if (ran.exit !== exit) throw new Error(`ended with ${String(ran.exit ?? ran.signal)}, not with ${exit}\n${said}`);
  if (code === undefined) return;
  const error = errorOf(ran);
  if (error.code !== code && !error.reasons.some((reason) => reason.code === code)) throw new Error(`the error is ${error.code}, not ${code}\n${said}`);
}
