import { usageError } from '../errors.ts';

declare const brand: unique symbol;

/** Name of a node, which is also its slot, its application_name and its cluster_name: `[a-z][a-z0-9_]{0,62}`. */
export type NodeName = string & { readonly [brand]: 'NodeName' };
export type RoleName = string & { readonly [brand]: 'RoleName' };
/** Identifies one database cluster and all its copies; 64 bits, so text (JavaScript numbers would round it). */
export type SystemIdentifier = string & { readonly [brand]: 'SystemIdentifier' };

const NODE_NAME = /^[a-z][a-z0-9_]{0,62}$/;

/** Throws a usage error that says what is allowed; a name is never mapped or cut, because two names could then meet in one slot. */
export function parseNodeName(text: string): NodeName {
  if (!NODE_NAME.test(text)) {
    throw usageError('name-invalid', `"${printable(text)}" is not a valid node name`, {
      hint: 'A name starts with a to z, goes on with a to z, 0 to 9 or _, and has at most 63 characters: it is also the name of the replication slot.',
    });
  }
  return text as NodeName;
}

/** Any role name that PostgreSQL takes, except control characters (a line feed would start a new pg_hba.conf rule) and over 63 bytes. */
export function parseRoleName(text: string): RoleName {
  const bytes = new TextEncoder().encode(text).length;
  if (text === '' || bytes > 63 || hasControlCharacter(text)) {
    throw usageError('role-invalid', `"${printable(text)}" cannot be used as a role name`, {
      hint: 'A role name has 1 to 63 bytes and no control characters.',
    });
  }
  if (text.startsWith('/')) {
    throw usageError('role-invalid', `"${printable(text)}" cannot be used as a role name`, {
      hint: 'From PostgreSQL 16 on a name in pg_hba.conf that starts with / is a regular expression.',
    });
  }
  if (text.startsWith('pg_')) {
    throw usageError('role-invalid', `"${printable(text)}" cannot be used as a role name`, { hint: 'PostgreSQL reserves names that start with pg_.' });
  }
  return text as RoleName;
}

/** Decimal digits, at most 20 of them. */
export function parseSystemIdentifier(text: string): SystemIdentifier {
  if (!/^[0-9]{1,20}$/.test(text)) throw usageError('system-identifier-invalid', `"${printable(text)}" is not a system identifier`);
  return text as SystemIdentifier;
}

export function hasControlCharacter(text: string): boolean {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return /[\u0000-\u001f\u007f]/.test(text);
}

/** The text with control characters shown as `?`, so that a wrong input cannot steer the terminal that reports it. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is replaced
  return text.replace(/[\u0000-\u001f\u007f\u0080-\u009f]/g, '?');
}
