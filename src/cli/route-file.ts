import { resolve } from 'node:path';
import { PgreplError, usageError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { openHost } from '../host/open-host.ts';
import { judgeFile, type FileState } from '../operations/route/file.ts';
import type { Route } from '../operations/route/route.ts';
import { lineDiff } from '../steps/kind.ts';
import type { Context } from './command.ts';
import { clean, terminalFor } from './output/terminal.ts';
import { FORMAT, jsonLine } from './output/json.ts';

/** What becomes of the text: `path` is absolute. */
export type Delivery =
  | { readonly to: 'stdout' }
  | { readonly to: 'file'; readonly path: string; readonly replaceEdits: boolean }
  | { readonly to: 'check'; readonly path: string };

/** Throws a usage error for `--check` without any file. */
export function deliveryFrom({ words, io }: Context): Delivery {
  const write = words.text('write');
  const path = words.text('check') ?? write;
  if (words.flag('check') || words.text('check') !== undefined) {
    if (path === undefined) throw usageError('check-needs-file', '--check compares with a file, and none is named', { hint: 'Say --check FILE.' });
    return { to: 'check', path: resolve(io.cwd, path) };
  }
  if (write === '') throw usageError('file-empty', 'the name of the file is empty (--write)');
  if (write === undefined && words.flag('replaceEdits')) throw usageError('option-needs-write', '--replace-edits is about the file of --write', { hint: 'Without --write nothing is replaced.' });
  return write === undefined ? { to: 'stdout' } : { to: 'file', path: resolve(io.cwd, write), replaceEdits: words.flag('replaceEdits') };
}

/**
 * Prints the text, writes it to its file, or compares. Returns the exit code: 7 when a checked file differs. Throws `not-written-by-pgrepl` and
 * `edited-by-hand` where a file of others would be replaced: it is left as it is.
 */
export async function deliverRoute(route: Route, delivery: Delivery, context: Context): Promise<number> {
  if (delivery.to === 'stdout') return say(route, null, context);
  const host = await openHost('local', null);
  try {
    return delivery.to === 'check' ? await check(host, route, delivery.path, context) : await write(host, route, delivery, context);
  } finally {
    await host.close();
  }
}

interface Delivered {
  readonly path: string;
  readonly state: FileState | 'written';
  /** Where the file that was there is kept. */
  readonly copy: string | null;
  readonly diff: string;
}

async function check(host: Host, route: Route, path: string, context: Context): Promise<number> {
  const present = await host.readText(path);
  const state = judgeFile(present, route.text);
  return say(route, { path, state, copy: null, diff: state === 'same' ? '' : lineDiff(present ?? '', route.text) }, context, state === 'same' ? 0 : 7);
}

async function write(host: Host, route: Route, { path, replaceEdits }: Delivery & { readonly to: 'file' }, context: Context): Promise<number> {
  const present = await host.readText(path);
  const state = judgeFile(present, route.text);
  if (state === 'same') return say(route, { path, state, copy: null, diff: '' }, context);
  let copy: string | null = null;
  if (present !== null && (state === 'edited' || state === 'other')) {
    if (!replaceEdits) throw notOurs(path, state, present, route.text);
    copy = `${path}.${new Date().toISOString().slice(0, 19).replaceAll(':', '')}`;
    await host.writeText(copy, present, { mode: (await host.stat(path))?.mode ?? 0o600 });
  }
  await host.writeText(path, route.text, present === null ? { mode: 0o644 } : {});
  return say(route, { path, state: 'written', copy, diff: lineDiff(present ?? '', route.text) }, context);
}

function notOurs(path: string, state: 'edited' | 'other', present: string, wanted: string): PgreplError {
  const what = state === 'edited' ? 'was edited by hand since pgrepl wrote it' : 'was not written by pgrepl';
  return new PgreplError('refused', state === 'edited' ? 'edited-by-hand' : 'not-written-by-pgrepl', `${path} ${what}; it is left as it is`, {
    hint: 'Name another file that yours includes, or let it be replaced: a dated copy is kept then.',
    details: lineDiff(present, wanted).split('\n').slice(0, 20),
    next: ['--replace-edits'],
  });
}

function say(route: Route, file: Delivered | null, { globals, io }: Context, exit = 0): number {
  const { kind, cluster, primary, nodes, text, ways } = route;
  if (globals.json) {
    const seen = nodes.map(({ name, host, port, role, writes, reads, why }) => ({ name, host, port, role, writes, reads, why }));
    io.stdout.write(jsonLine({ format: FORMAT, route: kind, cluster, primary, nodes: seen, readWrite: ways?.readWrite ?? null, readOnly: ways?.readOnly ?? null, text, file }));
    return exit;
  }
  if (file === null) {
    io.stdout.write(text);
    return exit;
  }
  if (exit !== 0) io.stdout.write(`${clean(file.diff)}\n`);
  const terminal = terminalFor(io.stderr, io.env, globals.color);
  if (exit !== 0) terminal.line(`${terminal.paint.yellow('!')} ${file.path} ${file.state === 'missing' ? 'is not there' : 'differs'}`);
  else if (!globals.quiet) terminal.line(`${terminal.paint.green('✔')} ${file.path} ${file.state === 'same' ? 'is as it should be' : `is written${file.copy === null ? '' : `; what was there is in ${file.copy}`}`}`);
  return exit;
}
