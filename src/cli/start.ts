import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { Script } from 'node:vm';
import { codeOf } from './kept-code.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The exit codes of a command that did its work: one that was refused has not loaded what the next one needs. */
const DONE: ReadonlySet<number> = new Set([0, 8]);

/**
 * Runs the program: dist/main.cjs and the chunks that it asks for, with what V8 compiled of them when the same command ran before. Without
 * kept code everything works, only later. Throws what the program throws while it is loaded. See docs/decisions/0015-compiled-code-is-kept.md.
 */
export function start(words: readonly string[], env: Environment, onExit: (atExit: (code: number) => void) => void): void {
  const code = codeOf(words, env);
  const builtIn = createRequire(join(__dirname, 'main.cjs'));
  const modules = new Map<string, { exports: unknown }>();
  const scripts = new Map<string, Script>();

  const load = (path: string): unknown => {
    const known = modules.get(path);
    if (known !== undefined) return known.exports;
    // The same program installed in two places has the same code.
    const name = relative(__dirname, path);
    const cachedData = code.get(name);
    const script = new Script(`(function (require, module, exports) {${readFileSync(path, 'latin1')}\n})`, { filename: path, ...(cachedData === undefined ? {} : { cachedData }) });
    if (script.cachedDataRejected === true) code.delete(name);
    scripts.set(name, script);
    const module = { exports: {} };
    modules.set(path, module);
    const asked = (other: string): unknown => (other.startsWith('.') ? load(join(dirname(path), other)) : builtIn(other));
    (script.runInThisContext() as (...of: readonly unknown[]) => void)(asked, module, module.exports);
    return module.exports;
  };

  onExit((exitCode) => {
    if (DONE.has(exitCode) && [...scripts.keys()].some((name) => !code.has(name))) code.keep(() => [...scripts].map(([name, script]) => [name, script.createCachedData()]));
  });
  load(join(__dirname, 'main.cjs'));
}
