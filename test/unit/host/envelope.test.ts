import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Envelope } from '../../../src/host/envelope.ts';
import { gatherAll, type Gatherer } from '../../../src/host/lines.ts';

/** What a shell would print for the text that the envelope gives it. */
function printed(text: string, code = 0): string {
  const mark = /printf '([^']*)'/.exec(text)?.[1] ?? '';
  return mark.replace('\\001', '\x01').replace('%s', String(code)).replace('\\n', '\n');
}

/** Feeds the bytes in pieces of these sizes, over and over. */
function feed(gatherer: Gatherer, bytes: Buffer, sizes: readonly number[]): void {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    gatherer.take(bytes.subarray(at, at + size));
    at += size;
  }
}

test('exactly what is between the marks comes out, however the bytes arrive', () => {
  fc.assert(
    fc.property(fc.string(), fc.string({ unit: 'binary' }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), fc.integer({ min: 0, max: 255 }), (noise, output, sizes, code) => {
      const envelope = new Envelope();
      const [out, err] = [gatherAll(), gatherAll()];
      const [stdout, stderr] = [envelope.open('stdout', out), envelope.open('stderr', err)];
      feed(stdout, Buffer.from(`${noise}${printed(envelope.begin)}${output}${printed(envelope.end, code)}left behind`), sizes);
      expect(envelope.code).toBeNull();
      feed(stderr, Buffer.from(`${printed(envelope.begin)}${printed(envelope.end, code)}`), sizes);
      expect([envelope.code, stdout.text(), stderr.text()]).toEqual([code, Buffer.from(output).toString(), '']);
    }),
    { seed: 4711 },
  );
});

test('a line is told when it comes, and not when the next one does', () => {
  const envelope = new Envelope();
  const seen: string[] = [];
  const stdout = envelope.open('stdout', { take: (chunk) => void seen.push(Buffer.from(chunk).toString()), text: () => '' });
  stdout.take(Buffer.from(`${printed(envelope.begin)}10 %\n`));
  stdout.take(Buffer.from('20 %\n'));
  expect(seen).toEqual(['10 %\n', '20 %\n']);
});

test('what sudo says instead of beginning is noise, and no output', () => {
  const envelope = new Envelope();
  const stderr = envelope.open('stderr', gatherAll());
  stderr.take(Buffer.from('sudo: a password is required\n'));
  expect([envelope.hasBegun, envelope.noise, stderr.text(), envelope.code]).toEqual([false, ['sudo: a password is required'], '', null]);
});

test('the mark of another envelope is output like any other', () => {
  const [one, other] = [new Envelope(), new Envelope()];
  const stdout = one.open('stdout', gatherAll());
  stdout.take(Buffer.from(`${printed(one.begin)}${printed(other.begin)}x${printed(other.end)}${printed(one.end)}`));
  expect(stdout.text()).toBe(`${printed(other.begin)}x${printed(other.end)}`);
});
