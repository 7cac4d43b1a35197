import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { EXIT_CODES } from '../../../../src/cli/explain/exit-codes.ts';
import { explainedCodes, SUBJECTS } from '../../../../src/cli/explain/registry.ts';
import { EXIT_CODE } from '../../../../src/errors.ts';
import { codesOf, membersOf } from './codes-in-source.ts';

declare global {
  interface ImportMeta {
    glob(pattern: string): Readonly<Record<string, unknown>>;
  }
}

// Never loaded: it makes this test depend on every file of src, so that `vitest --changed` runs it for a new code.
void import.meta.glob('../../../../src/**/*.ts');

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', '..');

/** What commander calls its complaints, without `commander.`. */
const COMMANDER = ['unknown-option', 'unknown-command', 'missing-argument', 'excess-arguments', 'option-missing-argument', 'missing-mandatory-option-value', 'conflicting-option', 'invalid-argument'];

/** Codes that the source computes: the expression, and everything that it may give. */
const COMPUTED: Readonly<Record<string, readonly string[]>> = {
  '`server-${state}`': ['starting', 'stopping', 'silent', 'closed', 'unknown'].map((state) => `server-${state}`),
  "`login-${verdict.reason ?? 'failed'}`": membersOf(ROOT, 'src/operations/doctor/judge-login.ts', 'LoginReason').filter((reason) => !['server-down', 'not-tried'].includes(reason)).map((reason) => `login-${reason}`),
  "`${name.replaceAll('_', '-')}-off`": ['fsync-off', 'full-page-writes-off'],
  "error.code.replace('commander.', '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)": COMMANDER,
  "sign?.code ?? 'ssh-failed'": ['ssh-failed'],
};

/** Codes that are chosen by an error number of the system, in host/io-error.ts. */
const BY_ERRNO = ['no-space', 'read-only', 'no-permission', 'not-empty', 'io-failed'];

/** Made for the screen alone: no document has them. */
const SHOWN_ONLY = new Set(['latency']);

/** A code that comes from somewhere else, where it was a literal. */
const PASSED_ON = /^(?:(?:this|error|first|reason|thrown|end)\.code|code|id|text)$/;

const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts') && !file.startsWith('cli/explain/')).map((file) => `src/${file}`);
const found = files.map((file) => codesOf(ROOT, file));
const given = new Map([
  ...found.flatMap(({ codes }) => codes).filter(({ code }) => !SHOWN_ONLY.has(code)).map(({ code, at }) => [code, at] as const),
  ...Object.entries(COMPUTED).flatMap(([expression, codes]) => codes.map((code) => [code, expression] as const)),
  ...BY_ERRNO.map((code) => [code, 'src/host/io-error.ts'] as const),
]);

test('every code of an error and every id of a finding has an explanation', () => {
  const explained = new Set(explainedCodes());
  const missing = [...given].filter(([code]) => !explained.has(code));
  expect(missing.map(([code, at]) => `${at} gives "${code}": add "'${code}': { means: '…', why: '…', remedy: '…' }" to the subject that fits in src/cli/explain/, then npm run docs`)).toEqual([]);
});

test('no explanation is left of a code that is gone', () => {
  expect(explainedCodes().filter((code) => !given.has(code)).map((code) => `nothing in src gives "${code}": take it out of src/cli/explain/`)).toEqual([]);
});

test('every computed code is known to this test', () => {
  const unknown = found.flatMap(({ computed }) => computed).filter(({ expression }) => !PASSED_ON.test(expression) && COMPUTED[expression] === undefined);
  expect(unknown.map(({ expression, at }) => `${at} computes a code, ${expression}: write it as a literal, or name what it may give in COMPUTED of test/unit/cli/explain/registry.test.ts`)).toEqual([]);
});

test('every code is explained once, in sentences', () => {
  const codes = explainedCodes();
  expect(codes.filter((code, index) => codes.indexOf(code) !== index)).toEqual([]);
  const crooked = SUBJECTS.flatMap(({ explanations }) => Object.entries(explanations)).filter(([, { means, why, remedy }]) => ![means, why, remedy].every((text) => text.length > 4 && /[.;)]$/.test(text) && !/\s{2}|^\s/.test(text)));
  expect(crooked.map(([code]) => code)).toEqual([]);
});

test('every exit code is explained', () => {
  const kinds = Object.values(EXIT_CODE);
  expect(EXIT_CODES.map(({ code }) => code)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 130, 143]);
  expect(kinds.filter((code) => !EXIT_CODES.some((one) => one.code === code))).toEqual([]);
});
