import { isIP, isIPv4 } from 'node:net';

export interface HbaToken {
  readonly text: string;
  /** A quoted word is never a keyword. */
  readonly quoted: boolean;
}

/** One rule of pg_hba.conf. With an `error` the server refuses the whole file and the rest of the fields means nothing. */
export interface HbaLine {
  /** From 1; of joined lines the first. */
  readonly line: number;
  readonly type: string;
  readonly databases: readonly HbaToken[];
  readonly users: readonly HbaToken[];
  /** `null` for `local`. As written; a quoted keyword keeps its quotes, because it is a host name then. */
  readonly address: string | null;
  /** Only where it stands in a column of its own. */
  readonly mask: string | null;
  readonly method: string;
  readonly options: readonly string[];
  readonly error: string | null;
}

const TYPES = new Set(['local', 'host', 'hostssl', 'hostnossl', 'hostgssenc', 'hostnogssenc']);
const INCLUDES = new Set(['include', 'include_if_exists', 'include_dir']);
const METHODS = new Set(['trust', 'reject', 'md5', 'password', 'scram-sha-256', 'gss', 'sspi', 'ident', 'peer', 'pam', 'bsd', 'ldap', 'cert', 'radius', 'oauth']);
const KEYWORD_ADDRESSES = new Set(['all', 'samehost', 'samenet']);

/**
 * The rules of a text in the grammar of pg_hba.conf (hba.c), in file order, broken ones with their `error`. `joinsLines`: a backslash
 * at the end of a line joins it with the next (14 and later, also in comments). `includes`: include directives are rules of
 * that type with no columns (16 and later); without it they are errors. Files named by `@` are not read.
 */
export function parseHba(text: string, options: { readonly joinsLines: boolean; readonly includes?: boolean }): readonly HbaLine[] {
  return logicalLines(text, options.joinsLines).flatMap(({ line, text: logical }) => {
    const fields = tokenize(logical);
    return fields.length === 0 ? [] : [parseFields(line, fields, options.includes ?? false)];
  });
}

function logicalLines(text: string, joins: boolean): readonly { readonly line: number; readonly text: string }[] {
  const found: { line: number; text: string }[] = [];
  let open: { line: number; text: string } | null = null;
  for (const [index, raw] of text.split('\n').entries()) {
    const line: string = raw.replace(/\r+$/, '');
    const joined: { line: number; text: string } = open === null ? { line: index + 1, text: line } : { line: open.line, text: open.text + line };
    // hba.c looks at the backslash of this line only: an empty continuation line does not join because of the one before it.
    if (joins && line.endsWith('\\')) {
      open = { line: joined.line, text: joined.text.slice(0, -1) };
    } else {
      found.push(joined);
      open = null;
    }
  }
  if (open !== null) found.push(open);
  return found;
}

/** `next_field_expand` and `next_token`: fields are separated by blanks, the values of a field by commas; a quote may start anywhere. */
function tokenize(line: string): readonly (readonly HbaToken[])[] {
  const fields: HbaToken[][] = [];
  let at = 0;
  let continues = false;
  for (;;) {
    while (at < line.length && ' \t\r,'.includes(line[at] ?? '')) at += 1;
    if (at >= line.length || line[at] === '#') return fields;
    const token = readToken(line, at);
    if (continues) fields.at(-1)?.push(token);
    else fields.push([token]);
    at = token.end;
    continues = token.comma;
  }
}

function readToken(line: string, start: number): HbaToken & { readonly end: number; readonly comma: boolean } {
  let text = '';
  let inQuote = false;
  let wasQuote = false;
  let quoted = false;
  let at = start;
  for (; at < line.length; at += 1) {
    const char = line[at] ?? '';
    if (!inQuote && (' \t\r'.includes(char) || char === '#')) break;
    if (!inQuote && char === ',') return { text, quoted, end: at + 1, comma: true };
    if (char !== '"' || wasQuote) text += char;
    wasQuote = inQuote && char === '"' ? !wasQuote : false;
    if (char === '"') {
      inQuote = !inQuote;
      if (text === '') quoted = true;
    }
  }
  return { text, quoted, end: at, comma: false };
}

function parseFields(line: number, fields: readonly (readonly HbaToken[])[], includes: boolean): HbaLine {
  const [typeField = [], databases, users, ...others] = fields;
  const type = typeField[0]?.text ?? '';
  const rule: HbaLine = { line, type, databases: databases ?? [], users: users ?? [], address: null, mask: null, method: '', options: [], error: null };
  const failed = (error: string): HbaLine => ({ ...rule, error });

  if (includes && INCLUDES.has(type)) return { ...rule, databases: [], users: [] };
  if (typeField.length > 1) return failed('multiple values specified for connection type');
  if (!TYPES.has(type)) return failed('invalid connection type');
  if (databases === undefined) return failed('end-of-line before database specification');
  if (users === undefined) return failed('end-of-line before role specification');

  const rest = [...others];
  let place: Pick<HbaLine, 'address' | 'mask'> = { address: null, mask: null };
  if (type !== 'local') {
    const read = readAddress(rest);
    if (typeof read === 'string') return failed(read);
    place = read;
  }
  const methodField = rest.shift();
  if (methodField === undefined) return failed('end-of-line before authentication method');
  if (methodField.length > 1) return failed('multiple values specified for authentication type');
  const method = methodField[0]?.text ?? '';
  const options = rest.flat().map(({ text }) => text);
  const found: HbaLine = { ...rule, ...place, method, options };
  if (!METHODS.has(method)) return { ...found, error: 'invalid authentication method' };
  if (method === 'peer' && type !== 'local') return { ...found, error: 'peer authentication is only supported on local sockets' };
  if (method === 'gss' && type === 'local') return { ...found, error: 'gssapi authentication is not supported on local sockets' };
  if (method === 'cert' && type !== 'hostssl') return { ...found, error: 'cert authentication is only supported on hostssl connections' };
  if (options.some((option) => !option.includes('='))) return { ...found, error: 'authentication option not in name=value format' };
  return found;
}

/** Takes the address, and its mask where it has one, off the front of the fields; a text is the error. */
function readAddress(rest: (readonly HbaToken[])[]): Pick<HbaLine, 'address' | 'mask'> | string {
  const field = rest.shift();
  const token = field?.[0];
  if (field === undefined || token === undefined) return 'end-of-line before IP address specification';
  if (field.length > 1) return 'multiple values specified for host address';
  const { text, quoted } = token;
  if (KEYWORD_ADDRESSES.has(text)) return { address: quoted ? `"${text}"` : text, mask: null };
  const slash = text.indexOf('/');
  if (slash !== -1) {
    const [address, prefix] = [text.slice(0, slash), text.slice(slash + 1)];
    if (isIP(address) === 0) return 'specifying both host name and CIDR mask is invalid';
    if (!/^[0-9]+$/.test(prefix) || Number(prefix) > (isIPv4(address) ? 32 : 128)) return 'invalid CIDR mask in address';
    return { address: text, mask: null };
  }
  if (isIP(text) === 0) return { address: text, mask: null };
  const maskField = rest.shift();
  const mask = maskField?.[0]?.text;
  if (maskField === undefined || mask === undefined) return 'end-of-line before netmask specification';
  if (maskField.length > 1) return 'multiple values specified for netmask';
  // hba.c takes a mask with holes too.
  if (isIP(mask) !== isIP(text)) return 'invalid IP mask';
  return { address: text, mask };
}
