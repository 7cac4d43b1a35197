import { usageError } from '../../errors.ts';
import { decideSync } from '../../operations/sync.ts';
import { syncCommand, type SyncWish } from '../../operations/sync-wish.ts';
import type { Sync } from '../../operations/wants.ts';
import { printable } from '../../postgres/names.ts';
import type { Topology } from '../../topology/topology.ts';
import { change } from '../change.ts';
import type { Command, OptionSpec } from '../command.ts';
import { ADMIN_OPTIONS, parseKnown } from '../known-node.ts';
import { knownNode } from '../node-words.ts';

const OPTIONS: readonly OptionSpec[] = ADMIN_OPTIONS;

/** `pgrepl sync off | any N [NAME…] | first N NAME…` */
export const sync: Command = change<Sync>({
  name: 'sync',
  summary: 'let commits wait for standbys, so that a failover loses nothing',
  arguments: [
    { name: '<HOW>', help: 'off; any: N of them, whoever is faster; first: the first N of the list that are there', suggests: ['off', 'any', 'first'] },
    { name: '[N]', help: 'how many have a commit before it is acknowledged' },
    { name: '[NAME...]', help: 'the standbys (any: default every one that streams from the primary itself)' },
  ],
  options: OPTIONS,
  examples: ['pgrepl sync any 1', 'pgrepl sync any 1 node2 node3', 'pgrepl sync first 1 node2 node3', 'pgrepl sync off'],
  parse: async (context) => {
    const parsed = await parseKnown(context, OPTIONS);
    return { ...parsed, want: { wish: wishFrom(context.words.arguments, parsed.topology) } };
  },
  decide: decideSync,
});

/** What the words ask for; whatever can be seen to be wrong by the words and the cluster file alone is said here. */
function wishFrom([how = '', count, ...typed]: readonly string[], topology: Topology): SyncWish | null {
  if (how === 'off') {
    if (count !== undefined) throw usageError('sync-words', `off takes no more words, and "${printable(count)}" is one`, { next: ['pgrepl sync off'] });
    return null;
  }
  if (how !== 'any' && how !== 'first') throw usageError('sync-words', `"${printable(how)}" is not off, any or first`, { next: ['pgrepl sync any 1', 'pgrepl sync off'] });
  if (count === undefined || !/^[1-9][0-9]{0,3}$/.test(count)) {
    const isName = topology.nodes.some((node) => node.name === count);
    throw usageError('sync-words', count === undefined ? `${how} needs a number: how many standbys have a commit before it is acknowledged` : `"${printable(count)}" is not a number of standbys`, { next: [syncCommand({ method: how, needed: 1, names: isName && count !== undefined ? [count, ...typed] : how === 'first' ? ['NAME'] : null })] });
  }
  const names = typed.flatMap((word) => word.split(',').filter((name) => name !== '')).map((name) => knownNode(name, topology));
  const needed = Number(count);
  if (names.length === 0) {
    if (how === 'any') return { method: how, needed, names: null };
    throw usageError('sync-words', 'first needs the names of the standbys, in their order', { hint: `The nodes of the cluster file are ${topology.nodes.map((node) => node.name).join(', ')}.`, next: [syncCommand({ method: 'any', needed, names: null })] });
  }
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw usageError('sync-words', `${twice} is named twice, and counts once`, { node: twice });
  if (needed > names.length) throw usageError('sync-words', `${how} ${needed} needs ${needed} standbys, and ${names.length === 1 ? 'one is' : `${names.length} are`} named: every commit would wait`, { next: [syncCommand({ method: how, needed: names.length, names })] });
  return { method: how, needed, names };
}
