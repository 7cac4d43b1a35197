import { decideRotatePassword } from '../../operations/rotate-password.ts';
import type { RotatePassword } from '../../operations/wants.ts';
import { change } from '../change.ts';
import type { Command, OptionSpec } from '../command.ts';
import { ADMIN_OPTIONS, parseKnown } from '../known-node.ts';
import { knownNode } from '../node-words.ts';

const OPTIONS: readonly OptionSpec[] = [
  { flags: '--password-file <FILE>', help: 'the new password, instead of a generated one; - is standard input' },
  { flags: '--cut-off <NODE>', help: 'leaves out this node, which cannot be reached: its next reconnect is refused (repeatable)', repeat: true },
  ...ADMIN_OPTIONS,
];

/** `pgrepl rotate-password` */
export const rotatePassword: Command = change<RotatePassword>({
  name: 'rotate-password',
  summary: 'another password for the replication role, and every node knows it',
  arguments: [],
  options: OPTIONS,
  examples: ['pgrepl rotate-password', 'pgrepl rotate-password --password-file new.pass'],
  parse: async (context) => {
    const parsed = await parseKnown(context, OPTIONS);
    return { ...parsed, want: { cutOff: (context.words.list('cutOff') ?? []).map((name) => knownNode(name, parsed.topology)) } };
  },
  decide: decideRotatePassword,
});
