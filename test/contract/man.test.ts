import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const MAN = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'man');
const files = readdirSync(MAN).filter((name) => name.endsWith('.1')).map((name) => join(MAN, name));
const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

// No page has a date on purpose: the same code makes the same bytes.
test.skipIf(!has('mandoc'))('mandoc has nothing to say about the man pages but that they have no date', () => {
  const { stdout } = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', ...files], { encoding: 'utf8' });
  expect(stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date'))).toEqual([]);
});

test.skipIf(!has('groff'))('groff formats the man pages without a warning', () => {
  for (const file of files) {
    const { stderr, status } = spawnSync('groff', ['-man', '-Tutf8', '-ww', file], { encoding: 'utf8' });
    expect({ file, stderr, status }).toEqual({ file, stderr: '', status: 0 });
  }
});
