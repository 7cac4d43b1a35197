import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Script } from 'node:vm';
import { codeOf } from './kept-code.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The exit codes of a command that did its work: one that was refused has not loaded what the next one needs. */
const DONE: ReadonlySet<number> = new Set([0, 8]);

/**
 * Runs the program: dist/main.cjs and the chunks that it asks for, with what V8 compiled of them when the same command ran before. Without
 * kept code everything works, only later. See docs/decisions/0015-compiled-code-is-kept.md.
 */
export function start(words: readonly string[], env: Environment, onExit: (atExit: (code: number) => void) => void): void {
  const code = codeOf(words, env);
  const builtIn = createRequire(join(__dirname, 'main.cjs'));
  const modules = new Map<string, { exports: unknown }>();
  const scripts = new Map<string, Script>();

  const load = (path: string): unknown => {
    const known = modules.get(path);
    if (known !== undefined) return known.exports;
    const cachedData = code.get(path);
    const script = new Script(`(function (require, module, exports) {${readFileSync(path, 'latin1')}\n})`, { filename: path, ...(cachedData === undefined ? {} : { cachedData }) });
    if (script.cachedDataRejected === true) code.delete(path);
    scripts.set(path, script);
    const module = { exports: {} };
    modules.set(path, module);
    const asked = (name: string): unknown => (name.startsWith('.') ? load(join(dirname(path), name)) : builtIn(name));
    (script.runInThisContext() as (...of: readonly unknown[]) => void)(asked, module, module.exports);
    return module.exports;
  };

  onExit((exitCode) => {
    if (DONE.has(exitCode) && [...scripts.keys()].some((path) => !code.has(path))) code.keep(() => [...scripts].map(([path, script]) => [path, script.createCachedData()]));
  });
  load(join(__dirname, 'main.cjs'));
}
