import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';
import { beforeAll, expect, test } from 'vitest';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
let eslint: ESLint;

// The rules of the house alone, without types: a snippet is in no project.
beforeAll(() => {
  eslint = new ESLint({
    cwd: ROOT,
    overrideConfig: [tseslint.configs.disableTypeChecked, { files: ['**/*.ts'], languageOptions: { parserOptions: { projectService: false, project: false } } }] as ESLint.Options['overrideConfig'] & object,
  });
});

async function complaints(file: string, code: string): Promise<readonly string[]> {
  const [result] = await eslint.lintText(`${code}\n`, { filePath: join(ROOT, file) });
  return (result?.messages ?? []).filter(({ ruleId }) => ruleId === null || ruleId.startsWith('pgrepl/') || ruleId.startsWith('no-restricted') || ruleId === 'no-console').map(({ message }) => message);
}

test.each([
  ['src/host/x.ts', "import { a } from '../postgres/x.ts'; a();", 'host/ must not import postgres/'],
  ['src/postgres/x.ts', "import { a } from '../plan/x.ts'; a();", 'postgres/ must not import plan/'],
  ['src/plan/x.ts', "import { a } from '../postgres/x.ts'; a();", 'plan/ must not import postgres/'],
  ['src/plan/x.ts', "import type { A } from '../steps/x.ts'; export type B = A;", 'plan/ must not import steps/'],
  ['src/steps/x.ts', "export { a } from '../operations/x.ts';", 'steps/ must not import operations/'],
  ['src/steps/x.ts', "export type A = import('../topology/x.ts').A;", 'steps/ must not import topology/'],
  ['src/topology/x.ts', "export * from '../steps/x.ts';", 'topology/ must not import steps/'],
  ['src/topology/x.ts', "import { a } from '../operations/x.ts'; a();", 'topology/ must not import operations/'],
  ['src/operations/x.ts', "export const a = async () => await import('../cli/x.ts');", 'operations/ must not import cli/'],
  ['src/errors.ts', "import { a } from './host/x.ts'; a();", 'is for anybody'],
  ['src/cli/x.ts', "import { a } from '../../test/x.ts'; a();", 'is outside src/'],
  ['src/cli/x.ts', "import { a } from '../helpers/x.ts'; a();", 'are not both layers'],
])('in %s the import against the layers is refused: %s', async (file, code, message) => {
  expect(await complaints(file, code)).toEqual([expect.stringContaining(message)]);
});

test.each([
  ['src/cli/commands/x.ts', "import { Command } from 'commander'; new Command();", 'commander is for'],
  ['src/cli/output/json.ts', "import { Chalk } from 'chalk'; new Chalk();", 'chalk is for'],
  ['src/postgres/server.ts', "import pg from 'pg'; new pg.Client();", 'pg is for postgres/session.ts'],
  ['src/postgres/tools.ts', "import { execa } from 'execa'; await execa('x');", 'programs are run by host/'],
  ['src/cli/commands/x.ts', "import { spawn } from 'node:child_process'; spawn('x');", 'programs are run by host/'],
  ['src/steps/x.ts', "import { readFileSync } from 'node:fs'; readFileSync('x');", 'node:fs is for'],
  ['src/plan/run.ts', "import { readFile } from 'fs/promises'; await readFile('x');", 'node:fs is for'],
  ['src/topology/load.ts', "import * as z from 'zod'; z.string();", 'zod is for'],
  ['src/cli/commands/x.ts', "export const a = async () => await import('yaml');", 'yaml is for'],
  ['src/cli/router.ts', 'process.exit(1);', 'process.exit is for'],
  ['src/cli/io.ts', 'export const a = process.argv;', 'process.argv is for'],
  ['src/plan/run.ts', "process.on('SIGINT', () => undefined);", 'signals are for'],
  ['src/steps/x.ts', "import { majorOf } from '../postgres/version.ts'; export const a = (n: number) => majorOf(n) >= 15;", 'comparing a PostgreSQL major'],
  ['src/operations/x.ts', 'export const a = (server: { versionNumber: number }) => server.versionNumber < 150000;', 'comparing a PostgreSQL major'],
  ['src/topology/schema.ts', "import { z } from 'zod'; z.string();", 'import * as z'],
  ['src/steps/x.ts', "console.log('x');", 'Unexpected console'],
])('in %s what belongs elsewhere is refused: %s', async (file, code, message) => {
  expect(await complaints(file, code)).toEqual([expect.stringContaining(message)]);
});

test.each([
  ['src/cli/x.ts', "import { a } from '../operations/x.ts'; import { b } from '../host/x.ts'; a(b);"],
  ['src/operations/x.ts', "import { a } from '../topology/x.ts'; import { b } from '../steps/x.ts'; a(b);"],
  ['src/steps/x.ts', "import { a } from '../plan/x.ts'; import { b } from '../postgres/x.ts'; import { c } from '../secret.ts'; a(b, c);"],
  ['src/postgres/session.ts', "export const a = async () => await import('pg');"],
  ['src/postgres/features.ts', 'export const a = (major: number) => major >= 15;'],
  ['src/host/local.ts', "import { readFile } from 'node:fs/promises'; import { execa } from 'execa'; await readFile('x'); await execa('x');"],
  ['src/plan/journal.ts', "import { open } from 'node:fs/promises'; await open('x');"],
  ['src/cli/main.ts', "process.on('SIGINT', () => process.exit(130));"],
  ['src/operations/x.ts', 'export const a = (x: { major: number }, y: { major: number }) => x.major === y.major;'],
])('in %s what the layers allow is allowed: %s', async (file, code) => {
  expect(await complaints(file, code)).toEqual([]);
});
