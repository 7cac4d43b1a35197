import { spawn } from 'node:child_process';
import { programEnv, type Installation } from '../test/support/at-hand.ts';
import { asServer } from '../test/support/server-account.ts';

/** A shell of the server's user that was opened beforehand, as a careful person would have it: no program start is paid but what it runs. */
export interface Shell {
  /** Its output, standard error included; rejects unless the last command ended with 0. */
  run(script: string): Promise<string>;
  close(): void;
}

export function openShell(installation: Installation): Shell {
  const { PATH = '', ...env } = programEnv(installation);
  const child = spawn('sh', [], { ...asServer(), cwd: '/', env: { ...env, PATH: `${installation.binDir}:${PATH}` }, stdio: ['pipe', 'pipe', 'ignore'] });
  let output = '';
  let heard = (): void => undefined;
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
    heard();
  });
  child.stdin.write('exec 2>&1\n');
  return {
    run: async (script) => {
      output = '';
      child.stdin.write(`{ ${script}\n} </dev/null; echo "<<$?>>"\n`);
      return await new Promise((resolve, reject) => {
        heard = () => {
          const match = /<<([0-9]+)>>\n$/.exec(output);
          if (match === null) return;
          const text = output.slice(0, match.index);
          if (match[1] === '0') resolve(text);
          else reject(new Error(`${script} ended with ${match[1] ?? ''}: ${text}`));
        };
      });
    },
    close: () => child.kill(),
  };
}

/** `"0/5000148"` as a number that can be compared. */
export function lsnOf(text: string): bigint {
  const [high = '0', low = '0'] = text.split('/');
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}

/** One line of pg_controldata. */
export function controlLine(output: string, label: string): string {
  const line = output.split('\n').find((candidate) => candidate.startsWith(`${label}:`));
  if (line === undefined) throw new Error(`pg_controldata does not say "${label}"`);
  return line.slice(label.length + 1).trim();
}
