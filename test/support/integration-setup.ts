import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installations } from './at-hand.ts';

/** Builds what is tested, once: the stories run the program as it is installed. */
export default function setup(): void {
  installations();
  const build = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'scripts', 'build.js');
  const { status } = spawnSync(process.execPath, [build], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the build failed');
}
