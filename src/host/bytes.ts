const FIRST_ESCAPE = 0xdc00;

/**
 * Bytes as text without loss: UTF-8, and each byte that is none becomes the lone surrogate U+DC80 to U+DCFF. A file of
 * the user may hold a comment in Latin-1, and every byte that is not ours must come back as it was.
 */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return decodeForeign(bytes);
  }
}

function decodeForeign(bytes: Uint8Array): string {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let text = '';
  let at = 0;
  while (at < bytes.length) {
    const length = lengthOfCharacter(bytes, at, decoder);
    if (length === 0) {
      text += String.fromCharCode(FIRST_ESCAPE + (bytes[at] ?? 0));
      at += 1;
    } else {
      text += decoder.decode(bytes.subarray(at, at + length));
      at += length;
    }
  }
  return text;
}

function lengthOfCharacter(bytes: Uint8Array, at: number, decoder: { decode(bytes: Uint8Array): string }): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  try {
    decoder.decode(bytes.subarray(at, at + length));
    return at + length <= bytes.length ? length : 0;
  } catch {
    return 0;
  }
}

/** The bytes that `decodeText` made this text of. */
export function encodeText(text: string): Uint8Array {
  if (!/\p{Surrogate}/u.test(text)) return Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const escaped = code >= FIRST_ESCAPE + 0x80 && code <= FIRST_ESCAPE + 0xff;
    parts.push(escaped ? Buffer.from([code - FIRST_ESCAPE]) : Buffer.from(character, 'utf8'));
  }
  return Buffer.concat(parts);
}
