import type { Finding } from '../operations/status.ts';
import type { Topology } from '../topology/topology.ts';
import type { Globals } from './command.ts';
import { DEFINITIONS } from './definitions.ts';
import { quoteWords } from './io.ts';

/** The findings with commands as they are to be typed: of pgrepl only those that there are, and with the cluster file that this one was given. */
export function typedNext<F extends Finding>(findings: readonly F[], globals: Globals, topology: Pick<Topology, 'file'>): readonly F[] {
  const program = globals.fileNamed ? `pgrepl ${quoteWords(['-f', topology.file])}` : 'pgrepl';
  const typed = (command: string): readonly string[] => {
    const [, name, rest = ''] = /^pgrepl ([a-z-]+)(.*)$/.exec(command) ?? [];
    if (name === undefined) return [command];
    return DEFINITIONS.some((definition) => definition.name === name) ? [`${program} ${name}${rest}`] : [];
  };
  return findings.map((finding) => ({ ...finding, next: finding.next.flatMap(typed) }));
}
