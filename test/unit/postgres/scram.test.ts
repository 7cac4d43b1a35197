import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { saslprep } from '../../../src/postgres/saslprep.ts';
import { generatePassword, isScramVerifier, scramVerifier, verifierMatches } from '../../../src/postgres/scram.ts';
import { Secret } from '../../../src/secret.ts';

// The verifiers are from pg_authid of a PostgreSQL 15 server that was given these passwords in clear.
const FROM_SERVER: readonly (readonly [what: string, password: string, verifier: string])[] = [
  ['a soft hyphen, which is dropped', 'a b\u00adc', 'SCRAM-SHA-256$4096:g8y2Sss21l5L7Lx+PE7B8A==$kNS0wr3eY+zCEns05ePy9gn1mWFh2dYuVPAZKfqBCrA=:4SqNEVs6M8ln+yzF8yMANXH+Mi10CkjOtfvqpmZU2wU='],
  ['a Roman numeral and an ordinal, which become letters', '\u2160X \u00aa', 'SCRAM-SHA-256$4096:e4EEHkwV0AJsjFvIb78i3g==$4nHxrMf7sd8/KRwBuej2/llkcaD6t+UWavXLS8cGXSM=:v2689caHttwneAo3dtgMr4KdIHShaYHkJZVg//J3pCs='],
  ['a zero-width space, which becomes a space', '\u00e9\u200bz', 'SCRAM-SHA-256$4096:9Mm3VI5O3fCCA4nPafJoFg==$MG0IcCvqfo46y1Gd2ufkOBSRxHksIHhmAof0DBK6gH8=:1KjBFvDG+0xf9esITCiyiWSlUP3iLCZ0gLKNAy3t1l8='],
  ['Cyrillic letters', '\u043f\u0430\u0440\u043e\u043b\u044c', 'SCRAM-SHA-256$4096:oErCEpxJHoaV2rYAf1d38A==$qMHU+t2lU73YgDtMHGPmMfNWO5hy0NsC0YNoBxV6UQs=:WrHNw/BTXYKtl4Dx+SMCpa0LmhBb6yzhzXhOLPz2PzI='],
  ['Chinese characters', '\u5bc6\u7801', 'SCRAM-SHA-256$4096:xuQJTaMpgEoE5rztnFbxGg==$IRDEf/V3I4OjCHnvt+qbD10jF7R8INu437UmgBj9JkE=:wt8rx9RZ0U/nLTSnO8N9XANJTA8BqkQXRKRM41gnGN0='],
  ['letters with marks and a sign', '\u00c5\u00e9\u20ac', 'SCRAM-SHA-256$4096:XCapOtYptx+CHDmMEFZH2w==$UgXJpgFAaF34XFcS4jTwWxL57bOe5IbgsMTuSJIIp0U=:wu/BvQ+FiRLjssnLkwu8IL4awAOs9p2ciOrL1tIJsx0='],
];

describe('SCRAM verifiers', () => {
  test.each(FROM_SERVER)('the server makes the same verifier of %s', (_, password, verifier) => {
    const salt = Buffer.from(/:([^$]+)\$/.exec(verifier)?.[1] ?? '', 'base64');
    expect(scramVerifier(new Secret(password), { salt }).reveal()).toBe(verifier);
    expect(verifierMatches(new Secret(verifier), new Secret(password))).toBe(true);
    expect(verifierMatches(new Secret(verifier), new Secret(`${password}x`))).toBe(false);
  });

  test('a decomposed letter is the composed one (C05)', () => {
    expect(saslprep('e\u0301')).toBe('\u00e9');
  });

  test('a password of ASCII is taken as it is, with a salt of its own each time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii', minLength: 1 }), (password) => {
        const [first, second] = [scramVerifier(new Secret(password), { iterations: 2 }), scramVerifier(new Secret(password), { iterations: 2 })];
        expect(saslprep(password)).toBe(password);
        expect(isScramVerifier(first.reveal())).toBe(true);
        expect(first.reveal()).not.toBe(second.reveal());
        expect(verifierMatches(first, new Secret(password))).toBe(true);
        expect(verifierMatches(first, new Secret(`${password}!`))).toBe(false);
      }),
    );
  });

  test('the iterations that the server was told to use are used', () => {
    expect(scramVerifier(new Secret('a'), { iterations: 10000 }).reveal()).toMatch(/^SCRAM-SHA-256\$10000:/);
    expect(scramVerifier(new Secret('a')).reveal()).toMatch(/^SCRAM-SHA-256\$4096:[A-Za-z0-9+/]{22}==\$/);
  });

  test.each(['\u05e9\u05dc\u05d5\u05dd', '\u{1f600}', 'a\u0007\u00e9', '\u00ad', '\u0221', '\ud800', '\u2028'])('%j is refused, because it is not certain that a client could log in', (password) => {
    expect(() => scramVerifier(new Secret(password))).toThrow(expect.objectContaining({ kind: 'usage', code: 'password-invalid' }));
  });

  test.each(['md53175bce1d3201d16594cebf9d7eb3f9d', 'secret', '', 'SCRAM-SHA-256$4096:c2FsdA==$short:short', ' SCRAM-SHA-256$4096'])('%j is no verifier and matches nothing', (text) => {
    expect(isScramVerifier(text)).toBe(false);
    expect(verifierMatches(new Secret(text), new Secret('secret'))).toBe(false);
  });

  test('a verifier with another server key does not match', () => {
    const verifier = scramVerifier(new Secret('a'), { iterations: 1 }).reveal();
    const other = scramVerifier(new Secret('b'), { iterations: 1 }).reveal();
    const mixed = verifier.slice(0, verifier.lastIndexOf(':')) + other.slice(other.lastIndexOf(':'));
    expect(verifierMatches(new Secret(mixed), new Secret('a'))).toBe(false);
  });

  test('generated passwords need no quoting anywhere and differ', () => {
    const passwords = Array.from({ length: 50 }, () => generatePassword().reveal());
    expect(passwords.every((password) => /^[A-Za-z0-9_-]{32}$/.test(password))).toBe(true);
    expect(new Set(passwords).size).toBe(50);
  });
});
