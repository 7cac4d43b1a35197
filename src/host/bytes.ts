import { isUtf8 } from 'node:buffer';

const FIRST_ESCAPE = 0xdc00;

/**
 * Bytes as text without loss: UTF-8, and each byte that is none becomes the lone surrogate U+DC80 to U+DCFF. A file of
 * the user may hold a comment in Latin-1, and every byte that is not ours must come back as it was.
 */
export function decodeText(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(buffer)) return buffer.toString('utf8');
  const parts: string[] = [];
  let at = 0;
  while (at < buffer.length) {
    const character = buffer.subarray(at, at + lengthByFirstByte(buffer[at] ?? 0));
    if (isUtf8(character)) {
      parts.push(character.toString('utf8'));
      at += character.length;
    } else {
      parts.push(String.fromCharCode(FIRST_ESCAPE + (buffer[at] ?? 0)));
      at += 1;
    }
  }
  return parts.join('');
}

function lengthByFirstByte(first: number): number {
  if (first < 0xc0) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

/** The bytes that `decodeText` made this text of. */
export function encodeText(text: string): Uint8Array {
  if (!/\p{Surrogate}/u.test(text)) return Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const isByte = code >= FIRST_ESCAPE + 0x80 && code <= FIRST_ESCAPE + 0xff;
    parts.push(isByte ? Buffer.from([code - FIRST_ESCAPE]) : Buffer.from(character, 'utf8'));
  }
  return Buffer.concat(parts);
}
