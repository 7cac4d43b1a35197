import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RULES } from '../../../../src/operations/doctor/rules.ts';

const DOCS = join(import.meta.dirname, '../../../../docs');
const rows = readFileSync(join(DOCS, 'hazards.md'), 'utf8').split('\n').flatMap((line) => {
  const [, id, , found] = /^\| ([A-Z]\d{2}) \| (.+?) \| (.+) \|$/.exec(line) ?? [];
  return id === undefined || found === undefined ? [] : [{ id, found, rules: [...found.matchAll(/`([a-z-]+)`\]\(doctor\.md#\1\)/g)].map(([, rule]) => rule) }];
});

/** How many there are of each section. */
const COUNTS = { A: 24, B: 23, C: 25, D: 38, E: 18, F: 17, G: 25, H: 24, I: 23, J: 31, K: 10, L: 9, M: 20 } as const;

test('every hazard of sections A to M is in the list exactly once', () => {
  const wanted = Object.entries(COUNTS).flatMap(([section, count]) => Array.from({ length: count }, (_, index) => `${section}${String(index + 1).padStart(2, '0')}`));
  expect(rows.map(({ id }) => id)).toEqual(wanted);
});

test('the list names for each hazard the rules that find it, or why none does', () => {
  const byRules = new Map(rows.map(({ id }) => [id, RULES.filter(({ hazards }) => hazards.includes(id)).map((rule) => rule.id)]));
  for (const { id, found, rules } of rows) {
    expect([id, rules]).toEqual([id, byRules.get(id)]);
    if (rules.length === 0) expect(found).toMatch(/^left out: \S.{10,}/);
  }
});

test('no rule is about a hazard that is not in the list', () => {
  const known = new Set(rows.map(({ id }) => id));
  expect(RULES.flatMap(({ id, hazards }) => hazards.filter((hazard) => !known.has(hazard)).map((hazard) => `${id} ${hazard}`))).toEqual([]);
});

test('every rule has a section of its own in the page of the doctor, in the order of the rules', () => {
  const page = readFileSync(join(DOCS, 'doctor.md'), 'utf8');
  const sections = [...page.slice(page.indexOf('## Rules')).matchAll(/^### ([a-z-]+)$/gm)].map(([, name]) => name);
  expect(sections).toEqual(RULES.map(({ id }) => id));
});
