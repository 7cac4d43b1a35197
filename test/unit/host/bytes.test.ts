import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeText, encodeText } from '../../../src/host/bytes.ts';

test('whatever bytes a file has, they survive reading and writing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.string({ unit: 'binary' }).map((text) => Buffer.from(text))), (bytes) => {
      expect([...encodeText(decodeText(bytes))]).toEqual([...bytes]);
    }),
    { numRuns: 200 },
  );
});

test.each([
  [[0x41, 0xe9, 0x0a], 'A\udce9\n'],
  [[0xc3, 0xa9], 'é'],
  [[0xef, 0xbb, 0xbf, 0x41], '\ufeffA'],
  [[0xed, 0xb3, 0xa9], '\udced\udcb3\udca9'],
  [[0xe2, 0x82], '\udce2\udc82'],
])('%j', (bytes, text) => {
  expect(decodeText(Uint8Array.from(bytes))).toBe(text);
  expect([...encodeText(text)]).toEqual(bytes);
});
