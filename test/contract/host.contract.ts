import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Host, LiveProcess, LockHolder } from '../../src/host/host.ts';
import { readOnly } from '../../src/host/read-only.ts';

const HOSTILE_NAMES = ['two words', "it's", '"quoted"', 'line\nfeed', 'ends with feed\n', '-rf', '$(touch x)', 'a;b|c&d', '*', 'ünïcode', ' '];
const HOLDER: LockHolder = { pid: 4711, user: 'eva', machine: 'desk', command: 'pgrepl switchover node2', run: 'r1', since: '2025-01-02T03:04:05Z' };

/** Waits for a fact of the world; a test says by `what` it was missing. */
export async function eventually(what: string, probe: () => Promise<boolean>): Promise<void> {
  const until = performance.now() + 20_000;
  while (!(await probe())) {
    if (performance.now() > until) throw new Error(`it never happened that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A word that no other process has among its arguments. */
export function uniqueWord(): string {
  return `pgrepl-contract-${process.pid}-${Math.random().toString(36).slice(2)}`;
}

/** What every way to a machine promises. `open` gives it with the rights of one user. */
export function hostContract(label: string, open: () => Promise<Host>): void {
  describe(`a machine, ${label}`, () => {
    let host: Host;
    let scratch: string;

    const sh = async (text: string, ...words: string[]): Promise<string> => {
      const exit = await host.run({ argv: ['sh', '-c', text, 'sh', ...words], effect: 'changes' });
      expect(exit, exit.stderr).toMatchObject({ code: 0 });
      return exit.stdout;
    };

    /** The shells around a guarded program have the word too; some ways to a machine put one around every program. */
    const withoutGuards = async (word: string): Promise<readonly LiveProcess[]> => (await host.processesNaming(word)).filter(({ command }) => !/pgrepl-(?:guard|lifeline)/.test(command));

    beforeEach(async () => {
      host = await open();
      scratch = (await sh('mktemp -d /tmp/pgrepl-contract.XXXXXX')).trim();
    });
    afterEach(async () => {
      await sh('chmod -R u+rwx "$1"; rm -rf "$1"', scratch);
      await host.close();
    });

    describe('programs', () => {
      test('get exactly their words', async () => {
        const words = [...HOSTILE_NAMES, '', '\\', '`id`', '!', '~', '#'];
        expect((await sh(`printf '%s\\0' "$@"`, ...words)).split('\0').slice(0, -1)).toEqual(words);
      });

      test('act as the user, in all groups of the user', async () => {
        expect((await sh('id -un')).trim()).toBe(host.user);
        expect((await sh('id -G')).trim().split(' ').sort()).toEqual((await sh('id -G "$1"', host.user)).trim().split(' ').sort());
        await host.writeText(`${scratch}/mine`, 'x');
        expect(await host.stat(`${scratch}/mine`)).toMatchObject({ owner: host.user });
      });

      test('see a clean environment (C10)', async () => {
        process.env['PGHOST'] = 'elsewhere';
        try {
          const exit = await host.run({ argv: ['env'], effect: 'reads', env: { EXTRA: "it's" } });
          const names = exit.stdout.trim().split('\n').map((line) => line.split('=')[0] ?? '');
          expect(names.filter((name) => name.startsWith('PG'))).toEqual([]);
          expect(exit.stdout).toContain("EXTRA=it's\n");
          expect(exit.stdout).toContain('LC_ALL=C\n');
          expect(exit.stdout).toContain(`HOME=${await host.home()}\n`);
        } finally {
          delete process.env['PGHOST'];
        }
      });

      test.each([false, true])('pass on exit code and both outputs (guarded: %s)', async (guarded) => {
        const exit = await host.run({ argv: ['sh', '-c', 'echo out; echo err >&2; exit 42'], effect: 'reads', guarded });
        expect(exit).toEqual({ code: 42, signal: null, stdout: 'out\n', stderr: 'err\n' });
      });

      test('tell the signal that ended a guarded one', async () => {
        const exit = await host.run({ argv: ['sh', '-c', 'kill -9 $$'], effect: 'reads', guarded: true });
        expect(exit).toMatchObject({ code: null, signal: 'SIGKILL' });
      });

      test.each([false, true])('that are missing are named (guarded: %s)', async (guarded) => {
        for (const program of ['pgrepl-no-such-program', '/no/such/program']) {
          await expect(host.run({ argv: [program, 'x'], effect: 'reads', guarded })).rejects.toMatchObject({ kind: 'refused', code: 'program-not-found' });
        }
        expect(await host.run({ argv: ['sh', '-c', 'exit 127'], effect: 'reads', guarded })).toMatchObject({ code: 127 });
      });

      test('get their input, and every byte of a large output comes back', async () => {
        const input = Buffer.alloc(5_000_000, 'abcdefghi\n');
        const exit = await host.run({ argv: ['cat'], effect: 'reads', input });
        expect(exit.stdout.length).toBe(5_000_000);
        expect(exit.stdout === input.toString()).toBe(true);
      });

      test('that do not read their input do no harm', async () => {
        const exit = await host.run({ argv: ['true'], effect: 'reads', input: Buffer.alloc(1_000_000) });
        expect(exit.code).toBe(0);
      });

      test('tell line by line, and 200 lines are kept', async () => {
        const lines: string[] = [];
        const exit = await host.run({
          argv: ['sh', '-c', 'i=0; while [ $i -lt 1000 ]; do echo "line $i"; i=$((i+1)); done; printf open'],
          effect: 'reads',
          guarded: true,
          onLine: (stream, line) => void lines.push(`${stream} ${line}`),
        });
        expect(lines.length).toBe(1001);
        expect(lines.slice(0, 1)).toEqual(['stdout line 0']);
        expect(lines.at(-1)).toBe('stdout open');
        expect(exit.stdout.split('\n').length).toBe(201);
      });

      test('that leave a daemon behind which holds the pipes are over when they exit', async () => {
        const word = uniqueWord();
        const exit = await host.run({ argv: ['sh', '-c', 'sh -c "sleep 30; :" "$0" & echo started', word], effect: 'changes', deadlineMs: 15_000 });
        expect(exit).toMatchObject({ code: 0, stdout: 'started\n' });
        await endAll(word);
      });

      test.each([false, true])('are gone, with their children, when their deadline is over (guarded: %s)', async (guarded) => {
        const word = uniqueWord();
        const run = host.run({ argv: tree(word), effect: 'reads', deadlineMs: 700, guarded });
        await expect(run).rejects.toMatchObject({ kind: 'unreachable', code: 'program-timeout' });
        expect(await host.processesNaming(word)).toEqual([]);
      });

      test.each([false, true])('are gone, with their children, after an abort (guarded: %s)', async (guarded) => {
        const word = uniqueWord();
        const abort = new AbortController();
        const run = host.run({ argv: tree(word), effect: 'changes', signal: abort.signal, guarded });
        const ended = expect(run).rejects.toMatchObject({ kind: 'interrupted', code: 'interrupted' });
        await eventually('both processes run', async () => (await withoutGuards(word)).length === 2);
        abort.abort();
        await ended;
        expect(await host.processesNaming(word)).toEqual([]);
        await expect(host.run({ argv: ['true'], effect: 'reads', signal: abort.signal })).rejects.toMatchObject({ code: 'interrupted' });
      });

      test('may leave a daemon behind that has not even left their process group', async () => {
        const word = uniqueWord();
        await sh('sh -c "while :; do sleep 1; done" "$1" >/dev/null 2>&1 &', word);
        await eventually('it is seen', async () => (await host.processesNaming(word)).length === 1);
        await endAll(word);
      });

      test('under guard leave nobody behind: a child that outlives them is stopped, even one that ignores TERM', async () => {
        const word = uniqueWord();
        const child = `trap "" TERM; while :; do sleep 1; done`;
        const exit = await host.run({
          argv: ['sh', '-c', 'sh -c "$1" "$0" >/dev/null 2>&1 & echo done; exit 3', word, child],
          effect: 'changes',
          guarded: true,
        });
        expect(exit).toMatchObject({ code: 3, stdout: 'done\n' });
        expect(await host.processesNaming(word)).toEqual([]);
      });

      test('under guard have no input that could be mistaken for the line of life', async () => {
        const exit = await host.run({ argv: ['cat'], effect: 'reads', guarded: true });
        expect(exit).toMatchObject({ code: 0, stdout: '' });
        await expect(host.run({ argv: ['cat'], effect: 'reads', guarded: true, input: 'x' })).rejects.toMatchObject({ kind: 'bug' });
      });

      /** Two processes that have the word, one a child of the other. */
      function tree(word: string): [string, ...string[]] {
        return ['sh', '-c', 'sh -c "while :; do sleep 1; done" "$0"; :', word];
      }

      async function endAll(word: string): Promise<void> {
        for (const { pid } of await host.processesNaming(word)) await sh('kill -9 "$1" || :', String(pid));
        await eventually('they have ended', async () => (await host.processesNaming(word)).length === 0);
      }
    });

    describe('files', () => {
      test('of hostile names are written, seen, renamed and removed', async () => {
        for (const name of HOSTILE_NAMES) {
          const path = `${scratch}/${name}`;
          await host.writeText(path, `content of ${name}`);
          expect(await host.readText(path)).toBe(`content of ${name}`);
          expect(await host.stat(path)).toMatchObject({ kind: 'file', mode: 0o600 });
          expect(await host.realPath(path)).toBe(path);
        }
        expect(await host.list(scratch)).toEqual([...HOSTILE_NAMES].sort());
        for (const name of HOSTILE_NAMES) {
          await host.rename(`${scratch}/${name}`, `${scratch}/${name}2`);
          await host.removeFile(`${scratch}/${name}2`);
        }
        expect(await host.list(scratch)).toEqual([]);
      });

      test('that are missing are null, and removing them is fine', async () => {
        const path = `${scratch}/no/such`;
        expect(await host.readText(path)).toBeNull();
        expect(await host.stat(path)).toBeNull();
        expect(await host.list(path)).toBeNull();
        await host.removeFile(path);
        await host.removeTree(path);
        await host.writeText(`${scratch}/file`, '');
        expect(await host.readText(`${scratch}/file/below`)).toBeNull();
        expect(await host.list(`${scratch}/file`)).toBeNull();
        expect(await host.readText(`${scratch}/file`)).toBe('');
      });

      test('that are no files are not read and not overwritten', async () => {
        await expect(host.readText(scratch)).rejects.toMatchObject({ kind: 'refused', code: 'io-failed' });
        await expect(host.writeText(scratch, 'x')).rejects.toMatchObject({ kind: 'refused', code: 'io-failed' });
        expect(await host.list(scratch)).toEqual([]);
      });

      test('keep their mode and owner when they are written again, and a new mode is set when asked for (B18, C08)', async () => {
        const path = `${scratch}/conf`;
        await host.writeText(path, 'old', { mode: 0o640 });
        const before = await host.stat(path);
        expect(before).toMatchObject({ mode: 0o640, sizeBytes: 3 });
        await host.writeText(path, 'newer');
        expect(await host.stat(path)).toMatchObject({ mode: 0o640, owner: before?.owner, sizeBytes: 5 });
        await host.writeText(path, 'secret', { mode: 0o600 });
        expect(await host.stat(path)).toMatchObject({ mode: 0o600 });
        await host.setMode(path, 0o400);
        await host.writeText(path, 'read-only before');
        expect(await host.stat(path)).toMatchObject({ mode: 0o400 });
        expect(await host.readText(path)).toBe('read-only before');
      });

      test('are replaced whole: a reader has the old or the new one, by another inode (B19)', async () => {
        await host.writeText(`${scratch}/conf`, 'old');
        const before = await host.stat(`${scratch}/conf`);
        await host.writeText(`${scratch}/conf`, 'new');
        expect((await host.stat(`${scratch}/conf`))?.inode).not.toBe(before?.inode);
      });

      test('behind symlinks are replaced, not the links (B18)', async () => {
        await sh('mkdir "$1/etc" "$1/data" && printf old > "$1/etc/conf" && chmod 644 "$1/etc/conf" && ln -s ../etc/conf "$1/data/conf" && ln -s conf "$1/data/again"', scratch);
        await host.writeText(`${scratch}/data/again`, 'new');
        expect(await host.stat(`${scratch}/data/again`)).toMatchObject({ kind: 'symlink' });
        expect(await host.stat(`${scratch}/data/conf`)).toMatchObject({ kind: 'symlink' });
        expect(await host.stat(`${scratch}/etc/conf`)).toMatchObject({ kind: 'file', mode: 0o644 });
        expect(await host.readText(`${scratch}/etc/conf`)).toBe('new');
        expect(await host.realPath(`${scratch}/data/again`)).toBe(`${scratch}/etc/conf`);
      });

      test('that a dangling symlink names are made where it points', async () => {
        await sh('mkdir "$1/etc" && ln -s etc/late "$1/link"', scratch);
        expect(await host.realPath(`${scratch}/link`)).toBe(`${scratch}/etc/late`);
        await host.writeText(`${scratch}/link`, 'here');
        expect(await host.readText(`${scratch}/etc/late`)).toBe('here');
        await sh('ln -s loop "$1/loop"', scratch);
        await expect(host.writeText(`${scratch}/loop`, 'x')).rejects.toMatchObject({ kind: 'refused' });
      });

      test('keep bytes that are no UTF-8', async () => {
        await sh(`printf '# caf\\351\\n\\377\\303' > "$1/hba"`, scratch);
        const text = await host.readText(`${scratch}/hba`);
        await host.writeText(`${scratch}/hba`, `# ours é\n${text ?? ''}`);
        expect(await sh('od -An -tx1 "$1/hba" | tr -d " \\n"', scratch)).toBe('23206f75727320c3a90a2320636166e90affc3');
      });

      test('of five megabytes are written and read', async () => {
        const content = 'äbcdefgh\n'.repeat(550_000);
        await host.writeText(`${scratch}/big`, content);
        expect((await host.readText(`${scratch}/big`)) === content).toBe(true);
      });

      test('writing takes the temporary file of a killed writer away, and no other', async () => {
        const dead = (await sh('echo $$')).trim();
        const living = (await sh('sleep 60 >/dev/null 2>&1 & echo $!')).trim();
        const others = [`.pgrepl-write.${living}.bbbbbb`, '.pgrepl-write.notes'];
        await sh('cd "$1" && shift && touch "$@"', scratch, `.pgrepl-write.${dead}.aaaaaa`, ...others);
        await host.writeText(`${scratch}/conf`, 'x');
        await sh('kill "$1"', living);
        expect([...((await host.list(scratch)) ?? [])].sort()).toEqual([...others, 'conf'].sort());
      });

      test('leave nothing beside them, also when they cannot be written', async () => {
        await host.writeText(`${scratch}/conf`, 'x');
        await expect(host.writeText(`${scratch}/missing/conf`, 'x')).rejects.toMatchObject({ kind: 'refused', code: 'io-failed' });
        expect(await host.list(scratch)).toEqual(['conf']);
        await expect(host.writeText('/proc/version', 'x')).rejects.toMatchObject({ kind: 'refused' });
        await expect(host.writeText('/proc/pgrepl-new', 'x')).rejects.toMatchObject({ kind: 'refused' });
      });

      test('are named by absolute paths only', async () => {
        for (const path of ['conf', './conf', '']) {
          await expect(host.writeText(path, 'x')).rejects.toMatchObject({ kind: 'bug' });
          await expect(host.readText(path)).rejects.toMatchObject({ kind: 'bug' });
          await expect(host.removeTree(path)).rejects.toMatchObject({ kind: 'bug' });
        }
      });
    });

    describe('directories', () => {
      test('are made with their parents; the mode is that of the last one', async () => {
        await host.makeDirectory(`${scratch}/a/b/c`, 0o700);
        expect(await host.stat(`${scratch}/a/b/c`)).toMatchObject({ kind: 'directory', mode: 0o700 });
        await host.makeDirectory(`${scratch}/a/b/c/`, 0o701);
        expect(await host.stat(`${scratch}/a/b/c`)).toMatchObject({ mode: 0o701 });
        expect(await host.list(`${scratch}/a`)).toEqual(['b']);
        await host.writeText(`${scratch}/file`, '');
        await expect(host.makeDirectory(`${scratch}/file/x`, 0o700)).rejects.toMatchObject({ kind: 'refused' });
      });

      test('take the place of an empty one, never of a full one, and never go into it', async () => {
        await host.makeDirectory(`${scratch}/staging`, 0o700);
        await host.writeText(`${scratch}/staging/PG_VERSION`, '15');
        await host.makeDirectory(`${scratch}/data`, 0o755);
        await host.rename(`${scratch}/staging`, `${scratch}/data`);
        expect(await host.list(`${scratch}/data`)).toEqual(['PG_VERSION']);
        expect(await host.stat(`${scratch}/staging`)).toBeNull();

        await host.makeDirectory(`${scratch}/second`, 0o700);
        await expect(host.rename(`${scratch}/second`, `${scratch}/data`)).rejects.toMatchObject({ kind: 'refused', code: 'not-empty' });
        expect(await host.list(`${scratch}/data`)).toEqual(['PG_VERSION']);
        await host.rename(`${scratch}/data`, `${scratch}/new-name`);
        expect(await host.list(scratch)).toEqual(['new-name', 'second']);
      });

      test('and files do not take the place of each other', async () => {
        await host.makeDirectory(`${scratch}/directory`, 0o700);
        await host.writeText(`${scratch}/file`, 'x');
        await sh('ln -s directory "$1/link"', scratch);
        await expect(host.rename(`${scratch}/file`, `${scratch}/directory`)).rejects.toMatchObject({ kind: 'refused' });
        await expect(host.rename(`${scratch}/directory`, `${scratch}/file`)).rejects.toMatchObject({ kind: 'refused' });
        await expect(host.rename(`${scratch}/directory`, `${scratch}/link`)).rejects.toMatchObject({ kind: 'refused' });
        await expect(host.rename(`${scratch}/none`, `${scratch}/other`)).rejects.toMatchObject({ kind: 'refused' });
        await host.writeText(`${scratch}/newer`, 'y');
        await host.rename(`${scratch}/newer`, `${scratch}/file`);
        expect(await host.readText(`${scratch}/file`)).toBe('y');
      });

      test('are removed whole, a symlink to one is only a symlink, and some are never removed', async () => {
        await sh('mkdir -p "$1/tree/a/b" "$1/kept" && : > "$1/tree/a/b/c" && ln -s "$1/kept" "$1/tree/link" && ln -s kept "$1/link"', scratch);
        await host.removeTree(`${scratch}/tree`);
        await host.removeTree(`${scratch}/link`);
        expect(await host.list(scratch)).toEqual(['kept']);
        const home = await host.home();
        // Proved on a machine where the removal cannot happen, should the refusal be missing.
        const run = host.run.bind(host);
        host.run = async (command) => (command.effect === 'reads' ? await run(command) : await Promise.reject(new Error('it would have been removed')));
        for (const path of ['/', '//', '/.', home, `${home}/`, `${home}/.`, `${home}/../${home.split('/').at(-1) ?? ''}`, `${scratch}/..`]) {
          await expect(host.removeTree(path)).rejects.toMatchObject({ kind: 'bug', code: 'remove-tree-refused' });
        }
        host.run = run;
      });

      test('tell their space, their file system and whether entries can be made in them', async () => {
        const space = await host.space(`${scratch}/not/yet`);
        expect(space.totalBytes).toBeGreaterThan(space.freeBytes);
        expect(space.freeBytes).toBeGreaterThan(0);
        expect((await host.stat(scratch))?.device).toBe((await host.stat('/tmp'))?.device);
        expect((await host.stat('/proc'))?.device).not.toBe((await host.stat('/tmp'))?.device);
        expect(await host.canWrite(scratch)).toBe(true);
        expect(await host.canWrite(`${scratch}/none`)).toBe(false);
      });

      test('have real paths, missing parts included', async () => {
        await sh('mkdir -p "$1/real/deep" && ln -s real "$1/link"', scratch);
        expect(await host.realPath(`${scratch}/link/deep`)).toBe(`${scratch}/real/deep`);
        expect(await host.realPath(`${scratch}/link/deep/x/y`)).toBe(`${scratch}/real/deep/x/y`);
        expect(await host.realPath('/')).toBe('/');
        expect(await host.realPath('/no-such/part')).toBe('/no-such/part');
      });
    });

    describe('processes', () => {
      test('are found by their working directory, also when it was removed (hazard M03)', async () => {
        const directory = `${scratch}/work dir\n2`;
        const abort = new AbortController();
        await host.makeDirectory(directory, 0o700);
        const run = host.run({ argv: ['sh', '-c', 'cd "$1" && sleep 300; :', 'sh', directory], effect: 'reads', signal: abort.signal, deadlineMs: 60_000 }).catch(() => undefined);
        await eventually('they are seen', async () => {
          const found = await host.processesIn(directory);
          return found.length === 2 && found.some((other) => other.command === 'sleep 300');
        });
        expect(await host.processesIn(scratch)).toEqual([]);
        await host.removeTree(directory);
        expect((await host.processesIn(directory)).length).toBe(2);
        abort.abort();
        await run;
        expect(await host.processesIn(directory)).toEqual([]);
      });

      test('are found by a whole word among their arguments, and the search does not find itself', async () => {
        const word = uniqueWord();
        expect(await host.processesNaming(word)).toEqual([]);
        const abort = new AbortController();
        const run = host.run({ argv: ['sh', '-c', 'sleep 300; :', 'sh', `--slot=x`, word], effect: 'reads', signal: abort.signal, deadlineMs: 60_000 }).catch(() => undefined);
        await eventually('it is seen', async () => (await withoutGuards(word)).length === 1);
        expect((await withoutGuards(word))[0]?.command).toContain(word);
        expect(await host.processesNaming(word.slice(0, -1))).toEqual([]);
        abort.abort();
        await run;
      });
    });

    describe('locks', () => {
      test('exclude each other by key and name their holder', async () => {
        const key = `${scratch}/data`;
        const lock = await host.lock(key, HOLDER);
        const error: unknown = await host.lock(key, { ...HOLDER, pid: 1 }).catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({ kind: 'locked', code: 'locked', exitCode: 9 });
        expect((error as Error).message).toBe(
          `another run holds ${key}: pgrepl switchover node2, pid 4711 on desk, user eva, since 2025-01-02T03:04:05Z`,
        );
        const other = await host.lock(`${key}2`, HOLDER);
        await other.release();
        expect(lock.lost.aborted).toBe(false);
        await lock.release();
        const again = await host.lock(key, { ...HOLDER, pid: 2 });
        await expect(host.lock(key, HOLDER)).rejects.toThrow('pid 2 on desk');
        await again.release();
        expect(lock.lost.aborted).toBe(false);
        expect(again.lost.aborted).toBe(false);
      });

      test('say so when they are lost', async () => {
        const lock = await host.lock(`${scratch}/data`, HOLDER);
        let holder: number | undefined;
        const file = `/${createHash('sha256').update(`${scratch}/data`).digest('hex')}.lock`;
        await eventually('its holder is seen', async () => {
          for (const { pid } of await host.processesNaming('cat')) {
            const files = await sh('ls -l "/proc/$1/fd" 2>/dev/null || :', String(pid));
            if (files.includes(file)) holder = pid;
          }
          return holder !== undefined;
        });
        const lost = new Promise<void>((resolve) => lock.lost.addEventListener('abort', () => resolve()));
        await sh('kill -9 "$1"', String(holder));
        await lost;
        await lock.release();
      });
    });

    test('a socket that a file names is connected to; a file that names none is as one that is not there', async () => {
      const named = { namedIn: `${scratch}/names`, directoryLine: 2, prefix: 'p.', suffixLine: 1 };
      const nothing = { code: 'connect-failed', details: ['ENOENT'] };
      await expect(host.connect(named, 10_000)).rejects.toMatchObject(nothing);
      await sh('printf "7\\n" > "$1/names"', scratch);
      await expect(host.connect(named, 10_000)).rejects.toMatchObject(nothing);
      await sh('printf "7\\n%s  \\n" "$1" > "$1/names"', scratch);
      await expect(host.connect(named, 10_000)).rejects.toMatchObject(nothing);
      const perl = 'use Socket; $| = 1; socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un($ARGV[0])); listen($s, 1); print "ready\\n"; accept(my $c, $s); syswrite $c, "hello"; sleep 60';
      const abort = new AbortController();
      let ready = (): void => undefined;
      const listening = new Promise<void>((resolve) => { ready = resolve; });
      const server = host.run({ argv: ['perl', '-e', perl, `${scratch}/p.7`], effect: 'changes', guarded: true, deadlineMs: Infinity, signal: abort.signal, onLine: () => { ready(); } }).catch(() => undefined);
      await listening;
      const stream = await host.connect(named, 10_000);
      expect(String(await new Promise((resolve) => stream.once('data', resolve)))).toBe('hello');
      stream.destroy();
      abort.abort();
      await server;
    });

    test('users are known or not', async () => {
      expect(await host.userExists(host.user)).toBe(true);
      expect(await host.userExists('pgrepl-no-such-user')).toBe(false);
      expect(await host.userExists('-n')).toBe(false);
      expect(await host.home()).toMatch(/^\//);
    });

    test('a read-only machine reads and refuses every change', async () => {
      await host.writeText(`${scratch}/conf`, 'x');
      const looking = readOnly(host).as(host.user);
      expect(await looking.readText(`${scratch}/conf`)).toBe('x');
      expect(await looking.run({ argv: ['echo', 'hi'], effect: 'reads' })).toMatchObject({ stdout: 'hi\n' });
      const path = `${scratch}/other`;
      const changes = [
        looking.run({ argv: ['touch', path], effect: 'changes' }),
        looking.writeText(path, ''),
        looking.makeDirectory(path, 0o700),
        looking.setMode(`${scratch}/conf`, 0o777),
        looking.rename(`${scratch}/conf`, path),
        looking.removeFile(`${scratch}/conf`),
        looking.removeTree(scratch),
        looking.lock(path, HOLDER),
      ];
      for (const change of changes) await expect(change).rejects.toMatchObject({ kind: 'bug', code: 'dry-run-would-change' });
      expect(await host.list(scratch)).toEqual(['conf']);
    });
  });
}
