/** An identifier for SQL text: always quoted, so that neither case nor keywords matter. */
export function quoteIdentifier(name: string): string {
  if (name === '' || name.includes('\u0000')) throw new Error('an identifier is not empty and has no NUL');
  return `"${name.replaceAll('"', '""')}"`;
}

/** A string literal for SQL text; right whatever `standard_conforming_strings` says (as PQescapeLiteral does it). */
export function quoteLiteral(text: string): string {
  if (text.includes('\u0000')) throw new Error('a literal has no NUL');
  const doubled = text.replaceAll("'", "''");
  return doubled.includes('\\') ? ` E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}

/** The name of a setting; the two halves of a dotted one are quoted each for itself. */
export function quoteSettingName(name: string): string {
  return name.split('.').map(quoteIdentifier).join('.');
}

/** A connection string (keywords or URI) with every password in it shown as `***`. */
export function maskPassword(conninfo: string): string {
  if (/^postgres(?:ql)?:\/\//i.test(conninfo)) {
    return conninfo.replace(/^(postgres(?:ql)?:\/\/[^/@:?]*):[^/]*@/i, '$1:***@').replace(/([?&](?:ssl)?password=)[^&]*/gi, '$1***');
  }
  return conninfo.replace(/(\b(?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'?|(?:[^\s'\\]|\\.)+)/gi, '$1***');
}

/** True for every way in which PostgreSQL takes `off` as the value of a switch, shortened ones included (bool.c, parse_bool). Pure. */
export function readsAsOff(value: string): boolean {
  return /^(?:off?|f(?:a(?:l(?:se?)?)?)?|no?|0)$/i.test(value);
}
